"""The pump on a pipe instead of an X connection."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from compositor.errors import BadInput, ScanoutError, ScreenError
from compositor.screen.window.events import EventPump


class FakeDisplay:
    """A connection that is readable when something was written to it."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.selected = 0
        self.dies: EventPump | None = None

    def fileno(self) -> int:
        return self.read_end

    def select(self) -> None:
        self.selected += 1
        if self.dies is not None:
            self.dies.lost = True

    def event(self) -> None:
        os.write(self.write_end, b"!")


class FakeWindow:
    def __init__(self, display: FakeDisplay | None = None, error: Exception | None = None) -> None:
        self.dispatched: asyncio.Future[None] | None = None
        self.count = 0
        self.error = error
        self.display = display

    def dispatch_pending_events(self) -> None:
        self.count += 1
        if self.display is not None:
            os.read(self.display.read_end, 1)
        if self.dispatched is not None:
            self.dispatched.set_result(None)
        if self.error is not None:
            raise self.error


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDisplay]:
    monkeypatch.setattr(EventPump, "_survive", lambda self: ())
    display = FakeDisplay()
    yield display
    os.close(display.read_end)
    os.close(display.write_end)


def unexpected(error: ScanoutError) -> None:
    pytest.fail(str(error))


async def test_the_loop_dispatches_events_when_they_arrive(display: FakeDisplay) -> None:
    pump, window = EventPump(display), FakeWindow(display)
    pump.add(window, unexpected)
    for _ in range(2):
        window.dispatched = asyncio.get_running_loop().create_future()
        display.event()
        await window.dispatched
    pump.remove(window)
    assert window.count == 2


async def test_with_its_last_window_the_pump_leaves_the_loop(display: FakeDisplay) -> None:
    pump, windows = EventPump(display), [FakeWindow(), FakeWindow()]
    for window in windows:
        pump.add(window, unexpected)
    loop = asyncio.get_running_loop()
    pump.remove(windows[0])
    pump.remove(windows[0])
    assert pump._loop is loop
    pump.remove(windows[1])
    assert pump._loop is None
    assert not loop.remove_reader(display.fileno())


def test_without_a_loop_events_are_dispatched_on_demand(display: FakeDisplay) -> None:
    pump, window = EventPump(display), FakeWindow()
    pump.add(window, unexpected)
    pump.dispatch()
    pump.remove(window)
    assert (display.selected, window.count) == (1, 1)


def test_a_loop_that_was_closed_first_is_no_trouble(display: FakeDisplay) -> None:
    pump, window = EventPump(display), FakeWindow()

    async def open_window() -> None:
        pump.add(window, unexpected)

    asyncio.run(open_window())
    pump.remove(window)


@pytest.mark.parametrize(
    ("error", "message"),
    [(BadInput("no room on the disk"), "no room on the disk"), (KeyError("x"), "the window: KeyError: 'x'")],
)
def test_what_a_handler_raises_reaches_its_window_alone(
    display: FakeDisplay, error: Exception, message: str
) -> None:
    pump, failed, fine = EventPump(display), FakeWindow(error=error), FakeWindow()
    errors: list[ScanoutError] = []
    pump.add(failed, errors.append)
    pump.add(fine, unexpected)
    pump.dispatch()
    assert [str(error) for error in errors] == [message]
    assert fine.count == 1


def test_a_window_that_another_ones_event_closed_is_left_alone(display: FakeDisplay) -> None:
    pump, second = EventPump(display), FakeWindow()

    class Closing(FakeWindow):
        def dispatch_pending_events(self) -> None:
            pump.remove(second)

    pump.add(Closing(), unexpected)
    pump.add(second, unexpected)
    pump.dispatch()
    assert second.count == 0


async def test_a_server_that_goes_away_is_reported_and_not_listened_to_any_more(display: FakeDisplay) -> None:
    pump, window = EventPump(display), FakeWindow()
    errors: list[ScanoutError] = []
    pump.add(window, errors.append)
    display.dies = pump
    pump.dispatch()
    pump.dispatch()
    assert display.selected == 1
    assert window.count == 0
    assert [str(error) for error in errors] == ["the window's X server went away"] * 2
    assert isinstance(errors[0], ScreenError)
    assert not asyncio.get_running_loop().remove_reader(display.fileno())
