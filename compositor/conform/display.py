"""The far end of a device's display socket: what QEMU does, and the pictures that arrive there.

The vhost-user-gpu protocol. A device that shows its pictures elsewhere says nothing here, or no more than
it has to; checks of pixels are then skipped.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compositor.conform.verdict import Failed
from compositor.conform.waiting import Waiting
from virtio.descriptors import close_fds

_HEADER = struct.Struct("=III")
_REPLY = 4
_SCANOUT = struct.Struct("=III")
_UPDATE = struct.Struct("=IIIII")
_CURSOR = struct.Struct("=IIIII")
_READ = 1 << 20
_FDS = 8

GET_PROTOCOL_FEATURES, GET_DISPLAY_INFO, GET_EDID = 1, 3, 11
CURSOR_UPDATE, SCANOUT, UPDATE, DMABUF_UPDATE = 6, 7, 8, 10
_DISPLAY_ONE = struct.Struct("=6I")
_MODE = (0, 0, 1280, 800, 1, 0)
_EDID_BYTES = 1024
_LONGEST = 1 << 26


class DisplayEnd:
    """QEMU's part of the conversation, for one display.

    Attributes:
        theirs: The device's end of the socket.
        pictures: (height, width, 4) uint8 of each scanout that was set here.
        updates: (scanout, x, y, width, height) of every picture that arrived.
        cursors: 64x64 pixels of each scanout's cursor, as bytes.
    """

    def __init__(self, waiting: Waiting) -> None:
        self.pictures: dict[int, NDArray[np.uint8]] = {}
        self.updates: list[tuple[int, int, int, int, int]] = []
        self.cursors: dict[int, bytes] = {}
        self._waiting = waiting
        self._ours, self.theirs = socket.socketpair()
        self._data = bytearray()
        waiting.serve(self._ours.fileno(), self._receive)

    def _receive(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._ours, _READ, _FDS, socket.MSG_DONTWAIT)
        except OSError:
            data, fds = b"", []
        close_fds(fds)
        if not data:
            self._waiting.leave(self._ours.fileno())
        self._data += data
        while (message := self._next()) is not None:
            try:
                self._answer(*message)
            except (struct.error, ValueError) as error:
                raise Failed(f"display socket: message {message[0]} makes no sense: {error}") from None

    def _answer(self, request: int, payload: bytes) -> None:
        handler = _HANDLERS.get(request)
        answer = None if handler is None else handler(self, payload)
        if answer is not None:
            data = _HEADER.pack(request, _REPLY, len(answer)) + answer
            with contextlib.suppress(
                OSError
            ):  # full, or closed: then the device waits in vain, and is heard of
                self._ours.send(data, socket.MSG_DONTWAIT)

    def _next(self) -> tuple[int, bytes] | None:
        if len(self._data) < _HEADER.size:
            return None
        request, _, size = _HEADER.unpack_from(self._data)
        if size > _LONGEST:
            raise Failed(f"display socket: message {request} has {size} bytes")
        end = _HEADER.size + size
        if len(self._data) < end:
            return None
        payload = bytes(self._data[_HEADER.size : end])
        del self._data[:end]
        return request, payload

    def _features(self, _payload: bytes) -> bytes:
        return struct.pack("=Q", 1)  # EDID

    def _display_info(self, _payload: bytes) -> bytes:
        header = struct.pack("<IIQIB3x", 0x1101, 0, 0, 0, 0)
        return header + _DISPLAY_ONE.pack(*_MODE) + bytes(15 * _DISPLAY_ONE.size)

    def _edid(self, _payload: bytes) -> bytes:
        header = struct.pack("<IIQIB3x", 0x1104, 0, 0, 0, 0)
        edid = bytes.fromhex("00ffffffffffff00") + bytes(119)
        edid += bytes([-sum(edid) & 0xFF])
        return header + struct.pack("<II", len(edid), 0) + edid.ljust(_EDID_BYTES, b"\0")

    def _scanout(self, payload: bytes) -> None:
        scanout, width, height = _SCANOUT.unpack_from(payload)
        if width * height * 4 > _LONGEST:
            raise ValueError(f"{width}x{height} pixels")
        self.pictures[scanout] = np.zeros((height, width, 4), np.uint8)

    def _update(self, payload: bytes) -> None:
        scanout, x, y, width, height = _UPDATE.unpack_from(payload)
        self.updates.append((scanout, x, y, width, height))
        pixels = np.frombuffer(payload, np.uint8, offset=_UPDATE.size)
        picture = self.pictures.get(scanout)
        if picture is None or pixels.size != width * height * 4:
            return
        part = picture[y : y + height, x : x + width]
        if part.shape == (height, width, 4):
            part[:] = pixels.reshape(height, width, 4)

    def _cursor(self, payload: bytes) -> None:
        scanout = _CURSOR.unpack_from(payload)[0]
        self.cursors[scanout] = payload[_CURSOR.size :]

    def _dmabuf_update(self, _payload: bytes) -> bytes:
        return b""

    def close(self) -> None:
        """Hang up."""
        self._waiting.leave(self._ours.fileno())
        self._ours.close()
        self.theirs.close()


_HANDLERS: dict[int, Callable[[DisplayEnd, bytes], bytes | None]] = {
    GET_PROTOCOL_FEATURES: DisplayEnd._features,
    GET_DISPLAY_INFO: DisplayEnd._display_info,
    GET_EDID: DisplayEnd._edid,
    SCANOUT: DisplayEnd._scanout,
    UPDATE: DisplayEnd._update,
    CURSOR_UPDATE: DisplayEnd._cursor,
    DMABUF_UPDATE: DisplayEnd._dmabuf_update,
}
