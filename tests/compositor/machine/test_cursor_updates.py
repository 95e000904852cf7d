"""A guest that moves its cursor without end makes no more frames than its monitor shows."""

from __future__ import annotations

from compositor import Machine
from compositor.output.frame import Frame
from guest.commanded import CommandedGuest
from tests.compositor.machine.commanded import CURSOR_SIDE
from virtio.gpu.wire import Rect


async def test_cursor_updates_alone_are_presented_once_in_a_refresh() -> None:
    async with Machine(outputs=["200x100@60"], repaint="flush") as machine:
        guest, frames = CommandedGuest(), list[Frame]()
        await machine.attach(guest)
        await machine.run(seconds=0)
        guest.picture(9, CURSOR_SIDE, CURSOR_SIDE)[...] = 255
        guest.show(1, 200, 100, 10)
        await machine.run(seconds=0.1)
        machine.listen(0, frames.append)
        for step in range(100):
            guest.set_cursor(9, step, 0) if step % 2 else guest.move_cursor(step, 0)
            await machine.run(seconds=0.0005)
        assert len(frames) <= 4
        shown = len(frames)
        guest.flush(1, Rect(0, 0, 200, 100))
        await machine.run(seconds=0.0001)
        assert len(frames) == shown + 1  # what a guest waits for comes at once
        assert machine.screenshot()[0, 99].tolist() == [255] * 4
