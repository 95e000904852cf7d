import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from compositor.compare import compare, load_png, open_golden, pixel_hash, png, write_golden
from compositor.errors import BadInput
from compositor.pixels.screenshot import save_png
from tests.compositor.compare.pngs import chunk, made, picture

METADATA = {"mode": "320x240@60", "seed": 7, "note": "a Ä \n"}


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: png.Png) -> None:
        pytest.fail(f"{self.name} was decoded")

    monkeypatch.setattr(png.Png, "decode", refuse)


def test_a_golden_picture_comes_back_with_its_metadata(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(7, 5), METADATA)
    golden = open_golden(tmp_path / "a.png")
    assert golden.sealed
    assert golden.metadata == METADATA
    assert golden.size == (7, 5)
    assert golden.stored_hash == pixel_hash(picture(7, 5))
    np.testing.assert_array_equal(golden.pixels, picture(7, 5))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_other_programs_read_its_pixels_and_its_text(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(7, 5), METADATA)
    with Image.open(tmp_path / "a.png") as image:
        image.verify()
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), picture(7, 5))
        assert '"mode": "320x240@60"' in image.text["scanout-golden"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_decoding")
def test_an_equal_picture_is_found_equal_without_decoding_the_file(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(7, 5), METADATA)
    write_golden(tmp_path / "b.png", picture(7, 5))
    assert compare(tmp_path / "a.png", picture(7, 5)).equal
    assert compare(picture(7, 5), tmp_path / "a.png").equal
    assert compare(tmp_path / "a.png", tmp_path / "b.png").equal
    assert compare(tmp_path / "a.png", picture(7, 5), tolerance=3, mask=(0, 0, 1, 1)).equal


def test_a_check_of_an_equal_picture_imports_no_decoder(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", np.zeros((4, 4, 4), np.uint8))
    program = """
import sys
import compositor.compare
assert not {"numpy", "xxhash", "compositor.compare.comparison"} & sys.modules.keys()
import numpy as np
assert compositor.compare.compare(sys.argv[1], np.zeros((4, 4, 4), np.uint8)).equal
assert not {"PIL", "numba", "skimage"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program, tmp_path / "a.png"], check=True)


def test_a_mask_that_makes_no_sense_is_refused_of_an_equal_picture_too(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(7, 5))
    with pytest.raises(BadInput, match="has no pixel"):
        compare(tmp_path / "a.png", picture(7, 5), mask=(9, 9, 1, 1))


def test_one_pixel_of_a_golden_picture_is_found(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(7, 5))
    other = picture(7, 5)
    other[3, 2, 1] ^= 1
    found = compare(tmp_path / "a.png", other)
    assert (found.count, found.bounds) == (1, (2, 3, 1, 1))


def test_the_same_pixels_in_another_shape_are_another_picture(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(6, 4))
    found = compare(tmp_path / "a.png", picture(6, 4).reshape(6, 4, 4))
    assert (found.equal, found.kind) == (False, "size")


# A file that another program edited is never trusted.


def resaved(image: Image.Image, path: Path, *, keep: bool) -> None:
    """As an editor saves it: with the texts that it found, or without."""
    texts = PngImagePlugin.PngInfo()
    for name, text in image.text.items():  # type: ignore[attr-defined]
        texts.add_text(name, text)
    image.save(path, pnginfo=texts if keep else None)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("edited", [True, False])
def test_a_golden_picture_that_another_program_saved_is_not_trusted(
    tmp_path: Path, keep: bool, edited: bool
) -> None:
    path = tmp_path / "a.png"
    write_golden(path, picture(7, 5), METADATA)
    with Image.open(path) as image:
        image.load()
        if edited:
            image.putpixel((2, 3), (1, 2, 3, 4))
        resaved(image, path, keep=keep)
    golden = open_golden(path)
    assert (golden.sealed, golden.metadata, golden.stored_hash) == (False, {}, None)
    assert compare(golden, picture(7, 5)).equal is not edited


def test_a_text_that_was_moved_to_another_golden_picture_is_not_trusted(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.png", picture(7, 5))
    write_golden(tmp_path / "b.png", picture(7, 5, seed=1))
    a, b = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    start, end = 33, 33 + 12 + int.from_bytes(a[33:37])
    (tmp_path / "b.png").write_bytes(b[:start] + a[start:end] + b[end:])
    assert not open_golden(tmp_path / "b.png").sealed
    assert not compare(tmp_path / "b.png", picture(7, 5)).equal
    assert compare(tmp_path / "b.png", picture(7, 5, seed=1)).equal


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_change_of_a_byte_makes_another_picture_equal(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.png"
    write_golden(path, picture(5, 3), {"seed": 1})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    unchanged = bytes(content) == path.read_bytes()
    path.write_bytes(content)
    try:
        now = load_png(path)
    except BadInput:
        now = None
    if now is None:
        with pytest.raises(BadInput, match=r"a\.png"):
            compare(path, picture(5, 3))
    else:
        assert open_golden(path).sealed is unchanged
        assert compare(path, picture(5, 3)).equal == np.array_equal(now, picture(5, 3))


def test_any_bit_that_changes_breaks_the_seal(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_golden(path, picture(3, 2), {"seed": 1})
    content = path.read_bytes()
    for at in range(33, len(content) - 12):  # from the text on, up to the last chunk
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            assert not open_golden(path).sealed
        except BadInput:
            continue


def test_a_text_sealed_in_another_way_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    plain = made(np.zeros((1, 1, 4), np.uint8), 8, 6)
    for text in (b"", b"\xff" * 40, b"0" * 32 + b"{}", b"0" * 32 + b'{"pixels": 1, "metadata": 2}'):
        path.write_bytes(plain[:33] + chunk(b"tEXt", b"scanout-golden\0" + text) + plain[33:])
        assert not open_golden(path).sealed
        assert compare(path, np.zeros((1, 1, 4), np.uint8)).equal


# What cannot be written


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    write_golden(tmp_path / "a.png", picture(7, 5))
    return tmp_path / "a.png"


def unharmed(path: Path) -> bool:
    return compare(path, picture(7, 5)).equal and [other.name for other in path.parent.iterdir()] == ["a.png"]


def test_a_full_disk_loses_no_golden_picture(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Callable[..., Any] = Path.open

    class Full(io.RawIOBase):
        def writelines(self, lines: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        file = opened(self, mode, *arguments, **named)
        if "x" not in mode:
            return file
        file.close()
        return Full()

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(BadInput, match=r"cannot write .*a\.png: No space left on device"):
        write_golden(kept, picture(7, 5, seed=1))
    monkeypatch.undo()
    assert unharmed(kept)


def test_a_directory_that_cannot_be_written_loses_no_golden_picture(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: Any, **named: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuse)  # root may write anywhere
    with pytest.raises(BadInput, match=r"cannot write .*a\.png: Permission denied"):
        write_golden(kept, picture(7, 5, seed=1))
    monkeypatch.undo()
    assert unharmed(kept)


@pytest.mark.parametrize(
    ("given", "metadata", "message"),
    [
        (picture(2, 2).astype(np.uint16), None, "a golden picture has 8 bits a channel, this one has 16"),
        (np.zeros((0, 4, 4), np.uint8), None, "a picture of 4x0 has no pixels"),
        (picture(2, 2), {"at": object()}, "its metadata: Object of type object is not JSON serializable"),
        (picture(2, 2), {"at": float("nan")}, "its metadata: Out of range float values"),
    ],
)
def test_what_no_golden_picture_holds_is_refused(kept: Path, given: Any, metadata: Any, message: str) -> None:
    with pytest.raises(BadInput, match=rf"cannot write .*a\.png: {message}"):
        write_golden(kept, given, metadata)
    assert unharmed(kept)


def test_names_with_spaces_and_other_letters_are_names(tmp_path: Path) -> None:
    path = tmp_path / "an Ä.png"
    write_golden(path, picture(2, 2))
    assert open_golden(path).sealed


def test_a_golden_picture_that_is_cut_off_is_refused(kept: Path) -> None:
    content = kept.read_bytes()
    for length in range(len(content)):
        kept.write_bytes(content[:length])
        with pytest.raises(BadInput, match=r"a\.png is (not a|a damaged) PNG"):
            _ = open_golden(kept).pixels


def test_a_golden_picture_is_no_larger_than_a_plain_one(tmp_path: Path) -> None:
    save_png(tmp_path / "plain.png", picture(64, 64))
    write_golden(tmp_path / "golden.png", picture(64, 64))
    sizes = [(tmp_path / name).stat().st_size for name in ("plain.png", "golden.png")]
    assert sizes[0] < sizes[1] < sizes[0] + 200
