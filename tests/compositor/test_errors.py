"""One family of errors: what a user's code catches, and with which exit status the command ends."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import compositor.errors
import virtio.errors
from compositor import Machine
from compositor.cli import exit_status, main
from compositor.errors import BadInput, Misuse, RunFailed, ScanoutError, ScreenError
from guest.linux.errors import GuestDied, KernelUnusable
from virtio.errors import InternalError, ProtocolFault


def test_a_misuse_is_the_same_whichever_package_raises_it() -> None:
    assert compositor.errors.Misuse is virtio.errors.Misuse
    assert all(issubclass(kind, ScanoutError) for kind in (Misuse, BadInput, RunFailed, ScreenError))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Misuse("twice"), 2),
        (BadInput("no such mode"), 2),
        (KernelUnusable("not a UML kernel"), 2),
        (RunFailed("only 2 frames"), 1),
        (ScreenError("no display"), 1),
        (InternalError("broken"), 1),
        (ProtocolFault("nonsense"), 1),
        (GuestDied("killed", status=-9, console=""), 1),
    ],
)
def test_one_kind_of_error_one_exit_status(error: ScanoutError, status: int) -> None:
    assert exit_status(error) == status


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory: in it a file, and a socket that another server listens on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "used"))
        listener.listen()
        yield tmp_path


UNUSABLE = [
    ("none/gpu", "cannot listen on none/gpu: there is no directory none; create it first"),
    ("x" * 108, f"cannot listen on {'x' * 108}: the path has 108 bytes, a socket's has at most 107"),
    ("used", "cannot listen on used: another server listens there; stop it or choose another path"),
    ("file", "cannot listen on file: it exists and is no socket; choose another path"),
    ("file/gpu", "cannot listen on file/gpu: Not a directory; choose another path"),
]


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(("path", "line"), UNUSABLE)
async def test_a_socket_that_cannot_be_opened_is_bad_input(path: str, line: str) -> None:
    async with Machine(clock="real") as machine:
        with pytest.raises(BadInput) as refusal:
            machine.serve(Path(path))
    assert str(refusal.value).startswith(line)
    async with Machine() as machine:
        with pytest.raises(BadInput) as refusal:
            machine.serve(Path("gpu"), time_travel=Path(path))
    assert str(refusal.value).startswith(line)


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(("path", "line"), UNUSABLE)
@pytest.mark.parametrize("arguments", [[], ["gpu", "--time-travel"]])
def test_and_one_line_and_status_2_of_the_command(
    path: str, line: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments, path])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.startswith(f"scanout: {line}")
    assert error.count("\n") == 1


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("path", "why"),
    [("none/f", "No such file or directory"), (".", "Is a directory"), ("file/f", "Not a directory")],
)
async def test_a_recording_that_cannot_be_written_is_bad_input(path: str, why: str) -> None:
    with pytest.raises(BadInput, match=f"^--record {path}: {why}$"):
        async with Machine(record=Path(path)):
            pass


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("path", "why"),
    [("none/f", "there is no directory none"), (".", "is a directory"), ("file/f", "there is no directory")],
)
def test_and_of_the_command_before_the_run(path: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "gears", "--frames", "1", "--record", path])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.startswith(f"scanout: --record {path}: {why}")
    assert error.count("\n") == 1
