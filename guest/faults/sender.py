"""Requests that no driver of ours would send, on a running driver's queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guest.driver import GpuDriver
from guest.faults.fault import Fault, named_after
from virtio.gpu import wire
from virtio.gpu.wire import Header, Response


class Sender:
    """Sends requests and collects their answers.

    Attributes:
        driver: Prepares what a fault needs.
    """

    def __init__(self, driver: GpuDriver, answers: list[Response]) -> None:
        self.driver = driver
        self._answers = answers

    def message(self, message: bytes, extra: bytes = b"") -> None:
        """Send any bytes to the control queue."""
        self.driver.queue(wire.CONTROL_QUEUE).submit(
            message,
            extra=extra,
            answer_size=wire.HEADER_SIZE,
            done=lambda answer: self._answers.append(Response(answer.header.type)),
        )

    def command(self, command: int, body: tuple[Any, ...], extra: bytes = b"") -> None:
        """Send a header and any body."""
        self.message(wire.pack(Header(command)) + wire.pack(body), extra)


def request_fault(faults: list[Fault], expected: Response) -> Callable[[Callable[[Sender], None]], None]:
    """Add a fault in a request that arrives whole to a list; the function's docstring describes it."""

    def add(send: Callable[[Sender], None]) -> None:
        def commit(driver: GpuDriver, answers: list[Response]) -> None:
            send(Sender(driver, answers))
            driver.notify()

        faults.append(named_after(send, expected, commit))

    return add
