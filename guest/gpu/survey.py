"""Looking through commands before they run: what mediated passthrough and API remoting do at a doorbell.

A batch can be rewritten behind the auditor's back. It then reaches nothing that is not its guest's all the
same: the engine checks every address again when it comes to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from guest.gpu.address_space import AddressSpace
from guest.gpu.commands import VERTEX_SIZE, Call, Command, End, Jump, StorePhysical, Surface, Triangles
from guest.gpu.context import fetch
from guest.gpu.faults import BadCommand, OutsidePartition
from virtio.memory import Run

MOST_COMMANDS = 1 << 16
"""Of one batch; a longer one is refused."""


@dataclass(slots=True)
class Survey:
    """What some commands amount to.

    Attributes:
        commands: How many there are.
        stream_bytes: Of the commands, and of the vertices that go with them.
        targets: Surfaces that are drawn into.
    """

    commands: int = 0
    stream_bytes: int = 0
    targets: set[Surface] = field(default_factory=set)

    @property
    def picture_bytes(self) -> int:
        """Of all surfaces that are drawn into, once each."""
        return sum(4 * surface.width * surface.height for surface in self.targets)


def survey(space: AddressSpace, ring: list[Command], parts: tuple[Run, Run] | None) -> Survey:
    """Look through the commands of a ring and the batches that they call.

    Args:
        space: What the context sees.
        ring: Commands of the ring.
        parts: Where in VRAM physical addresses may be; None: nowhere.

    Raises:
        OutsidePartition: A command reaches beyond that.
        GpuFault: A command cannot be read.
    """
    found = Survey()
    for command in ring:
        found.commands += 1
        if isinstance(command, Call):
            for inner, size in walk(space, command.address):
                _count(found, inner, size, parts)
    return found


def walk(space: AddressSpace, address: int) -> Iterator[tuple[Command, int]]:
    """The commands of a batch with their sizes, up to its end, or to a jump backwards: a loop is seen once.

    Raises:
        GpuFault: A command cannot be read, or there is no end.
    """
    for _ in range(MOST_COMMANDS):
        command, size = fetch(space, address)
        yield command, size
        match command:
            case End():
                return
            case Jump(target) if target <= address:
                return
            case Jump(target):
                address = target
            case _:
                address += size
    raise BadCommand(f"a batch of more than {MOST_COMMANDS} commands")


def _count(found: Survey, command: Command, size: int, parts: tuple[Run, Run] | None) -> None:
    found.commands += 1
    found.stream_bytes += size
    if isinstance(command, Triangles):
        found.stream_bytes += 3 * VERTEX_SIZE * command.triangles
    if isinstance(command, StorePhysical) and not _inside(command.address, parts):
        raise OutsidePartition(
            f"a command stores to VRAM address {command.address:#x}, which is not its guest's"
        )
    target = getattr(command, "target", None)
    if isinstance(target, Surface):
        found.targets.add(target)


def _inside(address: int, parts: tuple[Run, Run] | None) -> bool:
    return parts is not None and any(start <= address <= start + size - 4 for start, size in parts)
