"""The order of records, and files that cannot be written."""

import errno
from pathlib import Path

import pytest

from compositor.errors import BadInput
from compositor.record.container import ChunkReader
from compositor.record.journal import Journal
from compositor.record.records import CommandRecord, ContentRecord, Kind, Record, decode

COMMAND = CommandRecord(0, 24, 24, b"request", b"response")


class Clock:
    now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


def records(path: Path) -> list[Record]:
    with path.open("rb") as file:
        return [record for chunk in ChunkReader(file, "f") for record in decode(chunk)]


def test_content_comes_before_its_command_and_effects_behind_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "f", Clock(), print)
    journal.command_begins()
    journal.write(Kind.FRAME, 0)
    journal.write_content(0, ContentRecord(1, [(0, 1)], b"x"))
    journal.command_ends(0, COMMAND)
    journal.close()
    found = records(tmp_path / "f")
    assert [record.kind for record in found] == [Kind.CONTENT, Kind.COMMAND, Kind.FRAME, Kind.END]
    assert [record.time_ns for record in found] == sorted(record.time_ns for record in found)


def test_a_command_inside_of_another_comes_behind_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "f", Clock(), print)
    journal.command_begins()
    journal.write(Kind.FRAME, 0)
    journal.command_begins()
    journal.write_content(1, ContentRecord(1, [(0, 1)], b"x"))
    journal.command_ends(1, COMMAND)
    journal.command_ends(0, COMMAND)
    journal.close()
    order = [(record.kind, record.subject) for record in records(tmp_path / "f")]
    assert order == [
        (Kind.COMMAND, 0),
        (Kind.FRAME, 0),
        (Kind.CONTENT, 1),
        (Kind.COMMAND, 1),
        (Kind.END, 0),
    ]


def test_nothing_is_recorded_behind_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "f", Clock(), print)
    journal.close()
    size = journal.written
    journal.write(Kind.FRAME, 0)
    journal.close()
    assert (tmp_path / "f").stat().st_size == size == journal.written


def test_what_was_recorded_a_while_ago_is_in_the_file_whatever_becomes_of_us(tmp_path: Path) -> None:
    now = [0]
    journal = Journal(tmp_path / "f", lambda: now[0], print)
    for _ in range(4):
        journal.write(Kind.FRAME, 0)
        now[0] += 200_000_000
    journal._wait(0)
    assert len(records(tmp_path / "f")) == 3
    journal.close()


def test_a_full_disk_ends_the_recording_with_one_line_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    journal = Journal(tmp_path / "f", Clock(), lines.append)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal._chunks, "add", full)
    for _ in range(3):
        journal.write(Kind.FRAME, 0)
    journal.close()
    name = tmp_path / "f"
    assert lines == [f"--record {name}: No space left on device: the recording ends here, the run goes on"]
    assert not journal.recording


def test_a_file_that_cannot_be_opened_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--record"):
        Journal(tmp_path, Clock(), print)
