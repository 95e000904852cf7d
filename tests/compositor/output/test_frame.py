import numpy as np

from compositor.output.frame import BACKGROUND, Frame, Taken
from compositor.output.plane import DEFAULT_PLANES
from compositor.output.plane_assignment import Grant, Why
from compositor.output.presentation import Discarded, Feedback, PresentationFlags, Presented
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect


def frame(heard: list[object], *, direct: bool = False, upload_bytes: int = 7) -> Frame:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[:] = (3, 2, 1, 0)
    return Frame(
        output="o",
        commit_seq=1,
        present_time_ns=5,
        damage=(Rect(0, 0, 3, 2),),
        direct=direct,
        composed={"guest-0": 20, BACKGROUND: 4},
        upload_bytes=upload_bytes,
        frame_ids={},
        front=pixels,
        front_format=PixelFormat.ARGB8888,
        grants={"first": Grant(DEFAULT_PLANES.primary if direct else None, Why.FILLS)},
        refresh_ns=20,
        refresh_seq=4,
        flags=PresentationFlags.VSYNC,
        _taken=(
            Taken("first", 8, lambda: heard.append("latched"), heard.append),
            Taken("second", 9, None, heard.append),
        ),
    )


def test_every_commit_is_told_once_that_it_was_taken_and_once_that_it_was_presented() -> None:
    heard: list[object] = []
    shown = frame(heard)
    assert not heard
    for _ in range(2):
        shown.latch()
    assert heard == ["latched"]
    for _ in range(2):
        shown.release()
    shown.discard()
    flags = PresentationFlags.VSYNC
    assert heard[1:] == [Presented(8, 5, 20, 4, flags, 1), Presented(9, 5, 20, 4, flags, 1)]


def test_a_discarded_frame_tells_the_same_and_is_presented_no_more() -> None:
    heard: list[object] = []
    dropped = frame(heard)
    dropped.discard()
    dropped.discard()
    dropped.release()
    assert heard == [Discarded(8), Discarded(9)]


def test_zero_copy_is_what_is_scanned_out_as_it_is_and_not_uploaded() -> None:
    for direct, upload_bytes, zero_copy in ((True, 0, True), (True, 1, False), (False, 0, False)):
        heard: list[Feedback] = []
        frame(heard, direct=direct, upload_bytes=upload_bytes).release()  # type: ignore[arg-type]
        assert isinstance(heard[0], Presented)
        assert (PresentationFlags.ZERO_COPY in heard[0].flags) is zero_copy


def test_bytes_are_summed_by_hop() -> None:
    shown = frame([])
    assert shown.compose_bytes == 24
    assert shown.copies == {"compose": 24, "upload": 7}


def test_a_snapshot_is_an_opaque_copy_in_rgba() -> None:
    shown = frame([])
    snapshot = shown.snapshot()
    shown.pixels[:] = 0
    assert snapshot.shape == (2, 3, 4)
    assert (snapshot == (1, 2, 3, 255)).all()
