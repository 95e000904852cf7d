"""Fixed time slices: SR-IOV.

Every virtual function has its slot of the engine's time, whether it uses it or not, as when the firmware
schedules idle functions too (the policy `sched_if_idle` of drm/xe's SR-IOV code): no guest can tell from its
own speed what the others do. A slot that ends in the middle of a job interrupts it between two commands.
"""

from __future__ import annotations

from collections.abc import Sequence

from guest.gpu.arbiter import Schedulable, oldest
from guest.gpu.context import Client, Context
from virtio.clock.calendar import Cancellable, Clock

SLICE_NS = 2_000_000


class FixedSlices:
    """One slot for each client, in turn; weights are not heeded.

    Args:
        slice_ns: Length of a slot.
    """

    preempts = True

    def __init__(self, slice_ns: int = SLICE_NS) -> None:
        self.slice_ns = slice_ns
        self._clients: list[Client] = []
        self._timer: Cancellable | None = None

    def bind(self, clock: Clock, engine: Schedulable) -> None:
        """Keep this clock's time."""
        self._clock, self._engine = clock, engine

    def join(self, client: Client) -> None:
        """One more slot."""
        self._clients.append(client)

    def leave(self, client: Client) -> None:
        """One less."""
        self._clients.remove(client)

    def pick(self, ready: Sequence[Context]) -> Context | None:
        """Work of whose slot it is; otherwise nothing before the next one."""
        if not ready:
            return None
        slot = self._clock.now_ns() // self.slice_ns
        owner = self._clients[slot % len(self._clients)]
        chosen = oldest([context for context in ready if context.client is owner])
        if chosen is None and self._timer is None:
            self._timer = self._clock.call_at((slot + 1) * self.slice_ns, self._next_slot)
        return chosen

    def _next_slot(self) -> None:
        self._timer = None
        self._engine.dispatch()
