"""What is on an output: surfaces in stacking order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compositor.errors import Misuse
from compositor.output.surface import CURSOR_Z, Buffer, Surface
from compositor.pixels.geometry import Rect

__all__ = ["CURSOR_Z", "Buffer", "Scene", "Surface"]


class Scene:
    """The surfaces of one output, bottom to top.

    Attributes:
        on_changed: Called with rectangles of the output that look different from now on, which may be
            empty or lie outside of it, and the surface that is why.
    """

    def __init__(self, on_changed: Callable[[tuple[Rect, ...], Surface], None] | None = None) -> None:
        self.on_changed = on_changed
        self._surfaces: list[Surface] = []

    def __iter__(self) -> Iterator[Surface]:
        """Bottom to top; planes may have been given another zpos since the last look."""
        return iter(sorted(self._surfaces, key=lambda surface: surface.z))

    def __len__(self) -> int:
        return len(self._surfaces)

    def add(self, surface: Surface) -> None:
        """Put `surface` on top of those with the same or a smaller z.

        Raises:
            Misuse: It is in a scene already.
        """
        if surface.on_changed is not None:
            raise Misuse(f'surface "{surface.name}" is in a scene already')
        above = next(
            (i for i, other in enumerate(self._surfaces) if other.z > surface.z), len(self._surfaces)
        )
        self._surfaces.insert(above, surface)
        surface.on_changed = lambda damage: self._changed(damage, surface)
        if surface.visible:
            self._changed((surface.bounds,), surface)

    def remove(self, surface: Surface) -> None:
        """Take `surface` out; a submission that was not presented is discarded.

        Raises:
            Misuse: It is not in this scene.
        """
        if surface not in self._surfaces:
            raise Misuse(f'surface "{surface.name}" is not in this scene')
        self._surfaces.remove(surface)
        surface.on_changed = None
        surface.discard()
        if surface.visible:
            self._changed((surface.bounds,), surface)

    def restack(self) -> bool:
        """Sort the surfaces by their z again, after somebody changed it; equals keep their order.

        Returns:
            Whether that made a difference.
        """
        before, self._surfaces = self._surfaces, sorted(self._surfaces, key=lambda surface: surface.z)
        moved = [now for was, now in zip(before, self._surfaces, strict=True) if was is not now]
        for surface in moved:
            if surface.visible:
                self._changed((surface.bounds,), surface)
        return bool(moved)

    def visible(self) -> list[Surface]:
        """Surfaces that are shown, bottom to top."""
        return [surface for surface in self if surface.visible and surface.buffer is not None]

    def _changed(self, damage: tuple[Rect, ...], surface: Surface) -> None:
        if self.on_changed is not None:
            self.on_changed(damage, surface)
