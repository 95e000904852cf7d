from hashlib import sha256
from importlib import import_module

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.testing.screenshots import Screenshot
from guest.workloads import WORKLOADS, create_workload, read_stamp
from virtio.errors import Misuse


def drawn(name: str, frame: int, *, size: tuple[int, int] = (160, 120), seed: int = 0) -> NDArray[np.uint8]:
    pixels = np.full((size[1], size[0], 4), 0xCD, np.uint8)
    create_workload(name, seed).draw(frame, pixels)
    return pixels


@pytest.mark.parametrize("frame", [0, 100])
@pytest.mark.parametrize("name", WORKLOADS)
def test_frames_are_the_golden_ones(name: str, frame: int, screenshot: Screenshot) -> None:
    screenshot.check(drawn(name, frame)[:, :, [2, 1, 0, 3]])


# Too large to keep as pictures; the same bytes on every machine.
DIGESTS = {
    ("gears", 640, 480): "ccc32e2a1c39a48dfe0bebebbcb78b59f6b79dcd8654a644ea675cc7779e5019",
    ("plasma", 1920, 1080): "3809541fdfba209f9194c8e29b13fa4e42b217d56cc6de8081017d4a5b303658",
    ("terminal", 640, 480): "7727ed90c459a29570b809d40fcdf1e01eead33f3637a196f54e2924e2052e67",
    ("video", 1280, 720): "191483fc28d5ab43e82ac631672264b09b7531eda322e9382a37b12a034d7a7a",
    ("drag", 640, 480): "a665b6b885e3b73575b7c47e8e981d106ed57cd3c4f7f0528a07cd4bfb2dbd9a",
    ("desktop", 640, 480): "1322411922cf351f7567d5d51ac26b6c8e274715d14b77936ca9fdcdc19e4da6",
    ("stress", 640, 480): "3f1c5483dde004e377b1b0a1166aa2b1cc56982512b8f33f79f768476826dfdf",
}


@pytest.mark.parametrize(("name", "width", "height"), DIGESTS)
def test_large_frames_are_the_same_everywhere(name: str, width: int, height: int) -> None:
    digest = sha256(drawn(name, 77, size=(width, height), seed=5).tobytes()).hexdigest()
    assert digest == DIGESTS[name, width, height]


@pytest.mark.parametrize("name", WORKLOADS)
def test_any_frame_can_be_drawn_at_any_time(name: str) -> None:
    workload, pixels = create_workload(name), np.zeros((120, 160, 4), np.uint8)
    for frame in (50, 3, 100):
        workload.draw(frame, pixels)
    assert np.array_equal(pixels, drawn(name, 100))


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_can_change_size_between_frames(name: str) -> None:
    workload = create_workload(name)
    for size in ((160, 120), (120, 160), (64, 64)):
        pixels = np.zeros((size[1], size[0], 4), np.uint8)
        workload.draw(9, pixels)
        assert np.array_equal(pixels, drawn(name, 9, size=size))


@pytest.mark.parametrize("size", [(64, 64), (65, 67), (333, 100), (1021, 77)])
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_frame_is_stamped_at_any_size(name: str, size: tuple[int, int]) -> None:
    assert read_stamp(drawn(name, 123_456, size=size)) == (123_456, False)


@pytest.mark.parametrize("name", WORKLOADS)
def test_seeds_and_frames_make_a_difference(name: str) -> None:
    body = (slice(60, 89), slice(41, None))  # without the stamps
    first = drawn(name, 0)[body]
    assert not np.array_equal(first, drawn(name, 0, seed=1)[body])
    assert not np.array_equal(drawn(name, 0), drawn(name, 30))


@pytest.mark.parametrize("name", WORKLOADS)
def test_frame_numbers_may_grow_for_ever(name: str) -> None:
    assert read_stamp(drawn(name, 2**40 + 5)).frame_id == 5


KERNELS = [
    ("gears", ("paint", "over")),
    ("plasma", ("paint",)),
    ("video", ("decode", "convert")),
    ("drag", ("blend",)),
    ("stress", ("paint",)),
]


@pytest.mark.parametrize(("name", "kernels"), KERNELS)
def test_compiled_kernels_do_what_their_python_says(
    name: str, kernels: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = drawn(name, 40, size=(72, 60))
    module = import_module(f"guest.workloads.{name}")
    for kernel in kernels:
        monkeypatch.setattr(module, kernel, getattr(module, kernel).py_func)
    assert np.array_equal(drawn(name, 40, size=(72, 60)), compiled)


def test_gears_stand_on_a_transparent_ground_and_are_premultiplied() -> None:
    pixels = drawn("gears", 0, size=(320, 240))
    assert create_workload("gears").opaque is False
    assert pixels[20, 0, 3] < 32
    assert pixels[120, 90:110, 3].max() == 255
    assert (pixels[:, :, :3] <= pixels[:, :, 3:]).all()


def test_plasma_is_opaque_everywhere() -> None:
    assert create_workload("plasma").opaque is True
    assert (drawn("plasma", 0)[:, :, 3] == 255).all()


def test_a_view_with_padding_between_rows_can_be_drawn_into() -> None:
    for name in WORKLOADS:
        padded = np.zeros((120, 200, 4), np.uint8)
        create_workload(name).draw(5, padded[:, :160])
        assert np.array_equal(padded[:, :160], drawn(name, 5))


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(Misuse, match=r"no workload 'pong'; there are gears, plasma"):
        create_workload("pong")
