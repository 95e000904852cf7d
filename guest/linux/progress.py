"""Progress of long jobs (building a kernel, fetching packages) on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from guest.linux.tool import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar


@contextmanager
def shown_progress(console: Console | None = None) -> Iterator[Progress]:
    """A `Progress` that draws a bar for the stage in work; where there is no terminal, a line a stage.

    Args:
        console: Where to; None: standard error.
    """
    # Imported here: tests and machines, which show none, start a tenth of a second earlier.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console) as bar:
        yield _Bars(bar)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""

    def __call__(self, stage: str, fraction: float | None = None) -> None:  # noqa: ARG002
        if stage != self._stage:
            self._stage = stage
            self._console.print(stage, markup=False, highlight=False)


class _Bars:
    """One bar a stage; the earlier ones stay, full."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._stage = ""
        self._task = bar.add_task("", total=None, visible=False)

    def __call__(self, stage: str, fraction: float | None = None) -> None:
        if stage != self._stage:
            self._bar.update(self._task, total=1.0, completed=1.0)
            self._stage = stage
            self._task = self._bar.add_task(stage, total=None)
        if fraction is not None:
            self._bar.update(self._task, total=1.0, completed=fraction)
