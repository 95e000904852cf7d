"""What `scanout bench guests` compares with: two plain ways to hand frames from one process to another.

Each has a child that draws a workload and a parent that looks at the frame's stamp and lets go of the frame.
There is no device, no fence and no check: this is what the hand-over costs at least.
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guest.workloads import create_workload, read_stamp

_SLOTS = 2
_SPAWN = multiprocessing.get_context("spawn")

Size = tuple[int, int]


class Peer:
    """A child process that draws when it is told to. `close` it.

    Args:
        target: What the child runs.
        arguments: For it.
        take: Takes one frame from the child and lets go of it, without showing it.
        release: Gives everything back.
    """

    def __init__(
        self,
        target: Callable[..., None],
        arguments: tuple[Any, ...],
        take: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        self._take, self._release = take, release
        self._child = _SPAWN.Process(target=target, args=arguments, daemon=True)
        self._child.start()
        take()  # it has started when there is a frame

    def milliseconds(self, frames: int) -> float:
        """Milliseconds a frame, over `frames` of them."""
        start = time.perf_counter()
        for _ in range(frames):
            self._take()
        return (time.perf_counter() - start) * 1e3 / frames

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.join()
        self._child.close()
        self._release()


def shared_memory_and_queue(workload: str, size: Size) -> Peer:
    """`multiprocessing.shared_memory` with two frames in it, and a queue each way that says which."""
    memory = SharedMemory(create=True, size=_SLOTS * _frame_bytes(size))
    drawn, free = _SPAWN.SimpleQueue(), _SPAWN.SimpleQueue()
    for slot in range(_SLOTS):
        free.put(slot)

    def take() -> None:
        slot = drawn.get()
        read_stamp(_slot(memory, slot, size))
        free.put(slot)

    def release() -> None:
        for queue in (drawn, free):
            queue.close()
        memory.close()
        memory.unlink()

    return Peer(_draw_into_memory, (workload, size, memory.name, drawn, free), take, release)


def pixels_through_a_socket(workload: str, size: Size) -> Peer:
    """Every pixel of every frame through a Unix stream socket, and a byte back."""
    ours, theirs = socket.socketpair()
    frame = np.empty((size[1], size[0], 4), np.uint8)

    def take() -> None:
        view = frame.reshape(-1).data
        while view:
            view = view[ours.recv_into(view) :]
        read_stamp(frame)
        ours.send(b".")

    def release() -> None:
        ours.close()
        theirs.close()

    return Peer(_draw_into_socket, (workload, size, theirs), take, release)


def _frame_bytes(size: Size) -> int:
    return size[0] * size[1] * 4


def _slot(memory: SharedMemory, slot: int, size: Size) -> NDArray[np.uint8]:
    length = _frame_bytes(size)
    assert memory.buf is not None
    data = np.frombuffer(memory.buf, np.uint8, length, slot * length)
    return data.reshape(size[1], size[0], 4)


def _draw_into_memory(workload: str, size: Size, name: str, drawn: Any, free: Any) -> None:
    memory, source, number = SharedMemory(name), create_workload(workload), 0
    while True:
        slot = free.get()
        source.draw(number, _slot(memory, slot, size))
        drawn.put(slot)
        number += 1


def _draw_into_socket(workload: str, size: Size, sock: socket.socket) -> None:
    frame, source, number = np.empty((size[1], size[0], 4), np.uint8), create_workload(workload), 0
    while True:
        source.draw(number, frame)
        sock.sendall(frame.reshape(-1).data)
        sock.recv(1)
        number += 1
