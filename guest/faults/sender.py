"""Faults that are requests which no driver of ours would send, on a running driver's queue."""

from __future__ import annotations

from collections.abc import Callable

from guest.driver import GpuDriver
from guest.driver.commander import Commander
from guest.faults.fault import Fault, named_after
from virtio.gpu.wire import Response


class Sender(Commander):
    """Sends requests, and has what a fault needs to prepare them.

    Attributes:
        driver: The running one.
    """

    driver: GpuDriver


def request_fault(faults: list[Fault], expected: Response) -> Callable[[Callable[[Sender], None]], None]:
    """Add a fault in a request that arrives whole to a list; the function's docstring describes it."""

    def add(send: Callable[[Sender], None]) -> None:
        def commit(driver: GpuDriver, answers: list[Response]) -> None:
            send(Sender(driver, lambda reply: answers.append(reply.response)))
            driver.notify()

        faults.append(named_after(send, expected, commit))

    return add
