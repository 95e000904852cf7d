"""Guests end, are killed, come back and leave; the machine goes on."""

from __future__ import annotations

import os
import re
import signal
from typing import Literal

import pytest

from compositor import Machine, Placement
from compositor.errors import BadInput, GuestFailed, Misuse, WaitFailed
from compositor.machine.run import StopReason
from guest import ProcessGuest, SimulatedGuest
from guest.linux.errors import GuestDied

OUTPUTS = ["160x96@60"]


async def test_a_process_that_dies_ends_one_run_and_poisons_none() -> None:
    async with Machine(outputs=OUTPUTS) as machine:
        guest = await machine.attach(ProcessGuest("plasma"))
        await machine.frames(2)
        assert guest.pid is not None
        os.kill(guest.pid, signal.SIGKILL)
        with pytest.raises(GuestDied, match="plasma was killed by SIGKILL"):
            await machine.run(seconds=60)
        assert guest.has_ended
        assert guest.pid is None
        assert "it died: plasma was killed by SIGKILL" in repr(guest)
        assert await machine.run(seconds=1) is StopReason.GUESTS
        other = await machine.attach(SimulatedGuest("gears"))
        assert await machine.run(seconds=1) is StopReason.SECONDS
        assert other.frames["presented"] > 50
        await guest.close()
        assert await machine.run(seconds=1) is StopReason.SECONDS


async def test_a_process_that_dies_between_runs_is_told_of_in_the_next() -> None:
    async with Machine(outputs=OUTPUTS, clock="real") as machine:
        guest = await machine.attach(ProcessGuest("plasma"))
        await machine.attach(SimulatedGuest("gears"), [Placement(x=80, width=80)])
        await machine.next_presented(guest)
        assert guest.pid is not None
        os.kill(guest.pid, signal.SIGKILL)
        with pytest.raises(GuestDied):
            await machine.until(lambda: False)
        assert await machine.run(frames=5) is StopReason.FRAMES


@pytest.mark.parametrize("kind", [SimulatedGuest, ProcessGuest])
async def test_a_killed_guest_is_gone_and_no_run_fails_of_it(
    kind: type[SimulatedGuest] | type[ProcessGuest],
) -> None:
    async with Machine(outputs=OUTPUTS) as machine:
        guest = await machine.attach(kind("plasma"))
        await machine.frames(3)
        guest.kill()
        guest.kill()
        await machine.until(lambda: guest.has_ended)
        assert machine.clock.now_ns() == pytest.approx(50_000_000, abs=17_000_000)
        assert await machine.run(seconds=1) is StopReason.GUESTS
        assert (
            repr(guest)
            == f"<guest plasma (simulated): {guest.frames['presented']} frames presented, it was killed>"
        )
        blank = await machine.next_frame()
        assert not blank.snapshot()[..., :3].any()


@pytest.mark.parametrize(
    ("kind", "clock", "killed"),
    [
        (SimulatedGuest, "virtual", False),
        (SimulatedGuest, "virtual", True),
        (SimulatedGuest, "real", True),
        (ProcessGuest, "virtual", False),
        (ProcessGuest, "virtual", True),
        (ProcessGuest, "real", True),
    ],
)
async def test_a_guest_boots_again_in_its_place(
    kind: type[SimulatedGuest] | type[ProcessGuest], clock: Literal["virtual", "real"], *, killed: bool
) -> None:
    async with Machine(outputs=OUTPUTS, clock=clock) as machine:
        guest = await machine.attach(kind("plasma", seed=3), [Placement(x=40, width=80)])
        await machine.frames(5)
        before = guest.frames["presented"]
        if killed:
            guest.kill()
            await machine.until(lambda: guest.has_ended)
        pid = guest.pid
        await guest.restart()
        assert not guest.has_ended
        assert kind is SimulatedGuest or guest.pid != pid
        ids: list[int | None] = []
        machine.listen(0, lambda frame: ids.append(frame.frame_ids.get("plasma")))
        await machine.until(lambda: guest.frames["presented"] >= before + 3)
        assert (0 in ids) is (kind is ProcessGuest)  # a process begins anew
        assert machine.guests == [guest]
        assert guest.frames["presented"] >= before + 3


