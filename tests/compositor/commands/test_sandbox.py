"""The sandbox of `scanout serve`, in the real process: what an intruder there could still do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compositor.commands.sandbox import landlock, seccomp
from compositor.commands.sandbox.policy import Sandbox, what_the_kernel_gives
from compositor.errors import BadInput

needs_files = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
needs_calls = pytest.mark.skipif(not seccomp.is_there(), reason="this kernel has no seccomp filters")

# The console script, and an intruder's code in it, which runs as soon as it serves.
INTRUDED = """
import asyncio, json, os, socket, subprocess, sys, tempfile, threading
from compositor import cli
from compositor.machine import Machine

def tried(what):
    try:
        what()
    except OSError as error:
        return error.strerror
    return "done"

def probe():
    here = os.getcwd()
    tries = {
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "become a program": lambda: os.execv("/nowhere", ["nowhere"]),
        "read a file": lambda: open(f"{here}/secret").read(),
        "write a file": lambda: open(f"{here}/secret", "w"),
        "append to a file": lambda: open(f"{here}/secret", "a"),
        "list a directory": lambda: os.listdir(here),
        "make a file": lambda: open(f"{here}/new", "x"),
        "make a file elsewhere": lambda: tempfile.mkstemp(),
        "make a file without a name": lambda: os.open(here, os.O_TMPFILE | os.O_WRONLY),
        "make a pipe": lambda: os.mkfifo(f"{here}/fifo"),
        "make a directory": lambda: os.mkdir(f"{here}/folder"),
        "link a file": lambda: os.symlink("/etc/passwd", f"{here}/link"),
        "read passwords": lambda: open("/etc/passwd").read(),
        "write its own code": lambda: open(cli.__file__, "a"),
        "connect by TCP": lambda: socket.create_connection(("127.0.0.1", 9), 1),
        "connect to a socket": lambda: socket.socket(socket.AF_UNIX).connect(f"{here}/other"),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "import a module": lambda: __import__("wave"),
        "make memory": lambda: os.close(os.memfd_create("a")),
    }
    return {name: tried(what) for name, what in tries.items()}

serve = Machine.serve

def intruded(machine, *args, **options):
    def strike():
        found = probe()
        late = lambda: found.update({f"thread: {name}": said for name, said in probe().items()})
        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
        print(json.dumps(found), flush=True)
    asyncio.get_running_loop().call_soon(strike)
    return serve(machine, *args, **options)

Machine.serve = intruded
cli.main()
"""
FILES = {
    "become a program",
    "read a file",
    "write a file",
    "append to a file",
    "list a directory",
    "make a file",
    "make a file elsewhere",
    "make a file without a name",
    "make a pipe",
    "make a directory",
    "link a file",
    "read passwords",
    "write its own code",
}
CALLS = {"run a program", "connect by TCP", "connect to a socket"}
HARMLESS = {"import a module", "make memory"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("mine")
    return tmp_path


@pytest.fixture
def serving(folder: Path) -> Iterator[Any]:
    """A factory of `scanout serve` with an intruder in it: what it could do, and the process."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> tuple[dict[str, str], subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", INTRUDED, "serve", "gpu", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        running.append(process)
        assert process.stdout is not None
        assert "serving virtio-gpu" in process.stdout.readline()
        found = next(line for line in process.stdout if line.startswith("{"))
        return json.loads(found), process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)
    assert process.returncode == 130
    return said


@needs_files
@needs_calls
def test_an_intruder_can_start_nothing_open_nothing_and_connect_nowhere(serving: Any, folder: Path) -> None:
    found, process = serving("--stats", "s.json", "--screenshot", "s.png", "--record", "r.rec")
    refused = FILES | CALLS | ({"signal its parent"} if landlock.version() >= 6 else set())
    for prefix in ("", "thread: "):
        assert {name for name in refused if found[prefix + name] == "done"} == set()
        assert {name for name in HARMLESS if found[prefix + name] != "done"} == set()
    assert (folder / "secret").read_text() == "mine"
    out, err = ended(process)
    assert "wrote s.json" in out
    assert "sandbox" not in err
    names = {path.name for path in folder.iterdir()}
    assert names == {"secret", "s.json", "r.rec"}, "no picture, and nothing is left behind"


