"""A guest's next frame as a fence: for a callback, for a coroutine, and for a program in another process."""

import asyncio
import errno
import subprocess
import sys

from compositor import Machine
from guest import SimulatedGuest
from virtio.fence import Fence, SyncFile
from virtio.fence.aio import wait

MODE = "64x48@50"  # vblanks every 20 ms

WATCHER = """
import select, sys
from virtio.fence import SyncFile

poll = select.poll()
poll.register(int(sys.argv[1]), select.POLLIN)
print("watching", flush=True)
poll.poll()
print(SyncFile.adopt(int(sys.argv[1])).info(), flush=True)
"""


async def test_it_signals_with_the_time_of_the_next_frame() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"))
        times: list[int | None] = []

        def again(fence: Fence) -> None:
            times.append(fence.timestamp_ns)
            guest.next_presented().add_callback(again)

        shown: list[int] = []
        machine.listen(0, lambda frame: shown.append(frame.present_time_ns))
        guest.next_presented().add_callback(again)
        await machine.run(frames=4)
    assert len(shown) == 4
    assert times == [*shown, None], "the last one ended with the guest"


async def test_a_coroutine_waits_for_it_while_the_machine_runs() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"))
        fence = guest.next_presented()
        status, _ = await asyncio.gather(wait(fence), machine.run(frames=2))
        assert (status, fence.timestamp_ns) == (1, machine.clock.now_ns() - 20_000_000)


async def test_a_guest_that_goes_away_first_ends_it() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"))
        fence = guest.next_presented()
    assert fence.status == -errno.ENODEV


async def test_another_process_is_woken_by_the_frame() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"))
        with SyncFile.from_fence(guest.next_presented()) as file:
            watcher = await asyncio.create_subprocess_exec(
                sys.executable, "-c", WATCHER, str(file.fileno()),
                pass_fds=[file.fileno()], stdout=subprocess.PIPE,
            )  # fmt: skip
            assert watcher.stdout is not None
            assert await watcher.stdout.readline() == b"watching\n"
            frame = await machine.next_frame()
            expected = file.info()
        said, _ = await watcher.communicate()
    assert expected.status == 1
    assert expected.timestamp_ns == frame.present_time_ns
    assert said.decode() == f"{expected}\n"
