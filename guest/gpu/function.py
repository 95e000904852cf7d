"""A guest's GPU: what its driver can reach of it, and what stands in between.

Memory is free to use, except that accesses which the mode of sharing traps take time and are counted. Time
that the driver loses delays its next doorbell; time that an interrupt loses delays the interrupt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.gpu.address_space import AddressSpace
from guest.gpu.commands import Command
from guest.gpu.context import Client, Context
from guest.gpu.cost import NANOSECONDS, CostModel
from guest.gpu.engine import Engine
from guest.gpu.faults import GpuFault, OutsidePartition
from guest.gpu.page_table import IN_VRAM, PAGE, VALID
from guest.gpu.sharing import Access, Sharing
from guest.gpu.survey import Survey, survey
from guest.gpu.vram import Partition, VramAllocator
from virtio.clock import Cancellable, Clock
from virtio.memory import GuestMemory, Region, Run, SharedHandle

OnFault = Callable[[GpuFault], None]


@dataclass(slots=True)
class FunctionStatistics:
    """What one guest's GPU did.

    Attributes:
        traps: By `Access`.
        faults: By name.
        violations: Attempts to reach what belongs to others, by the kind of fault that they became.
        copied_bytes: Commands and pictures that API remoting copied.
    """

    traps: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: int = 0
    copied_bytes: int = 0


class Wiring(NamedTuple):
    """What a function is connected to.

    Attributes:
        clock: The run's.
        engine: Shared with others.
        cost: Of its work.
        sharing: How.
        vram: The memory behind it.
    """

    clock: Clock
    engine: Engine
    cost: CostModel
    sharing: Sharing
    vram: SharedHandle


class GpuFunction:
    """One guest's view of a GPU.

    Attributes:
        client: The guest, as the engine knows it.
        partition: Its part of VRAM.
        vram: Allocates from it.
        memory: All that the GPU reaches for this guest: its system memory, and VRAM from `BAR` on.
        reachable: The same as far as processors reach it, the host's included: hidden VRAM is not there.
        statistics: See `FunctionStatistics`.
        cost: The engine's cost model.
        on_fault: Called with every fault of the guest.
    """

    def __init__(
        self,
        wiring: Wiring,
        client: Client,
        partition: Partition,
        ram: GuestMemory,
        pool: VramAllocator | None = None,
    ) -> None:
        self.client, self.partition = client, partition
        self.vram = VramAllocator(partition, pool)
        own = [Region(r.guest_address, r.size, r.handle, r.offset) for r in ram.regions]
        self.memory = GuestMemory([*own, *partition.regions(wiring.vram, hidden=True)])
        self.reachable = GuestMemory([*own, *partition.regions(wiring.vram, hidden=False)])
        self.statistics = FunctionStatistics()
        self.cost = wiring.cost
        self.on_fault: OnFault = lambda _fault: None
        self._clock, self._engine, self._sharing = wiring.clock, wiring.engine, wiring.sharing
        self._spaces: list[AddressSpace] = []
        self._contexts: list[Context] = []
        self._surveyed: dict[Context, int] = {}  # up to where in its ring
        self._pictures: dict[Context, list[int]] = {}  # bytes to copy back at each interrupt to come
        self._free_ns = 0  # when the driver's processor has time again

    def now_ns(self) -> int:
        """The time."""
        return self._clock.now_ns()

    def new_space(self) -> AddressSpace:
        """An address space, empty."""
        self._spaces.append(AddressSpace(self.memory))
        return self._spaces[-1]

    def create_context(
        self,
        space: AddressSpace,
        ring: int,
        ring_size: int,
        *,
        on_interrupt: Callable[[], None],
        on_fault: OnFault,
    ) -> Context:
        """A context that uses `space`, with its ring at an address of it.

        Args:
            space: From `new_space`.
            ring: GPU address.
            ring_size: Bytes.
            on_interrupt: Called after each job.
            on_fault: Called when the context is banned.
        """
        context = Context(self.client, space, ring, ring_size)
        context.on_interrupt = partial(self._interrupt, context, on_interrupt)
        context.on_fault = partial(self._fault, on_fault)
        self._engine.add(context)
        self._contexts.append(context)
        self._surveyed[context], self._pictures[context] = 0, []
        return context

    def destroy_context(self, context: Context) -> None:
        """Drop a context and what it has left to do."""
        self._contexts.remove(context)
        del self._surveyed[context], self._pictures[context]
        self._engine.remove(context)

    def write_page_table(self, space: AddressSpace, address: int, values: NDArray[np.uint64]) -> None:
        """Map pages (see `guest.gpu.page_table`).

        Raises:
            OutsidePartition: The mode of sharing traps this, and the pages are not the guest's.
            PageFault: Beyond the address space.
        """
        if self._sharing.remote:  # the host writes it, if it likes what it is asked for
            self._charge(self._sharing.call_ns)
            self._audit_entries(values, self.vram.owned)
        elif self._traps(Access.PAGE_TABLE, len(values)):
            self._audit_entries(values, self.partition.seen)
        space.table.write(address, values)

    def doorbell(self, context: Context, tail: int) -> None:
        """Say that commands were written into a context's ring, up to `tail`.

        Where commands are audited, those that reach beyond the guest's partition are refused: the context is
        banned when the engine comes to them.
        """
        self._traps(Access.DOORBELL)
        if self._sharing.audited and context.refused is None:
            begin = self._surveyed[context]
            try:
                self._audit(context, tail)
            except GpuFault as fault:
                context.refused = begin, fault
        self._clock.call_at(self._when_free(), partial(self._engine.doorbell, context, tail))

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Cancellable:
        """Call the driver at a time."""
        return self._clock.call_at(when_ns, callback)

    def reset(self, context: Context, why: str) -> None:
        """Reset the engine over a context, which is banned."""
        self._engine.reset(context, why)

    def poke(self) -> None:
        """A processor has written to memory that a context may be waiting for."""
        self._engine.dispatch()

    def close(self) -> None:
        """Drop all contexts and let go of all memory."""
        for context in [*self._contexts]:
            self.destroy_context(context)
        for space in self._spaces:
            space.close()
        for run in [*self.vram.owned]:
            self.vram.free(run)
        self.memory.close()
        self.reachable.close()

    def as_dict(self) -> dict[str, Any]:
        """Its statistics, for JSON."""
        statistics = self.statistics
        return {
            "busy_ms": round(self.client.busy_ns / 1e6, 3),
            "vram_bytes": self.partition.size,
            "traps": dict(sorted(statistics.traps.items())),
            "copied_bytes": statistics.copied_bytes,
            "faults": dict(sorted(statistics.faults.items())),
            "violations": statistics.violations,
        }

    def _traps(self, access: Access, count: int = 1) -> bool:
        """Count and charge an access, if it traps."""
        if access not in self._sharing.trapped:
            return False
        self.statistics.traps[access.value] += count
        self._charge(count * self._sharing.trap_ns)
        return True

    def _charge(self, duration_ns: int) -> None:
        """The driver's processor is busy for so much longer."""
        self._free_ns = self._when_free() + duration_ns

    def _when_free(self) -> int:
        return max(self._free_ns, self._clock.now_ns())

    def _audit_entries(self, values: NDArray[np.uint64], allowed: Sequence[Run]) -> None:
        local = values[(values & np.uint64(VALID | IN_VRAM)) == VALID | IN_VRAM] & np.uint64(
            ~(PAGE - 1) & (1 << 64) - 1
        )
        inside = np.zeros(len(local), bool)
        for start, size in allowed:
            inside |= (local >= start) & (local < start + size)
        if not inside.all():
            address = int(local[np.argmin(inside)])
            fault = OutsidePartition(f"{self.client.name} maps VRAM page {address:#x}, which is not its own")
            self._note(fault)
            raise fault

    def _audit(self, context: Context, tail: int) -> None:
        """Look through what is new in a ring.

        Raises:
            GpuFault: It may not run.
        """
        commands: list[Command] = []
        position = self._surveyed[context]
        while position < tail:
            command, size = context.peek(position)
            commands.append(command)
            position += size
        self._surveyed[context] = tail
        parts = None if self._sharing.remote else self.partition.seen
        found = survey(context.space, commands, parts)
        self._charge(found.commands * self._sharing.audit_ns)
        if self._sharing.remote:
            self._send(context, found)

    def _send(self, context: Context, found: Survey) -> None:
        """Send commands to the host, and remember the picture that has to come back."""
        self.statistics.copied_bytes += found.stream_bytes
        self._charge(found.commands * self._sharing.call_ns + self._copy_ns(found.stream_bytes))
        self._pictures[context].append(found.picture_bytes)

    def _copy_ns(self, size: int) -> int:
        return -(-size * NANOSECONDS // self._sharing.copy_bytes_per_s)

    def _interrupt(self, context: Context, handler: Callable[[], None]) -> None:
        delay_ns = 0
        if Access.INTERRUPT in self._sharing.trapped:
            self.statistics.traps[Access.INTERRUPT.value] += 1
            delay_ns = self._sharing.trap_ns
        if self._pictures[context]:
            size = self._pictures[context].pop(0)
            self.statistics.copied_bytes += size
            delay_ns += self._copy_ns(size)
        self._clock.call_at(self._clock.now_ns() + delay_ns, handler)

    def _fault(self, handler: OnFault, fault: GpuFault) -> None:
        self._note(fault)
        handler(fault)

    def _note(self, fault: GpuFault) -> None:
        self.statistics.faults[fault.name] += 1
        self.statistics.violations += isinstance(fault, OutsidePartition)
        self.on_fault(fault)
