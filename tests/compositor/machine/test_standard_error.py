"""Standard error that is not read must not stop a device."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compositor.machine.standard_error import StandardError


class Pipe:
    """A standard error that is read when the test does so."""

    def __init__(self) -> None:
        self.read_end, write_end = os.pipe()
        self.text = os.fdopen(write_end, "w")
        self.error = StandardError()

    def read(self) -> list[str]:
        os.set_blocking(self.read_end, False)
        data = b""
        try:
            while piece := os.read(self.read_end, 1 << 20):
                data += piece
        except BlockingIOError:
            pass
        return data.decode().splitlines()

    def go(self) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, self.read_end)
        os.close(null)

    def write(self, *texts: str) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sys, "stderr", self.text)
            for text in texts:
                self.error.write(text)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.text.close()
    os.close(made.read_end)


def test_a_pipe_that_is_not_read_is_not_waited_for_and_misses_lines(pipe: Pipe) -> None:
    pipe.write(*["x" * 999 + "\n"] * 100)
    seen = len(pipe.read())
    assert 0 < seen < 100
    pipe.write("read again\n")
    lost, last = pipe.read()[-2:]
    assert last == "read again"
    assert lost.startswith("scanout: standard error was not read; messages lost: ")
    assert int(lost.split()[-1]) + seen in {100, 99}, "one may be in two halves"


def test_a_text_longer_than_the_room_arrives_whole(pipe: Pipe) -> None:
    pipe.write("y" * 100_000 + "\n", "dropped\n")
    first = pipe.read()
    pipe.write("read again\n")
    rest = pipe.read()
    assert len(first[0] + rest[0]) == 100_000
    assert rest[1:] == ["scanout: standard error was not read; messages lost: 1", "read again"]


def test_a_reader_that_has_gone_is_no_matter(pipe: Pipe) -> None:
    pipe.go()
    pipe.write("unheard\n")


def test_a_file_and_what_is_no_file_get_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = StandardError()
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        print("before", file=log)
        error.write("line\n")
    assert (tmp_path / "log").read_text() == "before\nline\n"
    monkeypatch.setattr(sys, "stderr", text := io.StringIO())
    error.write("line\n")
    assert text.getvalue() == "line\n"
    monkeypatch.setattr(sys, "stderr", None)
    error.write("line\n")
