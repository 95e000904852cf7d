"""One boot, many commands: what a session guest does with them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from compositor import Machine, Placement
from compositor.errors import BadInput
from compositor.machine.attachment import Attachment
from guest import SimulatedGuest, UmlGuest
from guest.linux import GuestDied, expected
from guest.linux.errors import CommandFailed

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

SH = ("/bin/sh", "-c")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def booted() -> AsyncIterator[tuple[Machine, Attachment]]:
    """The machine of this module's tests, whose guest can run every program of this host."""
    async with Machine(repaint="flush") as machine:
        yield machine, await machine.attach(UmlGuest(session=True, root=Path("/")))


@pytest_asyncio.fixture(loop_scope="module")
async def machine(booted: tuple[Machine, Attachment]) -> Machine:
    return booted[0]


@pytest_asyncio.fixture(loop_scope="module")
async def guest(booted: tuple[Machine, Attachment]) -> Attachment:
    await booted[1].reset()
    return booted[1]


async def test_a_command_has_a_status_and_two_outputs(guest: Attachment) -> None:
    result = await guest.run([*SH, "echo out; echo complaint >&2; exit 3"])
    assert (result.status, result.stdout, result.stderr) == (3, "out\n", "complaint\n")
    with pytest.raises(CommandFailed, match=r"^/bin/sh -c '.*': exited with status 3: complaint$"):
        result.check()
    assert (await guest.run([*SH, "kill -TERM $$"])).status == -15


async def test_a_string_is_split_into_words_and_no_more(guest: Attachment) -> None:
    assert (await guest.run("echo 'a  b' $HOME *")).stdout == "a  b $HOME *\n"
    with pytest.raises(BadInput, match=r"No closing quotation"):
        await guest.run("echo 'a")


async def test_variables_are_the_commands_own(guest: Attachment) -> None:
    assert (await guest.run([*SH, "echo $A"], environment={"A": "x y"})).stdout == "x y\n"
    assert (await guest.run([*SH, "echo ${A-none}"])).stdout == "none\n"


async def test_the_drivers_mode_is_told_to_the_guest(guest: Attachment) -> None:
    result = await guest.run("modetest -M virtio_gpu -c", check=True)
    assert "1024x768" in result.stdout


async def test_our_programs_are_there_too(machine: Machine, guest: Attachment) -> None:
    assert "pageflip" in guest.programs
    result = await guest.run("pageflip --frames 30", within=None, check=True)
    assert 0.5 < result.seconds < 0.6
    assert np.array_equal(machine.screenshot()[..., :3], expected.pageflip(1024, 768, 30)[..., 2::-1])


