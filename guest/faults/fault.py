"""A driver fault: one way to break the specification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guest.driver import GpuDriver
from virtio.gpu.wire import Response

NOWHERE = 1 << 40  # a guest address where there is no memory


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the specification.

    Attributes:
        name: For test ids and the command line.
        description: One sentence.
        expected: The device's answer; None when it must stop and set NEEDS_RESET.
        commit: Does it, given the driver and the list to which the answer is to be added.
        reason: Part of the line in which this project's device says why; empty where the answer says it.
    """

    name: str
    description: str
    expected: Response | None
    commit: Callable[[GpuDriver, list[Response]], None]
    reason: str = ""

    def apply(self, driver: GpuDriver) -> list[Response]:
        """Commit the fault, and poll for the answers.

        Returns:
            The device's answers; those of a device in another process are added as they come. A broken ring
            stays without one.
        """
        answers: list[Response] = []
        self.commit(driver, answers)
        driver.transport.poll()
        return answers


def named_after(
    function: Callable[..., Any],
    expected: Response | None,
    commit: Callable[[GpuDriver, list[Response]], None],
    reason: str = "",
) -> Fault:
    """The fault that has its name from a function, and its description from the docstring there."""
    return Fault(function.__name__.replace("_", "-"), function.__doc__ or "", expected, commit, reason)
