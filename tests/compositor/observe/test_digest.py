import hashlib

import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray

from compositor.observe.digest import Digest
from compositor.output.frame import Frame
from compositor.pixels.format import PixelFormat

Pixels = NDArray[np.uint8]
WIDTH, HEIGHT = 300, 1000  # more than one block of rows, the last one shorter


def picture(seed: int = 0) -> Pixels:
    """B, G, R, 0xff."""
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., 3] = 255
    return pixels


def stored(picture: Pixels, pixel_format: PixelFormat, padding: int) -> Pixels:
    """The same picture in another memory order, with padding, and rubbish where nothing is visible."""
    memory = np.random.default_rng(9).integers(0, 256, (HEIGHT, WIDTH + padding, 4), np.uint8)
    view = memory[:, :WIDTH]
    for channel, offset in enumerate((pixel_format.blue, pixel_format.green, pixel_format.red)):
        view[..., offset] = picture[..., channel]
    return view


def frame(pixels: Pixels, *, output: str = "output-0", seq: int = 1, time_ns: int = 0) -> Frame:
    return Frame(output, seq, time_ns, (), False, {}, {}, pixels, PixelFormat.XRGB8888)


def test_the_checksum_is_xxh3_of_the_visible_bytes() -> None:
    assert Digest().checksum(picture(), PixelFormat.XRGB8888) == xxhash.xxh3_64_intdigest(picture().tobytes())


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_the_same_picture_counts_the_same_however_it_is_stored(
    pixel_format: PixelFormat, padding: int
) -> None:
    digest = Digest()
    expected = digest.checksum(picture(), PixelFormat.XRGB8888)
    assert digest.checksum(stored(picture(), pixel_format, padding), pixel_format) == expected


@pytest.mark.parametrize("at", [(0, 0), (HEIGHT - 1, WIDTH - 1), (250, 7)])
def test_a_byte_that_means_nothing_counts_for_nothing(at: tuple[int, int]) -> None:
    memory = picture()
    memory[*at, 3] = 0x7F
    digest = Digest()
    checksum = digest.checksum(memory, PixelFormat.XRGB8888)
    assert checksum == digest.checksum(picture(), PixelFormat.XRGB8888)
    assert memory[*at, 3] == 0x7F


@pytest.mark.parametrize("at", [(0, 0, 0), (HEIGHT - 1, WIDTH - 1, 2), (250, 7, 1)])
def test_every_visible_byte_counts(at: tuple[int, int, int]) -> None:
    changed = picture()
    changed[at] ^= 1
    digest = Digest()
    unchanged = digest.checksum(picture(), PixelFormat.XRGB8888)
    assert digest.checksum(changed, PixelFormat.XRGB8888) != unchanged


def test_the_digest_covers_one_record_per_frame() -> None:
    digest = Digest()
    checksum = digest.checksum(picture(), PixelFormat.XRGB8888)
    digest.add(frame(picture(), seq=3, time_ns=17))
    record = f"output-0 3 17 {WIDTH}x{HEIGHT} {checksum:016x}\n"
    assert str(digest) == "sha256:" + hashlib.sha256(record.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        [frame(picture(1))],
        [frame(picture(), output="output-1")],
        [frame(picture(), seq=2)],
        [frame(picture(), time_ns=1)],
        [frame(picture().reshape(WIDTH, HEIGHT, 4))],
        [frame(picture()), frame(picture())],
        [],
    ],
)
def test_other_frames_give_another_digest(other: list[Frame]) -> None:
    digests = Digest(), Digest()
    digests[0].add(frame(picture()))
    for shown in other:
        digests[1].add(shown)
    assert str(digests[0]) != str(digests[1])


def test_what_came_before_a_new_start_counts_for_nothing() -> None:
    fresh, again = Digest(), Digest()
    again.add(frame(picture(1), seq=40, time_ns=77))
    again.start_over(1_000, {"output-0": 40})
    assert str(again) == str(fresh)
    fresh.add(frame(picture(2), seq=1, time_ns=5))
    again.add(frame(picture(2), seq=41, time_ns=1_005))
    assert str(again) == str(fresh)
    again.start_over(1_000, {"output-0": 41})
    again.add(frame(picture(2), seq=41, time_ns=1_005))
    assert str(again) != str(fresh)
