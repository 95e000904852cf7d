from __future__ import annotations

import struct

import pytest

from virtio.errors import ProtocolFault
from virtio.vhost_user.gpu_socket import FLAG_REPLY, DisplayInfo, GpuFeature, GpuSocket
from virtio.vhost_user.messages import HEADER, Message
from virtio.vhost_user.payloads import pack_u64

FEATURES = 1 << GpuFeature.EDID | 1 << GpuFeature.DMABUF2


def parse(stream: bytes) -> list[tuple[int, bytes]]:
    """Messages of the back end, as QEMU reads them: (request, payload)."""
    found = []
    while stream:
        request, flags, size = HEADER.unpack_from(stream)
        assert flags == 0
        found.append((request, stream[HEADER.size : HEADER.size + size]))
        stream = stream[HEADER.size + size :]
    return found


def answer(gpu: GpuSocket, request: int, payload: bytes) -> None:
    data = Message(request, payload, flags=FLAG_REPLY).encode()
    for message in gpu.decoder.feed(data):
        gpu.receive(message)


def introduced(features: int = FEATURES) -> GpuSocket:
    """A socket after the introduction."""
    gpu = GpuSocket()
    assert parse(gpu.next_output()) == [(1, b"")]
    assert gpu.next_output() == b"", "it waits for nothing, it has nothing to say"
    answer(gpu, 1, pack_u64(features))
    parse(gpu.next_output())
    return gpu


@pytest.mark.parametrize(("offered", "accepted"), [(3, 3), (0, 0), (0xFF, 3), (1, 1)])
def test_features_are_accepted_as_offered_and_never_more(offered: int, accepted: int) -> None:
    gpu = GpuSocket()
    gpu.next_output()
    answer(gpu, 1, pack_u64(offered))
    assert gpu.features == accepted
    assert parse(gpu.next_output()) == [(2, pack_u64(accepted)), (3, b"")]


def test_qemus_display_is_asked_for_information() -> None:
    gpu = introduced()
    wishes = struct.pack("=6I", 0, 0, 1280, 800, 1, 0) + bytes(15 * 24)
    answer(gpu, 3, bytes(24) + wishes)
    assert len(gpu.displays) == 16
    assert gpu.displays[0] == DisplayInfo(0, 0, 1280, 800, 1, 0)


def test_features_that_are_none_are_refused() -> None:
    with pytest.raises(ProtocolFault, match="protocol features of 3 bytes, expected 8"):
        answer(GpuSocket(), 1, bytes(3))


@pytest.mark.parametrize(
    ("request_", "payload", "flags", "line"),
    [
        (3, bytes(407), FLAG_REPLY, "GPU socket: display info of 407 bytes, expected 408"),
        (1, pack_u64(0), FLAG_REPLY, "GPU socket: GET_PROTOCOL_FEATURES answers no request"),
        (3, bytes(408), 0, "GPU socket: GET_DISPLAY_INFO answers no request"),
        (99, b"", FLAG_REPLY, "GPU socket: request 99 answers no request"),
    ],
)
def test_nonsense_is_refused(request_: int, payload: bytes, flags: int, line: str) -> None:
    gpu = introduced()
    with pytest.raises(ProtocolFault, match=f"^{line}$"):
        gpu.receive(Message(request_, payload, flags=flags))