def test_without_the_sandbox_it_could(serving: Any, folder: Path) -> None:
    """The opposite: the probes themselves work."""
    found, process = serving("--no-sandbox")
    ended(process)
    assert {name for name, said in found.items() if said == "done"} >= {
        "run a program",
        "read a file",
        "write a file",
        "make a file",
        "list a directory",
        "signal its parent",
    }
    assert (folder / "new").exists()


@needs_files
@needs_calls
def test_a_guest_is_served_in_the_sandbox_and_the_named_files_are_written(folder: Path, serving: Any) -> None:
    (folder / "s.json").write_text("of yesterday")
    _, process = serving("--once", "--stats", "s.json", "--screenshot", "s.png", "--record", "r.rec")
    done = subprocess.run(
        [sys.executable, "-c", "from compositor.cli import main; main()", "guest", "plasma",
         "--connect", "gpu", "--frames", "5", "--size", "64x48"],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert (done.returncode, process.returncode, err) == (0, 0, "")
    frames = json.loads((folder / "s.json").read_text())["guests"][0]["frames"]
    assert frames["presented"] == frames["submitted"] >= 5
    assert "wrote s.png\nwrote s.json\nwrote r.rec\n" in out
    assert {path.name for path in folder.iterdir()} == {"secret", "s.json", "s.png", "r.rec"}


@needs_files
@needs_calls
def test_a_kernels_time_is_kept_in_the_sandbox(serving: Any, folder: Path) -> None:
    found, process = serving("--time-travel", "time")
    assert found["read a file"] != "done"
    assert (folder / "time").is_socket()
    ended(process)
    assert {path.name for path in folder.iterdir()} == {"secret"}


def sandbox(folder: Path, lines: list[str], *, window: bool = False) -> Sandbox:
    return Sandbox(sockets=[folder / "gpu"], results=[], streams=[], window=window, report=lines.append)


@pytest.mark.parametrize("window", [False, True])
def test_a_kernel_that_gives_nothing_is_told_of_in_a_line_each(
    monkeypatch: pytest.MonkeyPatch, folder: Path, window: bool
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "is_there", lambda: False)
    lines: list[str] = []
    made = sandbox(folder, lines, window=window)
    made.before()
    made.after()
    assert lines == [
        "sandbox: no Landlock here (Linux 5.13, lsm=landlock): files stay allowed",
        "sandbox: no filters of system calls here: programs and connections stay allowed",
    ]
    assert what_the_kernel_gives() is None


def test_a_kernel_that_refuses_is_told_of_in_a_line_each(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(landlock, "version", lambda: 1)
    monkeypatch.setattr(landlock, "restrict", refuse)
    monkeypatch.setattr(seccomp, "is_there", lambda: True)
    monkeypatch.setattr(seccomp, "forbid", refuse)
    lines: list[str] = []
    made = sandbox(folder, lines)
    made.before()
    made.after()
    assert lines == [
        "sandbox: the kernel does not restrict files (Operation not permitted): they stay allowed",
        "sandbox: the kernel filters no system calls (Operation not permitted)",
    ]


def test_doctor_says_what_the_kernel_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 7)
    monkeypatch.setattr(seccomp, "is_there", lambda: True)
    assert what_the_kernel_gives() == "files (Landlock, version 7), system calls (seccomp)"


@pytest.mark.parametrize("machine", ["riscv64", "x86_64", "aarch64"])
def test_system_calls_are_filtered_only_where_their_numbers_are_known(
    monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    if machine == "riscv64":
        assert not seccomp.is_there()
    else:
        table = seccomp._MACHINES[machine].refused
        assert {"execve", "execveat", "socket", "connect", "io_uring_setup"} <= set(table)
        assert len(set(table.values())) == len(table)


def test_a_recording_that_cannot_be_made_is_one_line(folder: Path) -> None:
    made = Sandbox(
        sockets=[], results=[], streams=[folder / "none" / "r.rec"], window=False, report=pytest.fail
    )
    with pytest.raises(BadInput, match=r"cannot write .*r\.rec: No such file or directory"):
        made.before()


def test_a_program_that_calls_the_command_keeps_its_rights(folder: Path) -> None:
    """What is given away is the process's: one that only calls `main` has other plans for it."""
    code = (
        "import subprocess; from compositor.cli import main\n"
        "try: main(['serve', 'gpu', '--seconds', '0.01'])\n"
        "except SystemExit: pass\n"
        "subprocess.run(['/bin/true'], check=True)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, capture_output=True)
