"""The fixture `machine`: makes machines on the virtual clock, which are closed with their test."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from compositor.errors import Misuse
from compositor.machine import Machine
from compositor.output.output import Output
from compositor.testing.evidence import Timeline
from compositor.testing.results import recording_of

if TYPE_CHECKING:
    from compositor.testing.cases import Case
    from compositor.testing.harness import Harness

DEFAULT_MODE = "640x480"


class MachineFactory:
    """The fixture `machine`; call it, and await what it returns.

    Args:
        harness: The test's.
        case: Which refresh rate and kind of guest the marker chose.
    """

    def __init__(self, harness: Harness, case: Case) -> None:
        self._harness, self._case = harness, case

    def __repr__(self) -> str:
        return "<fixture machine>"

    def __call__(
        self,
        *,
        outputs: Sequence[Output | str] = (DEFAULT_MODE,),
        clock: Literal["virtual", "real"] | None = None,
        **options: Any,
    ) -> Opening:
        """A machine: `m = await machine(...)`, closed with the test; or `async with machine(...) as m`.

        Args:
            outputs: As `Machine` takes them. A mode without a rate ("640x480") has the marker's, or 60 Hz.
            clock: "virtual" by default, "real" where the marker chose a guest that keeps its own time.
            options: Further arguments of `Machine`.

        Raises:
            BadInput: As `Machine`; or the marker chose a refresh rate, and every output has one of its own.
        """
        __tracebackhide__ = True
        outputs = self._case.outputs(outputs)
        opening = Opening(self._harness, {"outputs": outputs, "clock": clock or self._case.clock, **options})
        self._harness.openings.append(opening)
        return opening


class Opening:
    """A machine that is about to be opened: by `await`, or by `async with`, which closes it at its end.

    Args:
        harness: The test's.
        options: Of `Machine`.

    Attributes:
        is_open: Between the two.
        machine: Once it is open.
        timeline: Its frames.
        recording: The file that everything is recorded into, if it is.
    """

    machine: Machine

    def __init__(self, harness: Harness, options: dict[str, Any]) -> None:
        self._harness, self._options = harness, options
        self.is_open = False
        self.timeline = Timeline()
        self.recording: Path | None = None

    def __await__(self) -> Generator[Any, None, Machine]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Machine:
        __tracebackhide__ = True
        _check_loop()
        if hasattr(self, "machine"):
            raise Misuse("this machine was opened already: call machine(...) once for each")
        self._record()
        self.machine = Machine(**self._options)
        await self.machine.__aenter__()
        self.is_open = True
        for output in self.machine.outputs:
            output.listeners.append(self.timeline.presented)
        return self.machine

    async def __aexit__(self, *error: object) -> None:
        if isinstance(error[1], Exception):
            self._harness.failed(error[1])
        await self.close()

    async def close(self) -> None:
        """Close it, if it is open."""
        if not self.is_open:
            return
        self.is_open = False
        for output in self.machine.outputs:
            if self.timeline.presented in output.listeners:
                output.listeners.remove(self.timeline.presented)
        await self.machine.__aexit__(None, None, None)

    def settle(self) -> None:
        """Hold no guest's memory any more; it is closed."""
        if hasattr(self, "machine"):
            self.machine.pictures.settle()

    def _record(self) -> None:
        if self._harness.session.record and self._options.get("record") is None:
            self.recording = recording_of(self._harness, len(self._harness.evidence.recordings))
            self._options["record"] = self.recording
            self._harness.evidence.recordings.append(self.recording)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "machine":
            raise AttributeError(name)
        raise Misuse(f"the machine is not open yet (.{name}): write `m = await machine(...)`")


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Misuse(
            "a machine needs asyncio, and no loop of it runs here: make the test a coroutine of "
            "pytest-asyncio, or of anyio on its asyncio backend"
        ) from None
