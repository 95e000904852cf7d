import numpy as np

from compositor.frame import BACKGROUND, Frame
from compositor.geometry import Rect
from compositor.pixel import PixelFormat


def frame(heard: list[str]) -> Frame:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[:] = (3, 2, 1, 0)
    return Frame(
        output="o",
        commit_seq=1,
        present_time_ns=5,
        damage=(Rect(0, 0, 3, 2),),
        direct=False,
        composed={"guest-0": 20, BACKGROUND: 4},
        upload_bytes=7,
        frame_ids={},
        pixels=pixels,
        format=PixelFormat.ARGB8888,
        _feedback=[lambda f: heard.append(f"first {f.commit_seq}"), lambda f: heard.append("second")],
    )


def test_release_tells_everybody_once_and_in_order() -> None:
    heard: list[str] = []
    shown = frame(heard)
    assert not heard
    shown.release()
    shown.release()
    assert heard == ["first 1", "second"]


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