async def test_a_guest_that_failed_can_be_booted_again() -> None:
    async with Machine(outputs=OUTPUTS, report=lambda _line: None) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"))
        machine.clock.call_at(10**8, lambda: guest.fail(IndexError("oh")))
        with pytest.raises(GuestFailed):
            await machine.run(seconds=1)
        await guest.restart()
        assert guest.failure is None
        assert await machine.run(seconds=1) is StopReason.SECONDS


async def test_a_guest_that_is_detached_is_gone_from_the_machine() -> None:
    async with Machine(outputs=OUTPUTS) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"))
        other = await machine.attach(ProcessGuest("plasma"), [Placement(x=80, width=80)])
        await machine.frames(2)
        await guest.detach()
        await guest.detach()
        await other.detach()
        assert machine.guests == []
        assert machine.stats()["guests"] == []
        assert not (await machine.next_frame()).snapshot()[..., :3].any()
        with pytest.raises(Misuse, match="plasma was detached; attach it again"):
            await guest.restart()
        guest.kill()
        assert (await machine.attach(SimulatedGuest("plasma"))).name == "plasma"


async def test_a_vmm_of_its_own_is_not_restarted(tmp_path: object) -> None:
    async with Machine(outputs=OUTPUTS, clock="real") as machine:
        guest = machine.serve(f"{tmp_path}/gpu")
        with pytest.raises(BadInput, match="guest is a VMM that this machine did not start"):
            await guest.restart()


TALKER = """
import sys
print("\\x1b[1mWelcome\\x1b[0m to it", flush=True)
print("login: ", end="", flush=True)
sys.stdin.read()
"""


class Talker(ProcessGuest):
    """A guest that only prints."""

    async def launch(self, socket, workdir, echo, time=None):  # type: ignore[no-untyped-def]
        import sys  # noqa: PLC0415

        from guest.linux.process import GuestProcess  # noqa: PLC0415

        return await GuestProcess.launch(
            [sys.executable, "-c", self.script], name=self.name, directory=workdir, echo=echo
        )

    script = TALKER


async def test_a_console_is_expected_to_say_something() -> None:
    mixed: list[str] = []
    async with Machine(outputs=OUTPUTS, clock="real", echo=mixed.append) as machine:
        one = await machine.attach(Talker("plasma", name="one"))
        two = await machine.attach(Talker("plasma", name="two"), [Placement(x=80, width=80)])
        assert (await one.console.expect("Welcome to")).group() == "Welcome to"
        found = await one.console.expect(re.compile(r"log(in|out): "))
        assert found.group(1) == "in"
        assert one.console.text == "Welcome to it\nlogin: "
        assert repr(one.console) == "<console of one, last line 'login:'>"
        with pytest.raises(
            WaitFailed, match=r"waited for one to print 'login: ': not within 0\.02 s"
        ) as failure:
            await one.console.expect("login: ", within=0.02)
        assert failure.value.__notes__[-2:] == ["one printed: Welcome to it", "one printed: login:"]
        await two.console.expect("login: ")
        assert "".join(mixed).count("login: ") == 2
        two.kill()
        with pytest.raises(WaitFailed, match="two ended before it printed 'more'"):
            await two.console.expect("more")
        with pytest.raises(Misuse, match="expect: '' is neither a text nor a pattern"):
            await one.console.expect("")
        with pytest.raises(Misuse, match="expect: 3 is neither"):
            await one.console.expect(3)  # type: ignore[arg-type]
        three = await machine.attach(SimulatedGuest("gears"), [Placement(x=80, width=80)])
        with pytest.raises(BadInput, match="gears has no console; a ProcessGuest"):
            _ = three.console
