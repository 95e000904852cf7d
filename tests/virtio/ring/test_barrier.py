"""`virtio.ring.barrier`: what can be seen of a memory barrier from one thread."""

from __future__ import annotations

import threading

from virtio.ring.barrier import full_barrier


def test_a_barrier_can_be_used_again_and_again() -> None:
    barrier = full_barrier()
    for _ in range(3):
        barrier()


def test_owners_do_not_disturb_each_other() -> None:
    """Two threads that shared one lock would release it twice now and then, which raises."""
    failures: list[BaseException] = []

    def own() -> None:
        barrier = full_barrier()
        try:
            for _ in range(2000):
                barrier()
        except RuntimeError as error:
            failures.append(error)

    threads = [threading.Thread(target=own) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
