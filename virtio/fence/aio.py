"""The asyncio shell: awaiting fences.

Deadlines are times of the running loop (`loop.time()`), so they are virtual where the loop's time is.
"""

from __future__ import annotations

import asyncio

from virtio.fence.fence import Fence


async def wait(fence: Fence, *, deadline: float | None = None) -> int:
    """Wait until a fence has signalled.

    Args:
        fence: It must signal in this loop's thread.
        deadline: Loop time, seconds; None: however long it takes.

    Returns:
        Its status: 1, or the negative errno of work that failed.

    Raises:
        TimeoutError: The deadline passed first. Nothing of the wait is left at the fence.
    """
    if not fence.signaled:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()

        def wake(_fence: Fence) -> None:
            if not woken.done():
                woken.set_result(None)

        fence.add_callback(wake)
        timer = None if deadline is None else loop.call_at(deadline, wake, fence)
        try:
            await woken
        finally:
            if timer is not None:
                timer.cancel()
            if not fence.signaled:
                fence.remove_callback(wake)
        if not fence.signaled:  # else it is in time, though the timer may have come first
            raise TimeoutError(f"{fence.describe()} has not signalled by its deadline")
    return fence.status
