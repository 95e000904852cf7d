from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from virtio.errors import Misuse, ProtocolFault
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


def introduced(*, mirror: bool, features: int = FEATURES) -> GpuSocket:
    """A socket after the introduction."""
    gpu = GpuSocket(mirror=mirror)
    assert parse(gpu.next_output()) == [(1, b"")]
    assert gpu.next_output() == b"", "it waits for nothing, it has nothing to say"
    answer(gpu, 1, pack_u64(features))
    parse(gpu.next_output())
    return gpu


def frame(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


@pytest.mark.parametrize(("offered", "accepted"), [(3, 3), (0, 0), (0xFF, 3), (1, 1)])
def test_features_are_accepted_as_offered_and_never_more(offered: int, accepted: int) -> None:
    gpu = GpuSocket()
    gpu.next_output()
    answer(gpu, 1, pack_u64(offered))
    assert gpu.features == accepted
    assert parse(gpu.next_output()) == [(2, pack_u64(accepted)), (3, b"")]


def test_qemus_display_is_asked_for_information() -> None:
    gpu = introduced(mirror=False)
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
    gpu = introduced(mirror=False)
    with pytest.raises(ProtocolFault, match=f"^{line}$"):
        gpu.receive(Message(request_, payload, flags=flags))


def test_without_mirror_no_frame_is_sent() -> None:
    gpu = introduced(mirror=False)
    gpu.update(0, frame(8, 8), (0, 0, 8, 8))
    assert gpu.next_output() == b""


def test_the_first_frame_sets_the_scanout_and_is_whole() -> None:
    gpu, pixels = introduced(mirror=True), frame(8, 4)
    gpu.update(1, pixels, (2, 1, 3, 2))
    assert parse(gpu.next_output()) == [
        (7, struct.pack("=3I", 1, 8, 4)),
        (8, struct.pack("=5I", 1, 0, 0, 8, 4) + pixels.tobytes()),
    ]
    gpu.update(1, pixels, (2, 1, 3, 2))
    assert parse(gpu.next_output()) == [(8, struct.pack("=5I", 1, 2, 1, 3, 2) + pixels[1:3, 2:5].tobytes())]


def test_the_newest_frame_wins_with_all_damage_since_the_last() -> None:
    gpu = introduced(mirror=True)
    gpu.update(0, frame(8, 8), (0, 0, 8, 8))
    gpu.next_output()
    newest = frame(8, 8, seed=2)
    gpu.update(0, frame(8, 8, seed=1), (0, 0, 2, 2))
    gpu.update(0, newest, (6, 4, 1, 1))
    assert parse(gpu.next_output()) == [(8, struct.pack("=5I", 0, 0, 0, 7, 5) + newest[0:5, 0:7].tobytes())]
    assert gpu.next_output() == b""


def test_a_new_size_starts_over() -> None:
    gpu = introduced(mirror=True)
    gpu.update(0, frame(8, 8), (0, 0, 8, 8))
    gpu.next_output()
    gpu.update(0, frame(8, 8), (7, 7, 1, 1))
    small = frame(4, 4)
    gpu.update(0, small, (0, 0, 1, 1))
    assert [request for request, _ in parse(gpu.next_output())] == [7, 8]


def test_scanouts_take_turns() -> None:
    gpu = introduced(mirror=True)
    for scanout in (0, 1, 0):
        gpu.update(scanout, frame(4, 4), (0, 0, 4, 4))
    sent = [parse(gpu.next_output())[1][1][0] for _ in range(2)]
    assert sent == [0, 1]
    assert gpu.next_output() == b""


def test_no_damage_is_no_frame() -> None:
    gpu = introduced(mirror=True)
    gpu.update(0, frame(4, 4), (2, 2, 0, 1))
    assert gpu.next_output() == b""


@pytest.mark.parametrize("rect", [(0, 0, 5, 4), (-1, 0, 2, 2), (0, 3, 1, 2), (3, 0, -1, 1)])
def test_damage_outside_the_frame_is_a_mistake_of_the_caller(rect: tuple[int, int, int, int]) -> None:
    with pytest.raises(Misuse, match="does not lie inside a frame of 4x4"):
        GpuSocket(mirror=True).update(0, frame(4, 4), rect)
