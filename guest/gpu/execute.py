"""What each command does: how much work it is, and the pixels that it makes.

A command is planned when the engine comes to it, which is when its addresses and rectangles are checked, and
done when its time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from guest.gpu.address_space import AddressSpace
from guest.gpu.commands import (
    VERTEX_SIZE,
    Area,
    Blit,
    Command,
    Copy,
    Dispatch,
    Fill,
    Gradient,
    Surface,
    Triangles,
)
from guest.gpu.cost import Work
from guest.gpu.faults import BadCommand

_MAX_TRIANGLES = 1 << 16  # of one command


class Program(Protocol):
    """A shader: draws the rectangle's rows of the picture that `argument` names."""

    def __call__(self, argument: int, pixels: NDArray[np.uint8], rect: Area, surface: Surface) -> None:
        """Draw.

        Args:
            argument: Of the command.
            pixels: (height, width, 4) uint8 B8G8R8A8: the rectangle.
            rect: Which rectangle of the surface it is.
            surface: The whole.
        """


class Step(NamedTuple):
    """A command that can be done.

    Attributes:
        work: What it asks of the GPU.
        effect: Does it.
    """

    work: Work
    effect: Callable[[], object]


def plan(command: Command, space: AddressSpace, programs: Sequence[Program]) -> Step:
    """Check a command that draws or copies, and say what it will cost.

    Raises:
        GpuFault: It cannot be done.
    """
    planner = _PLANNERS.get(type(command))
    if planner is None:
        raise BadCommand(f"{type(command).__name__} does not belong into a batch")
    return planner(command, space, programs)


def _fill(command: Fill, space: AddressSpace, _programs: Sequence[Program]) -> Step:
    target, vram, bus = space.pixels(command.target, command.rect, write=True)

    def effect() -> None:
        target[:] = command.colour

    return Step(Work(target.size, vram, bus), effect)


def _gradient(command: Gradient, space: AddressSpace, _programs: Sequence[Program]) -> Step:
    target, vram, bus = space.pixels(command.target, command.rect, write=True)

    def effect() -> None:
        target[:] = ramp(command.top, command.bottom, len(target))[:, None]

    return Step(Work(target.size, vram, bus), effect)


def ramp(first: int, last: int, steps: int) -> NDArray[np.uint32]:
    """`steps` colours from one to another, every channel rounded to the nearest."""
    at, whole = np.arange(steps, dtype=np.uint32), max(steps - 1, 1)
    colours = np.zeros(steps, np.uint32)
    for shift in (0, 8, 16, 24):
        mixed = (first >> shift & 255) * (whole - at) + (last >> shift & 255) * at
        colours |= (mixed + whole // 2) // whole << shift
    return colours


def _blit(command: Blit, space: AddressSpace, _programs: Sequence[Program]) -> Step:
    rect = command.rect
    at = Area(command.at_x, command.at_y, rect.width, rect.height)
    source, read_vram, read_bus = space.pixels(command.source, at)
    target, vram, bus = space.pixels(command.target, rect, write=True)
    passes = 2 if command.blend else 1  # over what is there, which has to be read

    def effect() -> None:
        if command.blend:
            _kernels().blend(source, target)
        else:
            target[:] = source

    return Step(Work(target.size * passes, read_vram + passes * vram, read_bus + passes * bus), effect)


def _triangles(command: Triangles, space: AddressSpace, _programs: Sequence[Program]) -> Step:
    if not 0 < command.triangles <= _MAX_TRIANGLES:
        raise BadCommand(f"{command.triangles} triangles: a command draws 1 to {_MAX_TRIANGLES}")
    target, vram, bus = space.pixels(command.target, write=True)
    texture = space.pixels(command.texture)[0] if command.texture.width else np.zeros((0, 0), np.uint32)
    size = 3 * command.triangles * VERTEX_SIZE
    # Copied once: what the guest writes into its vertices after this does not concern the engine.
    corners = np.frombuffer(space.read(command.vertices, size), np.int32).reshape(-1, 5)
    pixels = min(int(_kernels().covered(corners)), target.size * command.triangles)
    touched = 8 * pixels  # read and written
    vram_part = touched * vram // (vram + bus)

    def effect() -> None:
        _kernels().draw(target, texture, corners)

    return Step(Work(2 * pixels, vram_part, touched - vram_part), effect)


def _dispatch(command: Dispatch, space: AddressSpace, programs: Sequence[Program]) -> Step:
    if command.program >= len(programs):
        raise BadCommand(f"the context has {len(programs)} programs, and no number {command.program}")
    target, vram, bus = space.pixels(command.target, command.rect, write=True)
    program = programs[command.program]
    pixels = target.view(np.uint8).reshape(*target.shape, 4)

    def effect() -> None:
        program(command.argument, pixels, command.rect, command.target)

    return Step(Work(target.size * command.cycles, vram, bus), effect)


def _copy(command: Copy, space: AddressSpace, _programs: Sequence[Program]) -> Step:
    source = space.view(command.source, command.length)
    target = space.view(command.target, command.length, write=True)

    def effect() -> None:
        target.data[:] = source.data

    vram = source.vram_bytes + target.vram_bytes
    migrated = command.length if command.migrate else 0
    return Step(Work(0, vram, 2 * command.length - vram, migrated), effect)


_PLANNERS: dict[type[Any], Callable[[Any, AddressSpace, Sequence[Program]], Step]] = {
    Fill: _fill,
    Gradient: _gradient,
    Blit: _blit,
    Triangles: _triangles,
    Dispatch: _dispatch,
    Copy: _copy,
}


@cache
def _kernels() -> Any:
    """Compiled ones, which need numba: imported at the first triangle or blend."""
    return import_module("guest.gpu.triangles")