async def test_a_file_comes_whole_and_with_its_permissions(guest: Attachment, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho $# arguments\n")
    script.chmod(0o700)
    await guest.put_file(script, "/tmp/deep/er/script")
    assert (await guest.run("/tmp/deep/er/script a b")).stdout == "2 arguments\n"
    data = bytes(range(256)) * 20_000
    await guest.put_file(data, "/tmp/data", mode=0o640)
    assert (await guest.run("stat -c '%a %s' /tmp/data")).stdout == "640 5120000\n"
    names = ("/tmp/one", "/tmp/other")
    await asyncio.gather(*(guest.put_file(name.encode(), name) for name in names))
    assert (await guest.run(["cat", *names])).stdout == "/tmp/one/tmp/other"
    await guest.put_file(b"", "/tmp/data")
    assert (await guest.run("cat /tmp/data")).stdout_bytes == b""


async def test_output_of_bytes_is_kept_and_shown_as_text(guest: Attachment) -> None:
    result = await guest.run([*SH, r"printf '\377\000a'"])
    assert (result.stdout_bytes, result.stdout) == (b"\xff\x00a", "\\xff\x00a")


async def test_much_output_comes_whole(guest: Attachment) -> None:
    result = await guest.run([*SH, "seq 100000; seq 50000 >&2"], check=True)
    assert result.stdout == "".join(f"{number}\n" for number in range(1, 100001))
    assert result.stderr == "".join(f"{number}\n" for number in range(1, 50001))


async def test_output_without_end_is_cut_and_named(guest: Attachment) -> None:
    with pytest.raises(
        CommandFailed, match=r"^uml: yes: printed more than 100000 bytes, and was killed$"
    ) as caught:
        await guest.run("yes", output_limit=100_000)
    assert caught.value.stdout == b"y\n" * 50_000
    assert (await guest.run("echo next")).stdout == "next\n"


async def test_a_command_whose_time_is_up_is_killed_and_the_next_one_works(
    machine: Machine, guest: Attachment
) -> None:
    before = machine.clock.now_ns()
    complaint = r"^uml: .*: was not done within 2 s, and was killed; it said last: waiting$"
    with pytest.raises(CommandFailed, match=complaint) as caught:
        await guest.run([*SH, "echo waiting; sleep 1000; echo done"], within=2)
    assert caught.value.stdout == b"waiting\n"
    assert 2.0 <= (machine.clock.now_ns() - before) / 1e9 < 2.1
    assert (await guest.run("echo next")).stdout == "next\n"


@pytest.mark.parametrize("command", ["nosuch", "/usr/bin/nosuch -x"])
async def test_a_program_that_is_not_there_is_named(guest: Attachment, command: str) -> None:
    with pytest.raises(
        CommandFailed, match=rf"^uml: {command}: there is no such program in the guest; .*pageflip"
    ):
        await guest.run(command)


async def test_a_file_that_is_no_program_says_so(guest: Attachment) -> None:
    with pytest.raises(CommandFailed, match=r"^uml: /etc/passwd: cannot be run: Permission denied$"):
        await guest.run("/etc/passwd")


async def test_what_cannot_be_carried_or_written_is_one_line(guest: Attachment, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^uml: nothing to run"):
        await guest.run("")
    with pytest.raises(BadInput, match=r"^uml: the command is too long for a guest by"):
        await guest.run(["echo", "x" * 5000])
    with pytest.raises(BadInput, match=r"^uml: there: a path in a guest is absolute$"):
        await guest.put_file(b"", "there")
    with pytest.raises(BadInput, match=r"/nosuch: No such file"):
        await guest.put_file(tmp_path / "nosuch", "/tmp/x")
    with pytest.raises(CommandFailed, match=r"^uml: writing /usr/x: Read-only file system$"):
        await guest.put_file(b"", "/usr/x")


async def test_a_command_runs_on_beside_others_until_it_is_killed(
    machine: Machine, guest: Attachment
) -> None:
    flips = await guest.start("pageflip")
    await machine.run(frames=10)
    assert (await guest.run("echo beside")).stdout == "beside\n"
    assert not flips.ended
    flips.kill()
    assert (await flips.wait()).status == -9
    assert flips.ended


async def test_a_reset_ends_what_was_left_and_frees_the_display(machine: Machine, guest: Attachment) -> None:
    await guest.start("pageflip")
    await guest.run([*SH, "sleep 1000 > /dev/null 2>&1 & setsid sleep 2000 > /dev/null 2>&1 &"])
    await machine.run(frames=10)
    await guest.reset()
    assert "/dev/ttyS0" in (left := (await guest.run("ps ax")).stdout)
    assert "pageflip" not in left
    assert "sleep" not in left
    blank = machine.presented
    await machine.run(seconds=1)
    assert machine.presented == blank, "nothing is shown any more"
    assert (await guest.run("pageflip --frames 3")).status == 0


async def test_a_simulated_guest_takes_no_commands() -> None:
    async with Machine() as machine:
        gears = await machine.attach(SimulatedGuest("gears"))
        with pytest.raises(BadInput, match=r"^gears: takes no commands; attach UmlGuest\(session=True\)"):
            await gears.run("echo")


async def test_a_guest_with_a_program_of_its_own_takes_no_commands() -> None:
    async with Machine(repaint="flush") as machine:
        uml = await machine.attach(UmlGuest("pattern"))
        for use in (uml.run("echo"), uml.put_file(b"", "/x"), uml.reset(), uml.start("echo")):
            with pytest.raises(BadInput, match=r"^uml: takes no commands; attach UmlGuest\(session=True\)"):
                await use


async def test_a_guest_that_dies_during_a_command_says_of_what() -> None:
    async with Machine(repaint="flush") as machine:
        guest = await machine.attach(UmlGuest(session=True, root=Path("/")))
        with pytest.raises(GuestDied, match=r"Kernel panic - not syncing: sysrq triggered crash"):
            await guest.run([*SH, "echo 7 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger"])
    async with Machine(repaint="flush") as machine:
        guest = await machine.attach(UmlGuest(session=True, root=Path("/")))
        with pytest.raises(GuestDied, match=r"^uml: its program was killed by signal 9"):
            await guest.run([*SH, "kill -9 $PPID; sleep 1"])
        with pytest.raises(CommandFailed, match=r"^uml: echo: the guest has ended$"):
            await guest.run("echo")


async def test_a_session_is_the_same_in_every_run() -> None:
    def told(stats: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in stats.items() if name != "wall_s"}

    runs = []
    for _ in range(3):
        async with Machine(repaint="flush") as machine:
            guest = await machine.attach(UmlGuest(session=True))
            await machine.run(seconds=0.1)
            one = await guest.run("pageflip --frames 20")
            await guest.put_file(bytes(100_000), "/tmp/x")
            with pytest.raises(CommandFailed):
                await guest.run("pageflip", within=0.3)
            other = await guest.run("pattern --frames 1")
            runs.append((one, other.ended_ns, told(machine.stats())))
    assert runs[0] == runs[1] == runs[2]


async def test_two_sessions_and_a_simulated_guest_share_a_calendar() -> None:
    runs = []
    for _ in range(3):
        async with Machine(outputs=["640x480@60", "640x480@75"], repaint="flush") as machine:
            one, other = [await machine.attach(UmlGuest(session=True)) for _ in range(2)]
            await machine.attach(SimulatedGuest("gears"), [Placement(output=1)])
            flips = await asyncio.gather(
                one.run("pageflip --frames 20"), other.run("pageflip --frames 30"), machine.run(seconds=0.5)
            )
            assert [result.status for result in flips[:2]] == [0, 0]
            stats = machine.stats()
            del stats["wall_s"]
            runs.append((flips, stats))
    assert runs[0] == runs[1] == runs[2]


async def test_a_guest_that_is_killed_ends_its_command_and_runs_others_when_it_is_restarted() -> None:
    async with Machine(repaint="flush") as machine:
        guest = await machine.attach(UmlGuest(session=True, root=Path("/")))
        sleeping = await guest.start("sleep 1000")
        await machine.run(seconds=0.1)
        guest.kill()
        with pytest.raises(CommandFailed, match=r"^uml: sleep 1000: the guest has ended$"):
            await sleeping.wait()
        await guest.restart()
        assert (await guest.run("echo again")).stdout == "again\n"


async def test_on_the_real_clock_too() -> None:
    async with Machine(repaint="flush", clock="real") as machine:
        guest = await machine.attach(UmlGuest(session=True, root=Path("/")))
        assert (await guest.run("echo real", check=True)).stdout == "real\n"
        with pytest.raises(CommandFailed, match=r"was not done within 0.2 s"):
            await guest.run("sleep 1000", within=0.2)
        await guest.put_file(bytes(100_000), "/tmp/x")
        assert (await guest.run("stat -c %s /tmp/x")).stdout == "100000\n"


async def test_commands_of_two_tasks_run_at_once(machine: Machine, guest: Attachment) -> None:
    one, other = await asyncio.gather(guest.run("echo one"), guest.run("echo other"))
    assert (one.stdout, other.stdout) == ("one\n", "other\n")


async def test_the_input_of_a_command_is_empty_and_of_one_that_runs_on_open(
    machine: Machine, guest: Attachment
) -> None:
    assert (await guest.run("cat", within=1)).stdout == ""
    connectors = (await guest.run("modetest -M virtio_gpu -c", check=True)).stdout
    (connector,) = [line.split()[0] for line in connectors.splitlines() if "\tconnected\t" in line]
    # It holds its picture until its input ends.
    shown = await guest.start(f"modetest -M virtio_gpu -s {connector}:1024x768")
    await machine.run(seconds=1)
    assert not shown.ended
    assert np.array_equal(machine.screenshot()[..., :3], expected.pattern(1024, 768)[..., 2::-1])
    shown.kill()
    assert (await shown.wait()).status == -9
