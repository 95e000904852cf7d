"""QEMU's display socket (GPU_SET_SOCKET, vhost-user-gpu protocol), sans-IO.

`vhost-user-gpu-pci` gives its back end a socket to QEMU's own display. This program's compositor owns the
display, so by default it only introduces itself there and says nothing more. With `mirror` it also sends
frames, by the one path that needs no GPU: SCANOUT and UPDATE, pixels and all.

Nothing here ever waits. QEMU's main loop is inside a synchronous vhost-user call when it hands the socket
over, and answers only after that; waiting for the answer would lock both up for good.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from virtio.errors import Misuse, ProtocolFault
from virtio.vhost_user.messages import Decoder, Message, request_name
from virtio.vhost_user.payloads import pack_u64

FLAG_REPLY = 0x4
# DISPLAY_INFO's 408 bytes are the longest answer that is asked for; GET_EDID's would have 1056.
_REPLY_LIMIT = 2048
_FEATURES = struct.Struct("=Q")
_DISPLAY_HEAD = 24
_DISPLAY = struct.Struct("=6I")
_DISPLAYS = 16


class GpuRequest(IntEnum):
    """Back end to front end ("Message types")."""

    GET_PROTOCOL_FEATURES = 1
    SET_PROTOCOL_FEATURES = 2
    GET_DISPLAY_INFO = 3
    SCANOUT = 7
    UPDATE = 8


class GpuFeature(IntEnum):
    """Bit numbers of GET_PROTOCOL_FEATURES. QEMU 7.2 knows neither, 10.0 has both."""

    EDID = 0
    DMABUF2 = 1


class DisplayInfo(NamedTuple):
    """What QEMU would like one scanout to be (`struct virtio_gpu_display_one`)."""

    x: int
    y: int
    width: int
    height: int
    enabled: int
    flags: int


class _Frame(NamedTuple):
    pixels: NDArray[np.uint8]
    left: int
    top: int
    right: int
    bottom: int


class GpuSocket:
    """Our end of the conversation. The owner of the socket sends what `next_output` gives.

    Attributes:
        mirror: Frames given to `update` are sent.
        features: What both sides speak, known after QEMU's first answer.
        displays: QEMU's wishes, for information, known after its second answer.
    """

    def __init__(self, *, mirror: bool = False) -> None:
        self.mirror = mirror
        self.features = 0
        self.displays: tuple[DisplayInfo, ...] = ()
        self.decoder = Decoder(version=0, names=GpuRequest, limit=_REPLY_LIMIT)
        self._output = [_encode(GpuRequest.GET_PROTOCOL_FEATURES)]
        self._asked: list[GpuRequest] = [GpuRequest.GET_PROTOCOL_FEATURES]
        self._sizes: dict[int, tuple[int, int]] = {}
        self._frames: dict[int, _Frame] = {}

    def receive(self, message: Message) -> None:
        """An answer of QEMU's.

        Raises:
            ProtocolFault: It answers nothing that was asked, or makes no sense.
        """
        name = request_name(message.request, GpuRequest)
        if not message.flags & FLAG_REPLY or message.request not in self._asked:
            raise ProtocolFault(f"GPU socket: {name} answers no request")
        self._asked.remove(GpuRequest(message.request))
        if message.request == GpuRequest.GET_PROTOCOL_FEATURES:
            # Accept what is offered and known, never more: to ask QEMU 7.2 for an EDID is to wait for ever.
            known = 1 << GpuFeature.EDID | 1 << GpuFeature.DMABUF2
            self.features = _unpack_features(message.payload) & known
            self._output.append(_encode(GpuRequest.SET_PROTOCOL_FEATURES, pack_u64(self.features)))
            self._output.append(_encode(GpuRequest.GET_DISPLAY_INFO))
            self._asked.append(GpuRequest.GET_DISPLAY_INFO)
        else:
            self.displays = _unpack_displays(message.payload)

    def update(self, scanout: int, pixels: NDArray[np.uint8], rect: tuple[int, int, int, int]) -> None:
        """Show a frame in QEMU's display as soon as the socket has room.

        The newest frame wins: while one is being sent, at most one more waits, with all damage since.

        Args:
            scanout: Which display.
            pixels: (height, width, 4) uint8 in B8G8R8X8 memory order: the whole frame. It is read when it
                is sent, not now.
            rect: x, y, width, height of what changed in it.

        Raises:
            Misuse: `rect` does not lie inside the frame.
        """
        height, width = pixels.shape[:2]
        left, top, right, bottom = rect[0], rect[1], rect[0] + rect[2], rect[1] + rect[3]
        if not (0 <= left <= right <= width and 0 <= top <= bottom <= height):
            raise Misuse(f"GPU socket: {rect} does not lie inside a frame of {width}x{height}")
        if not self.mirror or left == right or top == bottom:
            return
        waiting = self._frames.get(scanout)
        if waiting is not None and waiting.pixels.shape == pixels.shape:
            left, top = min(left, waiting.left), min(top, waiting.top)
            right, bottom = max(right, waiting.right), max(bottom, waiting.bottom)
        self._frames[scanout] = _Frame(pixels, left, top, right, bottom)

    def next_output(self) -> bytes:
        """What to send now; call it when everything sent before is on its way. Empty: nothing."""
        if self._output:
            data, self._output = b"".join(self._output), []
            return data
        if self._frames:
            scanout = next(iter(self._frames))
            return self._encode_frame(scanout, self._frames.pop(scanout))
        return b""

    def _encode_frame(self, scanout: int, frame: _Frame) -> bytes:
        height, width = frame.pixels.shape[:2]
        parts = []
        if self._sizes.get(scanout) != (width, height):
            self._sizes[scanout] = (width, height)
            parts.append(_encode(GpuRequest.SCANOUT, struct.pack("=3I", scanout, width, height)))
            frame = _Frame(frame.pixels, 0, 0, width, height)
        pixels = frame.pixels[frame.top : frame.bottom, frame.left : frame.right].tobytes()
        columns, rows = frame.right - frame.left, frame.bottom - frame.top
        place = struct.pack("=5I", scanout, frame.left, frame.top, columns, rows)
        parts.append(_encode(GpuRequest.UPDATE, place + pixels))
        return b"".join(parts)


def _encode(request: GpuRequest, payload: bytes = b"") -> bytes:
    return Message(request, payload, flags=0).encode()


def _unpack_features(payload: bytes) -> int:
    if len(payload) != _FEATURES.size:
        raise ProtocolFault(f"GPU socket: protocol features of {len(payload)} bytes, expected 8")
    return int(_FEATURES.unpack(payload)[0])


def _unpack_displays(payload: bytes) -> tuple[DisplayInfo, ...]:
    if len(payload) != _DISPLAY_HEAD + _DISPLAYS * _DISPLAY.size:
        raise ProtocolFault(f"GPU socket: display info of {len(payload)} bytes, expected 408")
    return tuple(DisplayInfo(*fields) for fields in _DISPLAY.iter_unpack(payload[_DISPLAY_HEAD:]))
