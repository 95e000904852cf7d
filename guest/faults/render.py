"""Faults of a GPU's driver: what a broken or hostile one does to its GPU, each as an object with a name.

As `guest.faults.FAULTS` are those of virtio-gpu's driver. Each is applied to a running driver; the GPU has to
end it with the error that it names, and the other guests must not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guest.driver.render import RenderDriver
from guest.gpu.commands import Area, Copy, Dispatch, Fill, Jump, Store, StorePhysical, Surface, Wait
from guest.gpu.faults import BadCommand, GpuFault, Hang, OutOfMemory, OutsidePartition, PageFault
from guest.gpu.page_table import ADDRESSES, IN_VRAM, PAGE
from virtio.fence import Fence
from virtio.memory import Run

_SIDE = 32  # of its pictures, pixels: a page each
_ALL = Area(0, 0, _SIDE, _SIDE)
_WINDOW = 1 << 30  # GPU address that drivers do not come to by themselves
_COLOUR = 0xFFBADBAD


@dataclass(frozen=True, slots=True)
class RenderFault:
    """One way to misuse a GPU.

    Attributes:
        name: For test ids and tables.
        description: One sentence.
        expected: The GPU's answer.
        commit: Does it, given the driver and VRAM of another guest; returns the job's fence.
        against_others: Whether it reaches for what belongs to another guest.
    """

    name: str
    description: str
    expected: type[GpuFault]
    commit: Callable[[RenderDriver, Run], Fence]
    against_others: bool = False

    def apply(self, driver: RenderDriver, victim: Run) -> Fence | None:
        """Commit the fault.

        Returns:
            The fence of the job; None when it was refused before there was one.
        """
        try:
            return self.commit(driver, victim)
        except GpuFault:
            return None


RENDER_FAULTS: dict[str, RenderFault] = {}
"""The catalogue, by name."""


def _fault(
    expected: type[GpuFault], *, against_others: bool = False
) -> Callable[[Callable[[RenderDriver, Run], Fence]], None]:
    """Register one; its docstring describes it."""

    def register(commit: Callable[[RenderDriver, Run], Fence]) -> None:
        name = commit.__name__.replace("_", "-")
        RENDER_FAULTS[name] = RenderFault(name, commit.__doc__ or "", expected, commit, against_others)

    return register


@_fault(Hang)
def endless_batch(driver: RenderDriver, _victim: Run) -> Fence:
    """A batch jumps back to its beginning for ever."""
    return driver.submit([Jump(driver.next_batch)])


@_fault(Hang)
def semaphore_that_is_never_signalled(driver: RenderDriver, _victim: Run) -> Fence:
    """A batch waits for a semaphore that stays as it is."""
    semaphore = driver.allocate(PAGE)
    return driver.submit([Store(semaphore.address, 0), Wait(semaphore.address, 1)])


@_fault(PageFault)
def unmapped_target(driver: RenderDriver, _victim: Run) -> Fence:
    """A fill of a surface whose pages are not mapped."""
    return driver.submit([Fill(Surface(_WINDOW, _SIDE, _SIDE, 4 * _SIDE), _ALL, _COLOUR)])


@_fault(PageFault)
def beyond_the_address_space(driver: RenderDriver, _victim: Run) -> Fence:
    """A copy from behind the last address."""
    return driver.submit([Copy(ADDRESSES - PAGE, driver.allocate(2 * PAGE).address, 2 * PAGE, 0)])


@_fault(BadCommand)
def rectangle_beyond_its_surface(driver: RenderDriver, _victim: Run) -> Fence:
    """A fill of more rows than the surface has."""
    surface = driver.allocate(PAGE).surface(_SIDE, _SIDE)
    return driver.submit([Fill(surface, Area(0, 1, _SIDE, _SIDE), _COLOUR)])


@_fault(BadCommand)
def unknown_program(driver: RenderDriver, _victim: Run) -> Fence:
    """A dispatch of a shader that was never made."""
    return driver.submit([Dispatch(driver.allocate(PAGE).surface(_SIDE, _SIDE), _ALL, 999, 0, 1)])


@_fault(BadCommand)
def bytes_that_are_no_command(driver: RenderDriver, _victim: Run) -> Fence:
    """A batch that goes on in memory without commands."""
    return driver.submit([Jump(driver.allocate(PAGE).address)])


@_fault(OutOfMemory)
def more_memory_than_there_is(driver: RenderDriver, _victim: Run) -> Fence:
    """Graphics memory allocated until there is none."""
    size = driver.function.partition.size // 4
    while True:
        driver.allocate_vram(size)


@_fault(OutsidePartition, against_others=True)
def foreign_page_mapped(driver: RenderDriver, victim: Run) -> Fence:
    """Another guest's VRAM mapped, and painted over."""
    driver.map_pages(_WINDOW, [victim], IN_VRAM)
    return driver.submit([Fill(Surface(_WINDOW, _SIDE, _SIDE, 4 * _SIDE), _ALL, _COLOUR)])


@_fault(OutsidePartition, against_others=True)
def foreign_page_read(driver: RenderDriver, victim: Run) -> Fence:
    """Another guest's VRAM mapped, and read out."""
    driver.map_pages(_WINDOW, [victim], IN_VRAM)
    return driver.submit([Copy(_WINDOW, driver.allocate(PAGE).address, PAGE, 0)])


@_fault(OutsidePartition, against_others=True)
def foreign_store(driver: RenderDriver, victim: Run) -> Fence:
    """A store to another guest's VRAM by its physical address."""
    return driver.submit([StorePhysical(victim[0], _COLOUR)])
