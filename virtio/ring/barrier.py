"""A full memory barrier, from Python.

Two sides share the rings without a lock, so the order in which one side's stores and loads reach the
other is part of the protocol (virtio 1.3, 2.7.13). Three orders are needed:

- store a ring entry, then store the index that publishes it;
- load an index, then load the entries that it publishes;
- store an index, then load what says whether the other side sleeps. Without this one each side can miss
  the other's last word, and both sleep for ever.

x86-64 keeps the first two by itself and reorders the third; aarch64 reorders all three. So the third always
asks for a barrier, and the first two where `WEAKLY_ORDERED` says so: a barrier takes 0.2 us, and these two
are on the path of every single buffer.

CPython offers no fence, but a lock that no other thread uses is one when it is *released and then taken*. The
release is an atomic read-modify-write with release semantics, the taking one with acquire semantics
(glibc's `sem_post` and `sem_trywait`, or CPython's own `PyMutex`). On x86-64 each is a `lock`-prefixed
instruction, which is a full barrier (Intel SDM 3A, 8.2.5). On aarch64 all earlier accesses come before the
store-release, all later ones after the load-acquire, and a store-release is never passed by a later
load-acquire (Arm ARM B2.3, "barrier-ordered-before"). Hence everything before comes before everything
after. The other way round, taken then released, would not do: both sides could leak into the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from platform import machine
from threading import Lock

WEAKLY_ORDERED = machine() != "x86_64"
"""Whether this processor reorders loads with loads, or stores with stores."""


def full_barrier() -> Callable[[], None]:
    """A function whose call orders all accesses before it before all accesses after it.

    Each is for one thread at a time: the owner of the queue makes its own.
    """
    lock = Lock()
    lock.acquire()
    release, acquire = lock.release, lock.acquire

    def barrier() -> None:
        release()
        acquire()

    return barrier
