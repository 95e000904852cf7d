"""The adapter: one guest's scanouts and cursors become surfaces on outputs.

Implements `virtio.gpu.display.Display`. The scanout is the device's slot, the output the compositor's
monitor; a `compositor.adapter.head.Head` binds one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from compositor.adapter.flip_queue import CallAt, NowNs, ReadStamp
from compositor.adapter.head import Head
from compositor.adapter.late import LateFlushes
from compositor.adapter.placement import Placement, check_placement
from compositor.adapter.reuse import EarlyReuse
from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput, Misuse
from compositor.observe.statistics import GuestStatistics
from compositor.output.output import Output
from compositor.output.submission import Feedback
from compositor.scene.layout import check_name
from compositor.scene.tree import SceneTree
from virtio.arguments import check_type
from virtio.fence import Fence
from virtio.gpu.display import CursorImage, DeferredTransfer, DisplayMode, ScanoutImage
from virtio.gpu.display import Rect as GuestRect

__all__ = ["GuestDisplay", "Placement"]


class GuestDisplay:
    """All heads of one guest: the display port that its device talks to.

    Args:
        name: The guest's, for surfaces and statistics.
        tree: The machine's.
        places: One placement per scanout.
        statistics: Where submissions and presentations are counted.
        now_ns: The run's clock.
        read_stamp: Reads a frame's id, and whether two frames were mixed, out of its pixels.
        call_at: The run's calendar; needed for `hold_ns`.

    Attributes:
        policy: What flushes wait for, from the next one on.
        hold_ns: How long after its presentation the host keeps an image: 0, unless lateness is studied.
        listeners: Called with every scanout's name and the feedback to each of its flushes.
        report: Gets one line the first time that the guest draws into a buffer that is not its own, and the
            first time that a flush is out for longer than it waits.
        late: Finds the latter, where the guest has a patience (`late.patience`).

    Raises:
        BadInput: The name is impossible, a placement names no output, or gives an impossible size.
    """

    def __init__(
        self,
        name: str,
        tree: SceneTree,
        places: Sequence[Placement],
        *,
        statistics: GuestStatistics,
        now_ns: NowNs,
        read_stamp: ReadStamp,
        call_at: CallAt | None = None,
    ) -> None:
        check_name(name)
        for place in places:
            check_placement(name, place, len(tree.outputs))
        self.statistics = statistics
        self.now_ns = now_ns
        self.read_stamp = read_stamp
        self.call_at: CallAt = call_at or _no_calendar
        self.policy = SyncPolicy.RELEASE
        self.hold_ns = 0
        self.listeners: list[Callable[[str, Feedback], None]] = []
        self.report: Callable[[str], None] = lambda _line: None
        self.late = LateFlushes(statistics, self._tell)
        self._name = name
        self.heads = [
            Head(f"{name}.{index}" if index else name, tree, place, self)
            for index, place in enumerate(places)
        ]
        self._tree = tree
        self._told = self.modes()

    def __repr__(self) -> str:
        return f"<display of {self._name}, {len(self.heads)} scanouts, sync {self.policy.value}>"

    def modes(self) -> Sequence[DisplayMode]:
        """One mode per scanout."""
        return [head.mode() for head in self.heads]

    def outputs_changed(self) -> bool:
        """Whether an output came, went or changed in such a way that the guest has to hear of it."""
        before, self._told = self._told, self.modes()
        return self._told != before

    def place(self, scanout_id: int) -> Placement:
        """Where a scanout appears.

        Raises:
            BadInput: There is no such scanout.
        """
        check_type(f"guest {self._name}: scanout", scanout_id, int, "a whole number")
        if not 0 <= scanout_id < len(self.heads):
            raise BadInput(f"guest {self._name}: no scanout {scanout_id}; it has {len(self.heads)}")
        return self.heads[scanout_id].place

    def on_top(self, scanout_id: int) -> Placement:
        """The same place, above everything else there is.

        Raises:
            BadInput: There is no such scanout.
        """
        highest = max(node.z for node in self._tree.content.children)
        return replace(self.place(scanout_id), z=highest + 1)

    def check_put(self, scanout_id: int, place: Placement) -> None:
        """Whether a scanout may appear there; changes nothing.

        Raises:
            BadInput: The placement is impossible, or there is no such scanout; nothing has changed.
        """
        self.place(scanout_id)
        check_placement(self._name, place, len(self._tree.outputs))

    def found(self, finding: EarlyReuse) -> None:
        """The guest drew into a buffer that the host still had."""
        if not self.statistics.frames["early_reuse"]:
            patience = self.late.patience
            waits = "" if patience is None else f"; {patience.whose} waits {patience.ns / 1e6:g} ms at most"
            self.report(f"{self._name}: {finding}{waits}")
        self.statistics.reused_early(finding.as_dict())

    def _tell(self, line: str) -> None:
        self.report(line)

    def reaches(self, output: Output) -> bool:
        """Whether anything that the guest shows can be seen on an output, as it is placed now."""
        return any(head.reaches(output) for head in self.heads)

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> Fence | None:
        """See `virtio.gpu.display.Display.set_scanout`."""
        return self.heads[scanout_id].flips.set_image(image)

    def flush(
        self, scanout_id: int, damage: GuestRect, incoming: DeferredTransfer | None = None
    ) -> Fence | None:
        """See `virtio.gpu.display.Display.flush`."""
        return self.heads[scanout_id].flips.flush(damage, incoming)

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        """See `virtio.gpu.display.Display.set_cursor`."""
        self.heads[scanout_id].set_cursor(image, x, y)

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        """See `virtio.gpu.display.Display.move_cursor`."""
        self.heads[scanout_id].move_cursor(x, y)

    def close(self) -> None:
        """Take the guest off the screens."""
        for head in self.heads:
            head.remove()
        self.heads.clear()


def _no_calendar(_when_ns: int, _callback: Callable[[], None]) -> object:
    raise Misuse("hold_ns: this display was given no calendar to hold its fences by")
