"""One GPU, and how guests come to it.

gpu = Gpu("mediated")
left, right = SimulatedGuest("gears", gpu=gpu), SimulatedGuest("plasma", gpu=gpu.slot(weight=2))
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from guest.gpu.context import Client
from guest.gpu.cost import CostModel
from guest.gpu.engine import Engine
from guest.gpu.function import GpuFunction, Wiring
from guest.gpu.sharing import Sharing, sharing
from guest.gpu.vram import VISIBLE_SIZE, VRAM_SIZE, Partition, partition
from virtio.clock import Clock
from virtio.errors import Misuse
from virtio.memory import GuestMemory, SharedHandle

_CYCLES = 64  # a pixel: 5.5 ms for a frame of 1080p
_DRAWS = 4  # a stamp has a mark at each end and three in between, so every band but the last changes one


class FramebufferMemory(StrEnum):
    """The memory in which a guest's framebuffers lie."""

    SYSTEM = "system"
    """In system memory: drawn into over the bus, and shared as they are."""
    PEER = "vram-peer"
    """In visible VRAM, which the host maps as well (peer to peer)."""
    MIGRATED = "vram-migrated"
    """In VRAM that the host does not reach: every frame is copied into system memory first."""


@dataclass(frozen=True, slots=True)
class GpuSlot:
    """A guest's place at a GPU.

    Attributes:
        gpu: Which.
        weight: Its share of the engine, where weights count.
        placement: Where its framebuffers lie.
        cycles: That its workload's shader takes for a pixel.
        draws: Commands that a frame takes: bands from the top.
    """

    gpu: Gpu
    weight: int = 1
    placement: FramebufferMemory = FramebufferMemory.SYSTEM
    cycles: int = _CYCLES
    draws: int = _DRAWS


class Gpu:
    """One GPU. It is there from the first guest's start to the last one's end.

    Args:
        mode: How guests share it: "native", "direct", "mediated", "mediated-original", "sriov", "remoting",
            or a description of one's own.
        cost: What its work costs.
        vram: Bytes of memory of its own.
        visible: Bytes of it that processors reach.

    Attributes:
        sharing: How guests share it.
        functions: What the guests that are there have of it.

    Raises:
        Misuse: There is no such mode, or the memory cannot be divided.
    """

    def __init__(
        self,
        mode: str | Sharing = "direct",
        *,
        cost: CostModel | None = None,
        vram: int = VRAM_SIZE,
        visible: int = VISIBLE_SIZE,
    ) -> None:
        self.sharing = sharing(mode)
        self.functions: list[GpuFunction] = []
        self._cost = cost or CostModel()
        self._sizes = vram, visible
        self._wiring: Wiring | None = None
        self._parts: dict[GpuFunction, int] = {}
        partition(0, vram, visible, relative=False)

    @property
    def engine(self) -> Engine:
        """What does the work.

        Raises:
            Misuse: No guest has started it.
        """
        if self._wiring is None:
            raise Misuse("the GPU is off: no guest has started it")
        return self._wiring.engine

    def slot(
        self,
        *,
        weight: int = 1,
        placement: FramebufferMemory = FramebufferMemory.SYSTEM,
        cycles: int = _CYCLES,
        draws: int = _DRAWS,
    ) -> GpuSlot:
        """A guest's place at it; see `GpuSlot`.

        Raises:
            Misuse: A number is not positive.
        """
        if min(weight, cycles, draws) <= 0:
            raise Misuse(f"weight {weight}, {cycles} cycles a pixel, {draws} draws: all have to be above 0")
        return GpuSlot(self, weight, placement, cycles, draws)

    def attach(self, name: str, ram: GuestMemory, clock: Clock, *, weight: int = 1) -> GpuFunction:
        """Give a guest its function.

        Args:
            name: The guest's.
            ram: Its system memory.
            clock: The run's; the same for all guests.
            weight: Its share.

        Raises:
            Misuse: It has as many guests as it can have.
        """
        most = self.sharing.most_guests
        if most is not None and len(self.functions) >= most:
            raise Misuse(f"{name}: a GPU in mode {self.sharing.name!r} has {most} guests at most")
        wiring = self._power_on(clock)
        taken = set(self._parts.values())
        index = next(i for i in range(1, len(taken) + 2) if i not in taken)  # part 0 is the host's
        client = Client(name, weight)
        pool = None if self.sharing.partitioned or not self.functions else self.functions[0].vram
        function = GpuFunction(wiring, client, self._part(index), ram, pool)
        self._arbiter.join(client)
        self.functions.append(function)
        self._parts[function] = index
        return function

    def detach(self, function: GpuFunction) -> None:
        """Take it back; with the last one the GPU is switched off."""
        function.close()
        self._arbiter.leave(function.client)
        self.functions.remove(function)
        del self._parts[function]
        if not self.functions and self._wiring is not None:
            self._wiring.vram.close()
            self._wiring = None

    def _power_on(self, clock: Clock) -> Wiring:
        if self._wiring is None:
            self._arbiter = self.sharing.arbiter()
            engine = Engine(clock, self._cost, self._arbiter)
            vram = SharedHandle.create(self._sizes[0], name="vram")
            self._wiring = Wiring(clock, engine, self._cost, self.sharing, vram)
        return self._wiring

    def _part(self, index: int) -> Partition:
        vram, visible = self._sizes
        if self.sharing.partitioned:
            return partition(index, vram, visible, relative=self.sharing.relative)
        return Partition((0, visible), (visible, vram - visible))

    @property
    def memory_per_guest(self) -> int:
        """Bytes of VRAM that each guest sees."""
        return self._part(0).size
