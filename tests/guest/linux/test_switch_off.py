"""A machine that has said that it is off is ended, if it does not end."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from guest.linux.errors import GuestDied
from guest.linux.process import GuestProcess
from guest.linux.switch_off import GRACE_NS, SwitchOff
from virtio.clock import Calendar

_OFF = "echo 'scanout: program exited 0'; echo 'reboot: Power down'; "


async def launch(script: str, directory: Path, echo: Callable[[str], None] | None = None) -> GuestProcess:
    return await GuestProcess.launch(["sh", "-c", script], name="the guest", directory=directory, echo=echo)


@pytest.fixture
def calendar() -> Calendar:
    made = Calendar()
    made.call_at(7, lambda: None)
    made.run_next()
    return made


async def test_a_machine_that_is_off_and_stays_is_ended_as_if_it_had_ended_by_itself(
    tmp_path: Path, calendar: Calendar
) -> None:
    lines = list[str]()
    said = asyncio.Event()

    def listen(text: str) -> None:
        if text.endswith("down\n"):
            said.set()

    async with await launch(_OFF + "exec sleep 1000", tmp_path, listen) as process:
        with closing(SwitchOff(process, calendar, lines.append)):
            await said.wait()
            assert calendar.next_ns() == 7 + GRACE_NS
            calendar.run_next()
            assert calendar.held_by == ["the guest is ended"]
            assert await process.wait() == 0
    assert not calendar.held
    (line,) = lines
    assert line.startswith("the guest: switched itself off, and 10 s later its kernel still waited")


async def test_a_machine_that_ends_is_not_spoken_of(tmp_path: Path, calendar: Calendar) -> None:
    async with await launch(_OFF, tmp_path) as process:
        with closing(SwitchOff(process, calendar, pytest.fail)):
            assert await process.wait() == 0
    assert calendar.next_ns() is None


async def test_a_machine_that_was_off_before_the_first_look(tmp_path: Path, calendar: Calendar) -> None:
    async with await launch(_OFF, tmp_path) as process:
        await process.wait()
        with closing(SwitchOff(process, calendar, pytest.fail)):
            assert calendar.next_ns() == 7 + GRACE_NS


async def test_a_machine_that_is_killed_before_that_has_died(tmp_path: Path, calendar: Calendar) -> None:
    async with await launch(_OFF + "kill -KILL $$", tmp_path) as process:
        with closing(SwitchOff(process, calendar, pytest.fail)), pytest.raises(GuestDied, match="SIGKILL"):
            await process.wait()
