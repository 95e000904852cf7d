import struct

import pytest

from guest.linux.agent.frames import LIMIT, Frame, FrameReader, Kind, copy_frame, run_frame, write_frame
from virtio.errors import Misuse, ProtocolFault


def test_frames_come_whole_out_of_pieces_of_any_size() -> None:
    sent = [Frame(Kind.READY, 0), Frame(Kind.OUTPUT, 7, b"some\0bytes\xff"), Frame(Kind.DONE, 0xFFFF_FFFF)]
    data = b"".join(frame.pack() for frame in sent)
    for size in (1, 5, len(data)):
        reader = FrameReader()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [frame for piece in pieces for frame in reader.feed(piece)] == sent


def test_a_command_is_variables_and_arguments_in_this_order() -> None:
    frame = run_frame(3, ["sh", "-c", "echo 'a  b' ü"], {"A": "1", "B": ""})
    assert frame.kind is Kind.RUN
    assert frame.payload == struct.pack("<II", 0, 2) + "A=1\0B=\0sh\0-c\0echo 'a  b' ü\0".encode()


def test_a_file_is_written_from_a_place() -> None:
    frame = write_frame(1, "/tmp/x", b"data", mode=0o644, place=4096)
    assert frame.payload == struct.pack("<II", 0o644, 4096) + b"/tmp/x\0data"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: run_frame(1, [], {}), "nothing to run: the command is empty"),
        (lambda: run_frame(1, [""], {}), "nothing to run: the command is empty"),
        (lambda: run_frame(1, ["a\0b"], {}), r"'a\\x00b': a zero byte cannot be part of an argument"),
        (
            lambda: run_frame(1, ["x" * LIMIT], {}),
            f"the command is too long for a guest by 9 bytes of {LIMIT}",
        ),
        (lambda: write_frame(1, "x", b"", mode=0, place=0), "x: a path in a guest is absolute"),
        (lambda: copy_frame(1, "passed", "", mode=0), ": a path in a guest is absolute"),
    ],
)
def test_what_cannot_be_carried_is_refused(make: object, complaint: str) -> None:
    assert callable(make)
    with pytest.raises(Misuse, match=f"^{complaint}$"):
        make()


@pytest.mark.parametrize(
    ("length", "kind", "complaint"),
    [
        (1 << 20, Kind.OUTPUT, "a frame of kind 17 with 1048576 bytes"),
        (0, 99, "a frame of kind 99 with 0 bytes"),
    ],
)
def test_nonsense_is_refused(length: int, kind: int, complaint: str) -> None:
    with pytest.raises(ProtocolFault, match=complaint):
        list(FrameReader().feed(struct.pack("<III", length, kind, 0)))


def test_a_status_is_signed_and_has_four_bytes() -> None:
    assert Frame(Kind.EXITED, 1, struct.pack("<i", -9)).status == -9
    with pytest.raises(ProtocolFault, match="a status of 3 bytes"):
        _ = Frame(Kind.EXITED, 1, b"abc").status
