import numpy as np
import pytest

from compositor.bench import idle, pixman
from compositor.bench.frames import _changes, scene_of


@pytest.fixture(scope="module")
def peer() -> None:
    try:
        pixman.load()
    except OSError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("guests", [1, 5, 16])
def test_ours_and_the_peer_paint_the_same_picture(guests: int) -> None:
    scene = scene_of(guests)
    picture = np.zeros((1080, 1920, 4), np.uint8)
    for number, change in enumerate(_changes(scene).values()):
        change(number)
        frame = scene.output.commit(0)
        assert frame is not None
        picture[:] = (0, 0, 0, 255)
        pixman.compose(picture, scene.layers())
        np.testing.assert_array_equal(frame.pixels[..., :3], picture[..., :3])


def test_the_work_of_a_frame_is_its_damage_however_many_guests_there_are() -> None:
    for guests in (1, 4, 16):
        scene = scene_of(guests)
        written = {}
        for number, (case, change) in enumerate(_changes(scene).items()):
            change(number + 1)
            frame = scene.output.commit(0)
            assert frame is not None
            written[case] = frame.compose_bytes
        assert written["cursor-over"] == 0
        assert written["corner-of"] == 4 * 64 * 64
        assert written["one-of"] == 4 * 480 * 270
        assert written["all-of"] >= guests * written["one-of"]


def test_doing_nothing_composites_nothing() -> None:
    rows = {row.case: row.ours for row in idle.run(seconds=0.05).rows}
    assert rows["frames-in-0.05s-of-4-static-guests"] == 0
    assert len(rows) == 3
