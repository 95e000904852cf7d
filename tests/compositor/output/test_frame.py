from typing import Any

import numpy as np

from compositor.output.frame import Frame
from compositor.output.plane import DEFAULT_PLANES
from compositor.output.plane_assignment import Grant, Why
from compositor.output.primary_plane import BACKGROUND
from compositor.output.submission import Discarded, Feedback, PresentationFlags, Presented, Submission
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect


def submission(heard: list[Any], surface: str, number: int) -> Submission:
    """One that waits for this frame alone."""
    made = Submission(surface, number, lambda: heard.append(f"{number} latched"), heard.append)
    made.join()
    made.handed_out()
    return made


def frame(heard: list[Any], *, direct: bool = False, upload_bytes: int = 7) -> Frame:
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
        submissions=(submission(heard, "first", 8), submission(heard, "second", 9)),
    )


def test_every_submission_is_told_once_that_it_was_latched_and_once_that_it_was_presented() -> None:
    heard: list[object] = []
    shown = frame(heard)
    assert not heard
    for _ in range(2):
        shown.latch()
    assert heard == ["8 latched", "9 latched"]
    for _ in range(2):
        shown.release()
    shown.discard()
    flags = PresentationFlags.VSYNC
    assert heard[2:] == [Presented(8, 5, 20, 4, flags, 1), Presented(9, 5, 20, 4, flags, 1)]


def test_a_frame_that_is_released_was_latched() -> None:
    heard: list[object] = []
    shown = frame(heard)
    shown.release()
    shown.latch()
    assert heard[:2] == ["8 latched", "9 latched"]
    assert len(heard) == 4


def test_a_discarded_frame_tells_the_same_and_is_presented_no_more() -> None:
    heard: list[object] = []
    dropped = frame(heard)
    dropped.latch()
    heard.clear()
    dropped.discard()
    dropped.discard()
    dropped.release()
    assert heard == [Discarded(8), Discarded(9)]


def test_a_frame_that_was_never_latched_can_be_discarded() -> None:
    heard: list[object] = []
    frame(heard).discard()
    assert [each for each in heard if isinstance(each, Discarded)] == [Discarded(8), Discarded(9)]


def test_zero_copy_is_what_is_scanned_out_as_it_is_and_not_uploaded() -> None:
    for direct, upload_bytes, zero_copy in ((True, 0, True), (True, 1, False), (False, 0, False)):
        heard: list[Feedback | str] = []
        frame(heard, direct=direct, upload_bytes=upload_bytes).release()
        first = next(each for each in heard if isinstance(each, Presented))
        assert (PresentationFlags.ZERO_COPY in first.flags) is zero_copy


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
