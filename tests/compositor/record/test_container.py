"""The file's outer form: whole chunks come back, cut-off files keep what they hold, damage is found."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.record.container import MAGIC, ChunkReader, ChunkWriter, pack

PREFIX = 12  # bytes: magic and version
contents = st.lists(st.binary(max_size=200), min_size=1, max_size=5)


def written(chunks: Sequence[bytes]) -> bytes:
    file = io.BytesIO()
    writer = ChunkWriter(file)
    for number, chunk in enumerate(chunks):
        writer.add(pack(chunk), last=number == len(chunks) - 1)
    assert writer.written == len(file.getvalue())
    return file.getvalue()


def read(data: bytes) -> tuple[list[bytes], bool]:
    reader = ChunkReader(io.BytesIO(data), "f.rec")
    return list(reader), reader.cut_off


@given(contents)
def test_what_was_written_is_read(chunks: list[bytes]) -> None:
    assert read(written(chunks)) == (chunks, False)


@given(contents, st.data())
def test_a_file_cut_anywhere_gives_its_whole_chunks_and_says_that_it_is_cut(
    chunks: list[bytes], data: st.DataObject
) -> None:
    whole = written(chunks)
    cut = data.draw(st.integers(0, len(whole) - 1))
    if cut < PREFIX:
        with pytest.raises(BadInput, match="not a recording" if cut < len(MAGIC) else "cut off"):
            read(whole[:cut])
        return
    got, cut_off = read(whole[:cut])
    assert cut_off
    assert got == chunks[: len(got)]
    assert len(got) < len(chunks)


@given(contents, st.data())
def test_one_wrong_bit_anywhere_is_found_and_nothing_wrong_is_read(
    chunks: list[bytes], data: st.DataObject
) -> None:
    damaged = bytearray(written(chunks))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    got = []
    with pytest.raises(BadInput) as caught:  # noqa: PT012 - what came before the damage counts
        for chunk in ChunkReader(io.BytesIO(damaged), "f.rec"):
            got.append(chunk)
    assert got == chunks[: len(got)]
    assert str(caught.value).startswith("f.rec: ")
    assert "\n" not in str(caught.value)


def test_a_file_may_not_go_on_behind_its_end() -> None:
    with pytest.raises(BadInput, match="something follows"):
        read(written([b"a"]) + b"\0")


def test_another_version_is_named() -> None:
    other = bytearray(written([b"a"]))
    other[len(MAGIC)] = 77
    with pytest.raises(BadInput, match="version 77, this program reads 2"):
        read(bytes(other))


def test_chunks_in_another_order_are_found() -> None:
    first, second = written([b"a", b"b"]), written([b"a"])
    with pytest.raises(BadInput, match="header makes no sense"):
        # Two recordings, one pasted behind the other's first chunk.
        read(first[: len(second)] + second[PREFIX:])
