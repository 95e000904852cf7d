import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

import pytest

from guest.linux import process as process_module
from guest.linux.errors import GuestDied, ToolFailed, ToolMissing
from guest.linux.process import GuestProcess


class Launch(Protocol):
    def __call__(self, script: str, until: str = "") -> Awaitable[GuestProcess]: ...


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Starts a shell script in place of a virtual machine, and waits until it has printed something."""

    async def start(script: str, until: str = "") -> GuestProcess:
        text, heard = "", asyncio.Event()

        def echo(piece: str) -> None:
            nonlocal text
            text += piece
            if until in text:
                heard.set()

        guest = await GuestProcess.launch(
            ["sh", "-c", script], name="the guest", directory=tmp_path, echo=echo
        )
        if until:
            await heard.wait()
        return guest

    return start


def gone(pid: int) -> bool:
    """Whether no process of this number runs; one that is dead but not collected does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def wait_until_gone(pid: int) -> None:
    try:
        with os.fdopen(os.pidfd_open(pid)) as pidfd:
            assert select.select([pidfd], [], [], 30)[0]
    except ProcessLookupError:
        pass


async def test_a_guest_that_switches_itself_off(launch: Launch) -> None:
    guest = await launch("echo booting; echo 'scanout: program exited 3'")
    assert await guest.wait() == 3
    assert guest.console.text == "booting\nscanout: program exited 3\n"
    await guest.stop()


async def test_a_guest_without_a_command_of_ours(launch: Launch) -> None:
    async with await launch("exit 0") as guest:
        assert await guest.wait() is None


async def test_a_guest_that_dies_says_how_and_its_last_words(launch: Launch) -> None:
    async with await launch("echo one; echo two >&2; exit 9") as guest:
        with pytest.raises(GuestDied) as caught:
            await guest.wait()
    assert str(caught.value) == "the guest ended with status 9: two"
    assert (caught.value.status, caught.value.console) == (9, "one\ntwo")


async def test_a_guest_that_is_killed(launch: Launch) -> None:
    async with await launch("kill -SEGV $$") as guest:
        with pytest.raises(GuestDied, match=r"^the guest was killed by SIGSEGV$"):
            await guest.wait()


async def test_a_guest_whose_kernel_gives_up(launch: Launch) -> None:
    # QEMU ends with status 0 when the guest's kernel panics and resets the machine.
    script = "echo '[ 4.1] Kernel panic - not syncing: no root'; echo trace; exit 0"
    async with await launch(script) as guest:
        with pytest.raises(
            GuestDied, match=r"^the guest panicked: \[ 4.1\] Kernel panic - not syncing: no root$"
        ):
            await guest.wait()


async def test_the_console_is_heard_while_the_guest_runs(launch: Launch) -> None:
    async with await launch("echo up; exec sleep 1000", until="up\n") as guest:
        assert guest.console.text == "up\n"


async def test_the_input_of_a_guest_never_ends(launch: Launch) -> None:
    # Programs like modetest end when it does.
    async with await launch("echo up; read line || echo ended", until="up\n") as guest:
        pass
    assert "ended" not in guest.console.text


async def test_stopping_ends_a_guest_politely(launch: Launch) -> None:
    guest = await launch("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done", until="up\n")
    await guest.stop()
    assert "bye" in guest.console.text
    assert gone(guest.pid)


async def test_stopping_leaves_it_to_asyncio_to_learn_how_a_guest_ended(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await launch("echo up; while :; do sleep 0.01; done", until="up\n")
    polled = 0

    def poll(_process: object) -> None:
        nonlocal polled
        polled += 1

    monkeypatch.setattr(subprocess.Popen, "poll", poll)
    await guest.stop()
    assert polled == 0, "it takes the status of one that ends just now"


async def test_stopping_ends_a_guest_that_does_not_listen(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "GRACE_SECONDS", 0.05)
    guest = await launch("trap '' TERM; echo up; while :; do sleep 0.01; done", until="up\n")
    await guest.stop()
    assert gone(guest.pid)


async def test_stopping_twice_or_after_the_end_is_fine(launch: Launch) -> None:
    guest = await launch("exit 0")
    await guest.wait()
    await guest.stop()
    await guest.stop()


async def test_a_cancelled_stop_still_ends_the_guest(launch: Launch) -> None:
    guest = await launch("trap '' TERM; echo up; while :; do sleep 0.01; done", until="up\n")
    stopping = asyncio.create_task(guest.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    with pytest.raises(GuestDied, match="SIGKILL"):
        await guest.wait()
    await guest.stop()


async def test_what_the_machine_started_ends_with_it(launch: Launch) -> None:
    async with await launch("sleep 1000 & echo child $!; exit 1") as guest:
        with pytest.raises(GuestDied):
            await guest.wait()  # would wait for ever if the child kept the console
    child = int(guest.console.text.split()[1])
    wait_until_gone(child)
    assert gone(child)


async def test_a_panicking_uml_kernel_signals_itself_only(launch: Launch) -> None:
    # It sends SIGTERM to its process group, which must not be ours.
    async with await launch("kill -TERM 0") as guest:
        with pytest.raises(GuestDied, match="SIGTERM"):
            await guest.wait()


async def test_many_guests_at_once(launch: Launch) -> None:
    guests = [await launch(f"echo 'scanout: program exited {i}'") for i in range(5)]
    assert await asyncio.gather(*(guest.wait() for guest in guests)) == [0, 1, 2, 3, 4]
    for guest in guests:
        await guest.stop()


def test_a_guest_dies_with_us(tmp_path: Path) -> None:
    # Killed without a chance to clean up, as by the out-of-memory killer.
    program = (
        "import asyncio, pathlib, signal, os\n"
        "from guest.linux.process import GuestProcess\n"
        "async def main():\n"
        "    up = asyncio.Event()\n"
        "    guest = await GuestProcess.launch(['sh', '-c', 'echo $$; exec sleep 1000'], name='x',\n"
        "                                      directory=pathlib.Path('.'), echo=lambda _: up.set())\n"
        "    await up.wait()\n"
        "    print(guest.console.text, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    guest = int(done.stdout)
    wait_until_gone(guest)
    assert gone(guest)


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="the guest: cannot start true: No such file"):
        await GuestProcess.launch(["true"], name="the guest", directory=tmp_path / "no")


async def test_without_setpriv_nothing_is_started(no_programs: None, tmp_path: Path) -> None:
    with pytest.raises(
        ToolMissing, match="setpriv: not installed; on Debian: sudo apt-get install util-linux"
    ):
        await GuestProcess.launch(["true"], name="the guest", directory=tmp_path)


async def test_what_the_guest_has_printed_can_be_read_without_a_turn_of_the_loop(
    launch: Launch, tmp_path: Path
) -> None:
    for name in ("go", "done"):
        os.mkfifo(tmp_path / name)
    guest = await launch("echo first; cat go; echo second; echo yes > done; cat", until="first")
    (tmp_path / "go").write_text("on ")
    assert (tmp_path / "done").read_text() == "yes\n"
    assert guest.console.text == "first\n"
    guest.read_console()
    assert guest.console.text == "first\non second\n"
    await guest.stop()
    guest.read_console()
