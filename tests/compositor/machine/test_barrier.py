"""What goes wrong in a guest's turn ends that guest alone, with one line; the machine goes on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine, Placement
from compositor.errors import GuestFailed
from compositor.machine.attachment import Attachment
from compositor.machine.run import StopReason
from compositor.output.frame import Frame
from guest import SimulatedGuest
from virtio.errors import InternalError
from virtio.gpu.parking import Parked

Repaint = Literal["vblank", "flush"]


def explode(*_: object) -> None:
    raise IndexError("list index\nout of range")


def breaks_its_device(attachment: Attachment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attachment._device is not None
    monkeypatch.setattr(attachment._device, "process", explode)


def breaks_its_display(attachment: Attachment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment.display, "flush", explode)


def breaks_its_handler(attachment: Attachment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment.guest.driver.transport, "on_interrupt", explode)  # type: ignore[attr-defined]


def breaks_its_answers(attachment: Attachment, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the host's turn: the fence of a flush signals when its frame is presented."""
    answer = Parked.answer

    def broken(parked: Parked) -> None:
        if parked.queue is broken_queue:
            raise InternalError("chain 3 is used twice")
        answer(parked)

    driver = attachment.guest.driver  # type: ignore[attr-defined]
    broken_queue = driver.transport._queues[0]
    monkeypatch.setattr(Parked, "answer", broken)


class Bomb:
    """A workload of a user's, with a fault."""

    name, opaque = "bomb", True

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        if frame == 5:
            explode()
        pixels[...] = frame


@pytest.mark.parametrize(
    ("break_it", "repaint"),
    [
        *product((breaks_its_device, breaks_its_display, breaks_its_handler), ("vblank", "flush")),
        (breaks_its_answers, "vblank"),
    ],
)
async def test_what_goes_wrong_in_a_guests_turn_ends_that_guest_alone(
    break_it: Callable[[Attachment, pytest.MonkeyPatch], None],
    repaint: Repaint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    async with Machine(outputs=["320x240@60"], repaint=repaint, report=lines.append) as machine:
        bad = await machine.attach(SimulatedGuest("plasma", name="bad"), [Placement(width=160)])
        good = await machine.attach(SimulatedGuest("gears", name="good"), [Placement(x=160, width=160)])
        await machine.run(seconds=0.1)
        break_it(bad, monkeypatch)
        shown = good.statistics().frames["presented"]
        assert await machine.run(seconds=0.5) is StopReason.SECONDS
        assert good.statistics().frames["presented"] >= shown + 29
        assert len(lines) == 1
        assert lines[0].startswith("bad was ended: ")
        assert isinstance(bad.failure, GuestFailed)
        assert good.failure is None
        assert not machine.screenshot()[:, :160, :3].any()  # its picture is gone


async def test_a_run_ends_with_its_last_guest_and_says_what_that_died_of() -> None:
    lines: list[str] = []
    async with Machine(outputs=["64x48@60"], report=lines.append) as machine:
        await machine.attach(SimulatedGuest(Bomb()))
        with pytest.raises(GuestFailed, match=r"^bomb was ended: IndexError: list index out of range \("):
            await machine.run(seconds=1)
        assert await machine.run(seconds=1) is StopReason.GUESTS
    assert len(lines) == 1


async def test_what_goes_wrong_in_the_host_is_no_guests_fault() -> None:
    """Also where it repaints inside of a guest's turn."""
    async with Machine(outputs=["64x48@60"], repaint="flush") as machine:
        attachment = await machine.attach(SimulatedGuest("plasma"))
        await machine.run(seconds=0.1)

        def listen(_frame: Frame) -> None:
            explode()

        machine.listen(0, listen)
        with pytest.raises(IndexError):
            await machine.run(seconds=1)
        assert attachment.failure is None
