"""The simulated guest's virtio-gpu driver: the display commands.

The order of boot is that of Linux (drivers/gpu/drm/virtio): features, EDIDs of all scanouts, display info,
then the first buffers. What all commands have in common is in `guest.driver.session`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from guest.driver.edid import preferred_timing
from guest.driver.requests import Answer
from guest.driver.session import DriverState, GpuSession
from guest.driver.transport import Transport
from guest.memory import GuestRam
from virtio.fence import Fence
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, Feature, Rect, Response
from virtio.memory import Run

_EVENTS_READ, _EVENTS_CLEAR, _NUM_SCANOUTS = 0, 4, 8  # offsets in the config space
_DEFAULT_REFRESH = 60_000  # thousandths of a hertz


class Scanout(NamedTuple):
    """What the device says of one scanout.

    Attributes:
        enabled: Whether a monitor is plugged in.
        width: Pixels it prefers.
        height: Pixels it prefers.
        refresh_mhz: Its preferred refresh rate in thousandths of a hertz; 60 Hz when no EDID tells.
        edid: Its EDID; empty when there is none.
    """

    enabled: bool
    width: int
    height: int
    refresh_mhz: int
    edid: bytes


class GpuDriver(GpuSession):
    """Drives one virtio-gpu device.

    Attributes:
        scanouts: What the device said of its scanouts; up to date from `on_ready` on.
        on_ready: Called when `probe` is through.
        on_display_change: Called after monitors changed and were asked about.
    """

    def __init__(self, transport: Transport, ram: GuestRam) -> None:
        super().__init__(transport, ram)
        self.scanouts: list[Scanout] = []
        self.on_ready: Callable[[], None] = lambda: None
        self.on_display_change: Callable[[], None] = lambda: None
        self._edids: dict[int, bytes] = {}
        self._unreferenced: dict[int, Callable[[], None]] = {}  # resources that the device still has
        self._last_resource = 0
        self.on_config_change = self._handle_events

    def probe(self) -> None:
        """Take the device over and ask what is plugged in; `on_ready` follows.

        Raises:
            DeviceFault: The device refuses to be driven.
        """
        self.open()
        self._ask_displays(self._probed)

    def close(self) -> None:
        """As `GpuSession.close`; the device has no resource any more, so what was to be destroyed is."""
        super().close()
        while self._unreferenced:
            self._unreferenced.popitem()[1]()

    def new_resource_id(self) -> int:
        """An id that was never used: Linux does not reuse them either."""
        self._last_resource += 1
        return self._last_resource

    def create_blob(self, resource_id: int, runs: Sequence[Run], size: int) -> None:
        """Make guest memory a blob resource (RESOURCE_CREATE_BLOB)."""
        body = wire.ResourceCreateBlob(
            resource_id, wire.BlobMem.GUEST, wire.BlobFlag.USE_SHAREABLE, len(runs), 0, size
        )
        self.submit(Command.RESOURCE_CREATE_BLOB, body, extra=wire.pack_entries(runs))

    def create_2d(self, resource_id: int, size: tuple[int, int], pixel_format: Format) -> None:
        """Make an image in the host's memory (RESOURCE_CREATE_2D)."""
        self.submit(Command.RESOURCE_CREATE_2D, wire.ResourceCreate2d(resource_id, pixel_format, *size))

    def attach_backing(self, resource_id: int, runs: Sequence[Run]) -> None:
        """Give a resource guest memory (RESOURCE_ATTACH_BACKING)."""
        body = wire.ResourceAttachBacking(resource_id, len(runs))
        self.submit(Command.RESOURCE_ATTACH_BACKING, body, extra=wire.pack_entries(runs))

    def detach_backing(self, resource_id: int) -> None:
        """Take the guest memory back (RESOURCE_DETACH_BACKING)."""
        self.submit(Command.RESOURCE_DETACH_BACKING, wire.ResourceDetachBacking(resource_id))

    def unref(self, resource_id: int, done: Callable[[], None]) -> None:
        """Destroy a resource (RESOURCE_UNREF); `done` is called when its memory may be used again."""
        self._unreferenced[resource_id] = done
        self.submit(
            Command.RESOURCE_UNREF,
            wire.ResourceUnref(resource_id),
            done=lambda _answer: self._unreferenced.pop(resource_id)(),
        )

    def transfer(self, resource_id: int, rect: Rect, offset: int = 0) -> None:
        """Have the host copy `rect` of a 2D resource, whose first pixel is at `offset` of the backing."""
        self.submit(Command.TRANSFER_TO_HOST_2D, wire.TransferToHost2d(rect, offset, resource_id))

    def set_scanout(self, scanout_id: int, resource_id: int, rect: Rect, fence: Fence | None = None) -> None:
        """Show `rect` of a 2D resource; resource 0 shows nothing (SET_SCANOUT)."""
        self.submit(Command.SET_SCANOUT, wire.SetScanout(rect, scanout_id, resource_id), fence=fence)

    def set_scanout_blob(
        self,
        scanout_id: int,
        resource_id: int,
        size: tuple[int, int],
        pixel_format: Format,
        stride: int,
        fence: Fence | None = None,
    ) -> None:
        """Show an image that fills a blob from its start (SET_SCANOUT_BLOB)."""
        body = wire.SetScanoutBlob(
            Rect(0, 0, *size), scanout_id, resource_id, *size, pixel_format, strides=(stride, 0, 0, 0)
        )
        self.submit(Command.SET_SCANOUT_BLOB, body, fence=fence)

    def flush(self, resource_id: int, rect: Rect) -> Fence:
        """Make `rect` visible (RESOURCE_FLUSH); the fence signals when the device says that it is."""
        fence = self.new_fence()
        self.submit(Command.RESOURCE_FLUSH, wire.ResourceFlush(rect, resource_id), fence=fence)
        return fence

    def update_cursor(
        self, scanout_id: int, resource_id: int, position: tuple[int, int], hotspot: tuple[int, int] = (0, 0)
    ) -> None:
        """Set the cursor's picture and position; resource 0 hides it (UPDATE_CURSOR)."""
        pos = wire.CursorPos(scanout_id, *position)
        self.submit(Command.UPDATE_CURSOR, wire.UpdateCursor(pos, resource_id, *hotspot))

    def move_cursor(self, scanout_id: int, position: tuple[int, int]) -> None:
        """Move the cursor (MOVE_CURSOR)."""
        self.submit(Command.MOVE_CURSOR, wire.UpdateCursor(wire.CursorPos(scanout_id, *position)))

    def _handle_events(self) -> None:
        """A monitor was plugged, unplugged or resized: ask about all of them, then say that we know."""
        events = self.transport.read_config(_EVENTS_READ, 4)
        if events[0] & wire.Event.DISPLAY:
            self._ask_displays(self._displays_known)
            self.transport.write_config(_EVENTS_CLEAR, events)

    def _ask_displays(self, done: Callable[[], None]) -> None:
        """GET_EDID of all scanouts, then GET_DISPLAY_INFO, whose answer therefore comes last."""
        count = int.from_bytes(self.transport.read_config(_NUM_SCANOUTS, 4), "little")
        self._edids = {}
        for scanout in range(count if self.has(Feature.EDID) else 0):
            self.submit(Command.GET_EDID, wire.GetEdid(scanout), done=self._edid_reader(scanout))

        def answered(answer: Answer) -> None:
            self._read_displays(count, answer)
            done()

        self.submit(Command.GET_DISPLAY_INFO, wire.NoBody(), done=answered)
        self.notify()

    def _edid_reader(self, scanout: int) -> Callable[[Answer], None]:
        def read(answer: Answer) -> None:
            if answer.header.type == Response.OK_EDID:
                body = wire.unpack(wire.RespEdid, answer.message, wire.HEADER_SIZE)
                self._edids[scanout] = body.edid[: body.size]

        return read

    def _read_displays(self, count: int, answer: Answer) -> None:
        """Linux, too, takes a device that cannot say for one with nothing plugged in."""
        self.scanouts = [Scanout(False, 0, 0, _DEFAULT_REFRESH, b"")] * count
        if answer.header.type == Response.OK_DISPLAY_INFO:
            info = wire.unpack(wire.RespDisplayInfo, answer.message, wire.HEADER_SIZE)
            self.scanouts = [self._scanout(i, display) for i, display in enumerate(info.pmodes[:count])]

    def _scanout(self, index: int, display: wire.DisplayOne) -> Scanout:
        edid = self._edids.get(index, b"")
        timing = preferred_timing(edid)
        refresh = timing.refresh_mhz if timing else _DEFAULT_REFRESH
        return Scanout(bool(display.enabled), display.rect.width, display.rect.height, refresh, edid)

    def _probed(self) -> None:
        self.state = DriverState.RUNNING
        self.on_ready()
        self._handle_events()  # monitors may have changed while we asked

    def _displays_known(self) -> None:
        self.on_display_change()
