"""The scene tree of a machine, and how it is flattened to the surfaces of each output.

    content, cursors -> nodes -> a view per output -> Scene.surfaces -> Output.commit

The tree is flattened when it changes, not when it is painted: a commit finds surfaces and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from compositor.output.surface import CURSOR_Z
from compositor.pixels.geometry import Rect
from compositor.presenter import Presenter
from compositor.scene.layout import Monitor, arrange_monitors
from compositor.scene.node import Node, Site
from compositor.scene.surface import SurfaceNode
from compositor.scene.view import Spot


class SceneTree:
    """All that is on a machine's outputs.

    Args:
        presenters: Of the outputs; may grow, `outputs_changed` says so.

    Attributes:
        presenters: As given.
        content: What guests show.
        cursors: Above all of that.
    """

    def __init__(self, presenters: Sequence[Presenter]) -> None:
        self.presenters = presenters
        self.content, self.cursors = Node(), Node()
        self._areas: list[Rect] = []
        self._placed: list[SurfaceNode] = []
        for layer in (self.content, self.cursors):
            layer.on_changed = self._arrange
        self.outputs_changed()

    def outputs_changed(self) -> None:
        """An output came, was plugged, unplugged, moved, or has another mode."""
        self._areas = arrange_monitors(Monitor.of(presenter.output) for presenter in self.presenters)
        self._arrange()

    def spots(self, site: Site, extent: Rect) -> Mapping[int, Spot]:
        """Where a node at `site` that covers `extent` of its own coordinates is to be seen.

        What is shown on given outputs is cropped by clips alone: an output shows what lies on it. What lies
        in the layout is cropped to each output, so that both halves of a picture may be scanned out.
        """
        spots: dict[int, Spot] = {}
        for index in range(len(self.presenters)) if site.outputs is None else site.outputs:
            if not self.presenters[index].output.plugged:
                continue
            corner = (0, 0) if site.outputs is not None else self._areas[index][:2]
            shown = extent
            if site.clip is not None:
                shown = shown.intersect(site.clip.translate(-site.x, -site.y))
            if site.outputs is None:
                shown = shown.intersect(self._areas[index].translate(-site.x, -site.y))
            if shown == extent and (site.outputs is not None or not extent.empty):
                spots[index] = Spot(site.x - corner[0], site.y - corner[1], alpha=site.alpha)
            elif not shown.empty:
                spots[index] = Spot(site.x - corner[0], site.y - corner[1], shown, site.alpha)
        return spots

    def _arrange(self) -> None:
        """Flatten the tree again."""
        layers = (
            enumerate(self.content.arranged(Site())),
            enumerate(self.cursors.arranged(Site()), CURSOR_Z),
        )
        placed = [(level, node, site) for level, (node, site) in chain(*layers)]
        surfaces = [(level, node, site) for level, node, site in placed if isinstance(node, SurfaceNode)]
        for level, surface, _ in surfaces:
            surface.stack(level)
        for presenter in self.presenters:
            if presenter.output.scene.restack():
                presenter.schedule()
        before, self._placed = self._placed, [surface for _, surface, _ in surfaces]
        for _, surface, site in surfaces:
            surface.place(site, self)
        for surface in before:
            if surface not in self._placed:
                surface.withdraw()
