import errno
import re
from pathlib import Path

import pytest

from compositor.errors import BadInput
from compositor.files import write_atomically


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "result"
    with write_atomically(target) as file:
        file.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["result"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), write_atomically(target) as file:
        file.write(b"half" * (1 // 0))
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["result"]


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    with write_atomically(link) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"


def test_the_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    with write_atomically(tmp_path / "result"):
        pass
    assert (tmp_path / "result").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/result", "No such file or directory"),
        ("file/result", "Not a directory"),
        ("directory", "no regular file"),
        ("x" * 300, "File name too long"),
        ("loop", "loop"),
        ("nul\0", "null byte"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    before = names(tmp_path)
    shown = re.escape(ascii(path[:20])[1:-1])
    with (
        pytest.raises(BadInput, match=f"^cannot write .*{shown}.*: .*{reason}.*$"),
        write_atomically(tmp_path / path),
    ):
        pass
    assert names(tmp_path) == before


def test_a_device_is_not_replaced_by_a_file() -> None:
    with (
        pytest.raises(BadInput, match="cannot write /dev/null: it exists and is no regular file"),
        write_atomically("/dev/null"),
    ):
        pass
    assert Path("/dev/null").is_char_device()


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match=r"^cannot write .*: No space left on device$"),
        write_atomically(tmp_path / "result"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not names(tmp_path)
