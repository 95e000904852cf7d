"""Time slices by weight: the scheduler of Intel's GVT-g, for mediated passthrough.

As in drivers/gpu/drm/i915/gvt/sched_policy.c (read, not copied): a timer ticks every millisecond. Every
hundred ticks each client is given its weight's share of 100 ms on top of what it has left, or owes; every
tenth time the past is forgotten. At a tick the least recently chosen client that has work and time left comes
next; a running job is not interrupted, but nothing follows it. A client's share is thus a cap as well: what
others leave unused stays unused.

Time used to be accounted when the engine went from one client to another (`Accounting.ON_SWITCH`). A client
that was busy alone never switched, so that its debt of a whole second came due at once when another guest
wanted to draw: it stood still for hundreds of milliseconds, till the past was forgotten. Later every tick
accounts (`Accounting.EVERY_TICK`; the history is in commits 39d467c2b71c, b35f34d1da4e and 89babe7cf18e).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from guest.gpu.arbiter import Schedulable, oldest
from guest.gpu.context import Client, Context
from virtio.clock.calendar import Cancellable, Clock

TICK_NS = 1_000_000
PERIOD_NS = 100_000_000  # of the balance
STAGES = 10  # periods until the past is forgotten


class Accounting(Enum):
    """When a client's time is charged to it."""

    EVERY_TICK = "every-tick"
    ON_SWITCH = "on-switch"


@dataclass(slots=True, eq=False)
class _Share:
    """One client's time, nanoseconds: what it has left of what it is given, and since when it runs."""

    client: Client
    left_ns: int = 0
    given_ns: int = 0
    since_ns: int = 0


class WeightedSlices:
    """The scheduler; see the module.

    Args:
        accounting: When time is charged.
    """

    preempts = False

    def __init__(self, accounting: Accounting = Accounting.EVERY_TICK) -> None:
        self._accounting = accounting
        self._shares: list[_Share] = []  # the least recently chosen first
        self._current: _Share | None = None  # None: no guest, like the kernel's idle vGPU
        self._following: _Share | None = None
        self._decided = False  # `_following` holds, and waits for the running job
        self._periods = 0
        self._timer: Cancellable | None = None

    def bind(self, clock: Clock, engine: Schedulable) -> None:
        """Keep this clock's time."""
        self._clock, self._engine = clock, engine

    def join(self, client: Client) -> None:
        """Give it a share, from the next balance that forgets the past on; until then what is its due."""
        total = client.weight + sum(share.client.weight for share in self._shares)
        given = PERIOD_NS * client.weight // total
        self._shares.append(_Share(client, given, given))

    def leave(self, client: Client) -> None:
        """Its share goes to the others at the next balance that forgets the past."""
        self._shares = [share for share in self._shares if share.client is not client]
        if self._current is not None and self._current.client is client:
            self._current = None
        if self._following is not None and self._following.client is client:
            self._following, self._decided = None, False

    def left_ns(self, client: Client) -> int:
        """What a client has left of its time; negative when it owes."""
        return next(share.left_ns for share in self._shares if share.client is client)

    def pick(self, ready: Sequence[Context]) -> Context | None:
        """The current client's oldest job, unless another's turn has come."""
        if self._decided:
            self._schedule()
        if ready and self._timer is None:
            self._timer = self._clock.call_at((self._clock.now_ns() // TICK_NS + 1) * TICK_NS, self._tick)
        current = self._current
        if current is None:
            return None
        return oldest([context for context in ready if context.client is current.client])

    def _tick(self) -> None:
        self._timer = None
        now_ns = self._clock.now_ns()
        while self._periods <= now_ns // PERIOD_NS:
            self._balance(self._periods % STAGES)
            self._periods += 1
        self._schedule()
        if self._current is not None or any(self._engine.has_work(share.client) for share in self._shares):
            self._timer = self._clock.call_at(now_ns + TICK_NS, self._tick)
        self._engine.dispatch()

    def _balance(self, stage: int) -> None:
        if stage == 0:
            total = sum(share.client.weight for share in self._shares)
            for share in self._shares:
                share.given_ns = PERIOD_NS * share.client.weight // total
                share.left_ns = 0
        for share in self._shares:
            share.left_ns += share.given_ns

    def _schedule(self) -> None:
        """Decide which client comes next, and switch to it as soon as no job runs."""
        if self._accounting is Accounting.EVERY_TICK:
            self._account()
        if not self._decided:
            self._following = self._choose()
            if self._following is self._current:
                return
            self._decided = True
        if not self._engine.busy:
            self._account()
            self._current, self._following, self._decided = self._following, None, False
            if self._current is not None:
                self._current.since_ns = self._clock.now_ns()

    def _choose(self) -> _Share | None:
        for share in self._shares:
            if share.left_ns > 0 and self._engine.has_work(share.client):
                self._shares.remove(share)
                self._shares.append(share)
                return share
        return None

    def _account(self) -> None:
        """Charge the current client with the time since it was last charged."""
        if self._current is not None:
            now_ns = self._clock.now_ns()
            self._current.left_ns -= now_ns - self._current.since_ns
            self._current.since_ns = now_ns
