"""The fixture `guest`: describes guests, simulated and real; `machine.attach` starts them.

A real guest that cannot run here skips its test, with the command that would install what is missing; with
`--require-real-guests` the test fails instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from compositor.errors import BadInput, ScanoutError
from compositor.testing.cases import KINDS
from guest.linux.qemu import find_qemu
from guest.process import ProcessGuest
from guest.real import LinuxGuest, QemuGuest, UmlGuest
from guest.simulated import SimulatedGuest

if TYPE_CHECKING:
    from compositor.testing.cases import Case
    from compositor.testing.harness import Harness
    from guest.workloads import Workload

DEFAULT_PROGRAM = "pageflip"

AnyGuest = TypeVar("AnyGuest", bound=LinuxGuest)
Guest = SimulatedGuest | ProcessGuest | UmlGuest | QemuGuest


class GuestFactory:
    """The fixture `guest`.

    Args:
        harness: The test's.
        case: Which kind of guest and policy the marker chose.
    """

    def __init__(self, harness: Harness, case: Case) -> None:
        self._harness, self._case = harness, case

    def __repr__(self) -> str:
        return "<fixture guest>"

    def __call__(
        self,
        workload: str | Workload = "gears",
        *,
        program: str = DEFAULT_PROGRAM,
        kind: str | None = None,
        **options: Any,
    ) -> Guest:
        """A guest of the kind that the marker chose; else a simulated one.

        Args:
            workload: What a simulated guest shows, in this process or in its own.
            program: What a real one runs.
            kind: "simulated", "process", "uml" or "qemu"; None: the marker's.
            options: Further arguments of `SimulatedGuest`, `ProcessGuest`, `UmlGuest` or `QemuGuest`.

        Raises:
            BadInput: There is no such kind.
        """
        __tracebackhide__ = True
        kind = kind or self._case.guest or "simulated"
        if kind == "simulated":
            return self.simulated(workload, **options)
        if kind == "process":
            if not isinstance(workload, str):
                raise BadInput("a guest in a process of its own takes the name of a workload")
            return self.process(workload, **options)
        if kind == "uml":
            return self.uml(program, **options)
        if kind == "qemu":
            return self.qemu(program, **options)
        raise BadInput(f"guest kind {kind!r}: there are {', '.join(KINDS)}")

    def simulated(self, workload: str | Workload = "gears", **options: Any) -> SimulatedGuest:
        """A simulated guest in this process; see `SimulatedGuest`."""
        __tracebackhide__ = True
        return SimulatedGuest(workload, **self._with_case(options))

    def process(self, workload: str = "gears", **options: Any) -> ProcessGuest:
        """A simulated guest in a process of its own; see `ProcessGuest`."""
        __tracebackhide__ = True
        return ProcessGuest(workload, **self._with_case(options))

    def uml(self, program: str | None = DEFAULT_PROGRAM, **options: Any) -> UmlGuest:
        """A User Mode Linux kernel; see `UmlGuest`. The test is skipped where there is none."""
        __tracebackhide__ = True
        return self._real(UmlGuest(program, **options))

    def qemu(self, program: str | None = DEFAULT_PROGRAM, **options: Any) -> QemuGuest:
        """A stock QEMU; see `QemuGuest`. The test is skipped where it cannot run."""
        __tracebackhide__ = True
        return self._real(QemuGuest(program, **options))

    def _with_case(self, options: dict[str, Any]) -> dict[str, Any]:
        if self._case.policy is not None:
            options.setdefault("sync", self._case.policy)
        return options

    def _real(self, guest: AnyGuest) -> AnyGuest:
        """The guest, once all that it needs is there."""
        __tracebackhide__ = True
        try:
            if isinstance(guest, QemuGuest):
                find_qemu(guest.architecture)
            guest.prepare()
        except ScanoutError as error:
            if self._harness.session.require_real:
                pytest.fail(f"--require-real-guests: {guest.kind} guest: {error}", pytrace=False)
            pytest.skip(f"{guest.kind} guest: {error}")
        return guest
