import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from compositor.compare import load_png
from compositor.errors import BadInput
from compositor.pixels.screenshot import save_png
from tests.compositor.compare.pngs import chunk, picture, png


def test_a_picture_comes_back_from_its_png(tmp_path: Path) -> None:
    saved = picture(7, 5)
    save_png(tmp_path / "a.png", saved)
    np.testing.assert_array_equal(load_png(tmp_path / "a.png"), saved)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_other_kinds_of_png_are_read_as_rgba(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 9).save(tmp_path / "grey.png")
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "rgb.png")
    assert (load_png(tmp_path / "grey.png") == (9, 9, 9, 255)).all()
    assert (load_png(tmp_path / "rgb.png") == (1, 2, 3, 255)).all()


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^cannot read .*a\.png: No such file or directory$"):
        load_png(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"^cannot read .*: Is a directory$"):
        load_png(tmp_path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (2, 2)).save(tmp_path / "bitmap.bmp")
    for name in ("text.png", "bitmap.bmp"):
        with pytest.raises(BadInput, match=f"{name} is not a PNG$"):
            load_png(tmp_path / name)


def test_a_png_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    for size in (8193, 12_000, 60_000):  # too large for us, for Pillow's warning, and for Pillow
        header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
        bomb = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"\0"))
            + chunk(b"IEND", b"")
        )
        (tmp_path / "bomb.png").write_bytes(bomb)
        with pytest.raises(BadInput, match=r"bomb\.png has more than 8192x8192 pixels"):
            load_png(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("bits", "colours", "interlaced"), [(8, 6, 0), (8, 6, 1), (1, 0, 0), (16, 6, 1), (8, 2, 1)]
)
def test_a_png_that_cannot_hold_its_pixels_is_refused_before_they_take_memory(
    tmp_path: Path, bits: int, colours: int, interlaced: int
) -> None:
    header = struct.pack(">IIBBBBB", 8192, 8192, bits, colours, 0, 0, interlaced)
    path = tmp_path / "bomb.png"
    path.write_bytes(png(header, (b"IDAT", zlib.compress(bytes(50_000), 9))))
    with pytest.raises(BadInput, match="bytes cannot hold 8192x8192 pixels"):
        load_png(path)


def test_the_best_compressed_picture_is_read(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 8192, 8192, 1, 0, 0, 0, 0)
    path = tmp_path / "black.png"
    path.write_bytes(png(header, (b"IDAT", zlib.compress(bytes(8192 * 1025), 9))))
    assert load_png(path).shape == (8192, 8192, 4)


def test_an_animated_png_is_refused_by_that_name(tmp_path: Path) -> None:
    frame = zlib.compress(bytes(2 * (1 + 2 * 4)))
    control = struct.pack(">IIIIHHBB", 2, 2, 0, 0, 1, 10, 0, 0)
    path = tmp_path / "moves.png"
    path.write_bytes(
        png(
            struct.pack(">IIBBBBB", 2, 2, 8, 6, 0, 0, 0),
            (b"acTL", struct.pack(">II", 2, 0)),
            (b"fcTL", struct.pack(">I", 0) + control),
            (b"IDAT", frame),
            (b"fcTL", struct.pack(">I", 1) + control),
            (b"fdAT", struct.pack(">I", 2) + frame),
        )
    )
    with pytest.raises(BadInput, match=r"moves\.png is an animated PNG"):
        load_png(path)


CHUNKS = [
    b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"tEXt", b"iTXt", b"zTXt", b"pHYs", b"gAMA", b"cHRM", b"sRGB",
    b"eXIf", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"CgBI",
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(CHUNKS), st.binary(max_size=40)), max_size=4), st.integers(0, 4))
def test_chunks_that_make_no_sense_raise_nothing_but_bad_input(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[bytes, bytes]], at: int
) -> None:
    whole = [(b"IDAT", zlib.compress(bytes(9 * 37)))]
    path = tmp_path_factory.getbasetemp() / "odd.png"
    header = struct.pack(">IIBBBBB", 9, 9, 8, 6, 0, 0, 0)
    path.write_bytes(png(header, *chunks[:at], *whole, *chunks[at:]))
    assert outcome(path) in ("read", "refused in one line")


def test_a_fifo_is_no_png_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(BadInput, match=r"cannot read .*fifo\.png: not a regular file"):
        load_png(tmp_path / "fifo.png")


def test_a_text_in_a_png_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", picture(9, 9))
    content = (tmp_path / "a.png").read_bytes()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    (tmp_path / "a.png").write_bytes(content[:33] + text + content[33:])  # after the header
    with pytest.raises(BadInput, match=r"a\.png is a damaged PNG: "):
        load_png(tmp_path / "a.png")


def outcome(path: Path) -> str:
    try:
        load_png(path)
    except BadInput as error:
        return "refused in one line" if path.name in str(error) and "\n" not in str(error) else str(error)
    return "read"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_png_is_refused_or_read_but_never_raises_anything_else(
    tmp_path: Path, data: st.DataObject
) -> None:
    save_png(tmp_path / "a.png", picture(9, 9))
    content = bytearray((tmp_path / "a.png").read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    (tmp_path / "b.png").write_bytes(content)
    assert outcome(tmp_path / "b.png") in ("read", "refused in one line")
