"""A guest in a process of its own, described, and started for a machine.

await machine.attach(ProcessGuest("gears"))
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from guest.linux.options import VirtualTime
from guest.linux.process import GuestProcess
from guest.process.task import GuestTask
from guest.workloads.find import names_file
from virtio.errors import Misuse

_PACKAGES = Path(__file__).parents[2]  # where the process finds this package, wherever it starts

# The others say where its host is, or are arguments of their own.
_OWN = ("socket", "time", "vblanks", "workload", "arguments", "seed")
_OPTIONS = tuple(field.name for field in fields(GuestTask) if field.name not in _OWN)


class ProcessGuest:
    """A `SimulatedGuest` that has a process of its own; nothing is started before `launch`.

    Args:
        workload: The name of one, `module:Class`, or the path of a PNG. An object cannot cross to another
            process.
        arguments: Keyword arguments for the class, or for the PNG's `Picture`: what JSON can hold.
        seed: Of all that is random; None takes what the machine gives it.
        options: What else the process is told: fields of `GuestTask`.

    Attributes:
        kind: "simulated".
        name: For people and statistics.
        takes_virtual_time: It can take part in a calendar.
        final_picture: None: its pictures never stay as they are.
        sync: What its flips wait for.
        render_ns: How long it draws; 0: once in every refresh.

    Raises:
        Misuse: There is no such workload, kind of synchronisation, or option; or it cannot cross.
    """

    kind = "simulated"
    takes_virtual_time = True
    final_picture = None

    def __init__(
        self,
        workload: str | Path,
        *,
        arguments: Mapping[str, Any] | None = None,
        seed: int | None = None,
        **options: object,
    ) -> None:
        shown = _crossing(workload)
        for name in options:
            if name not in _OPTIONS:
                raise Misuse(f"ProcessGuest has no option {name!r}; there are {', '.join(_OPTIONS)}")
        self.task = GuestTask(
            socket="",
            workload=shown,
            arguments=arguments or {},
            seed=0 if seed is None else seed,
            **options,  # type: ignore[arg-type]
        )
        self._seeded = seed is not None
        self.task.to_json()
        self.name = self.task.describe().name
        self.sync, self.render_ns = self.task.sync, self.task.render_ns

    def __repr__(self) -> str:
        return f"<ProcessGuest {self.name}, workload {self.task.workload}>"

    def with_seed(self, seed: int) -> None:
        """Take `seed` if it was given none of its own."""
        if not self._seeded:
            self.task = replace(self.task, seed=seed)

    async def launch(
        self, socket: Path, workdir: Path, echo: Callable[[str], None], time: VirtualTime | None = None
    ) -> GuestProcess:
        """Start the guest.

        Args:
            socket: Where its vhost-user virtio-gpu device listens.
            workdir: An empty directory of its own.
            echo: Called with what it prints.
            time: Where its calendar is; None: it takes the real time.

        Raises:
            ToolMissing: `setpriv` is not installed.
        """
        task = replace(self.task, socket=str(socket), name=self.name)
        if time is not None:
            task = replace(task, time=str(time.socket), vblanks=True)
        return await GuestProcess.launch(
            [sys.executable, "-m", "guest.process", task.to_json()],
            name=self.name,
            directory=workdir,
            environment=process_environment(),
            echo=echo,
        )


def process_environment() -> dict[str, str]:
    """What a process that runs this package needs of the environment."""
    return {"PYTHONPATH": os.pathsep.join([str(_PACKAGES), *_python_path()])}


def _crossing(workload: object) -> str:
    """What tells another process of a workload; it finds the modules that this one finds.

    Raises:
        Misuse: Nothing does.
    """
    if names_file(workload):
        return str(Path(str(workload)).absolute())
    if isinstance(workload, str):
        return workload
    raise Misuse(
        f"{type(workload).__name__} cannot cross to another process: give a workload's name, module:Class, "
        "or the path of a PNG; SimulatedGuest takes objects"
    )


def _python_path() -> list[str]:
    return [str(Path(part).absolute()) for part in sys.path]
