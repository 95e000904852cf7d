"""The fixture `guest`: describes guests, simulated and real; `machine.attach` starts them.

A real guest that cannot run here skips its test, with the command that would install what is missing; with
`--require-real-guests` the test fails instead.
"""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import pytest

from compositor.errors import BadInput, ScanoutError
from compositor.testing.cases import KINDS
from guest.linux.qemu import find_qemu
from guest.picture import Picture
from guest.process import ProcessGuest
from guest.real import LinuxGuest, QemuGuest, UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads.find import names_file, short_name
from virtio.gpu.formats import Format

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

    from compositor.testing.cases import Case
    from compositor.testing.harness import Harness
    from guest.workloads.find import Shown

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
        workload: Shown | NDArray[Any] | Image = "gears",
        *,
        program: str | EllipsisType | None = ...,
        kind: str | None = None,
        **options: Any,
    ) -> Guest:
        """A guest of the kind that the marker chose; else a simulated one.

        Args:
            workload: What a simulated guest shows, in this process or in its own; see `simulated` and
                `process`.
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
            return self.process(cast("str | Path", workload), **options)
        if kind == "uml":
            return self.uml(program, **options)
        if kind == "qemu":
            return self.qemu(program, **options)
        raise BadInput(f"guest kind {kind!r}: there are {', '.join(KINDS)}")

    def simulated(self, workload: Shown | NDArray[Any] | Image = "gears", **options: Any) -> SimulatedGuest:
        """A simulated guest in this process; see `SimulatedGuest`.

        Args:
            workload: What `SimulatedGuest` takes; also an array or an image of Pillow's, as `Picture` takes
                them. A picture has the format that the marker chose.
            options: Further arguments of `SimulatedGuest`.
        """
        __tracebackhide__ = True
        return SimulatedGuest(self._pictured(workload), **self._with_case(options))

    def process(self, workload: str | Path = "gears", **options: Any) -> ProcessGuest:
        """A simulated guest in a process of its own; see `ProcessGuest`.

        Args:
            workload: The name of one, `module:Class`, or the path of a PNG, which has the format that the
                marker chose.
            options: Further arguments of `ProcessGuest`.
        """
        __tracebackhide__ = True
        if self._case.format is not None and names_file(workload):
            options["arguments"] = {"format": self._case.format, **(options.get("arguments") or {})}
        return ProcessGuest(workload, **self._with_case(options))

    def uml(self, program: str | EllipsisType | None = ..., **options: Any) -> UmlGuest:
        """A User Mode Linux kernel; see `UmlGuest`. The test is skipped where there is none.

        Args:
            program: What it runs; None: nothing of ours. By default "pageflip", and in a session nothing.
            options: Further arguments of `UmlGuest`.
        """
        __tracebackhide__ = True
        return self._real(UmlGuest(_program(program, options), **options))

    def qemu(self, program: str | EllipsisType | None = ..., **options: Any) -> QemuGuest:
        """A stock QEMU; see `QemuGuest`. The test is skipped where it cannot run.

        Args:
            program: As `uml`.
            options: Further arguments of `QemuGuest`.
        """
        __tracebackhide__ = True
        return self._real(QemuGuest(_program(program, options), **options))

    def _with_case(self, options: dict[str, Any]) -> dict[str, Any]:
        if self._case.policy is not None:
            options.setdefault("sync", self._case.policy)
        return options

    def _pictured(self, workload: Any) -> Shown:
        """What is a picture as one, in the marker's format; anything else as it is."""
        if isinstance(workload, np.ndarray) or hasattr(workload, "getbands"):
            return Picture(workload, format=self._case.format)
        if self._case.format is None:
            return cast("Shown", workload)
        if isinstance(workload, Picture):
            workload.format = Format.named(self._case.format)  # it stays the author's own, to be changed
        if names_file(workload):
            return Picture(workload, format=self._case.format, name=short_name(str(workload)))
        return cast("Shown", workload)

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


def _program(program: str | EllipsisType | None, options: dict[str, Any]) -> str | None:
    """What a real guest runs: where the test says nothing, the usual program, but in a session."""
    if isinstance(program, EllipsisType):
        return None if options.get("session") else DEFAULT_PROGRAM
    return program
