"""What studies have in common: which options they take, what they measure with, and how they tell it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.observe.statistics import write_json
from virtio.clock.calendar import NANOSECONDS


class Study(NamedTuple):
    """A scene that prints figures instead of showing pictures.

    Attributes:
        title: What it measures, in one line.
        run: Does it, given the options and a UML kernel to boot; may return the promises of speed that were
            not kept, for `--strict`.
        takes: The options that it has a use for, beside --seed and --stats; "kernel" and "strict" are some.
        clock: The clock that it runs on.
    """

    title: str
    run: Callable[[RunOptions, Path | None], Sequence[str] | None]
    takes: Collection[str] = ("frames",)
    clock: str = "virtual"

    def check(self, name: str, run: RunOptions, kernel: Path | None, *, strict: bool = False) -> None:
        """Refuse the options that a study has no use for.

        Raises:
            BadInput: One is given; the message names it.
        """
        takes = (*self.takes, "seed", "stats")
        usual = {**asdict(RunOptions()), "kernel": None, "strict": False}
        for option, value in {**asdict(run), "kernel": kernel, "strict": strict}.items():
            # --headless and the clock that it has anyway do no harm.
            if option not in takes and value not in (usual[option], False, self.clock):
                *others, last = (f"--{taken}" for taken in takes)
                raise BadInput(
                    f"--{option.replace('_', '-')}: {name} runs on the {self.clock} clock and shows no "
                    f"picture; it takes {', '.join(others)} and {last}"
                )


Result = TypeVar("Result")


def tell(study: str, run: RunOptions, shown: Table, results: Sequence[object], **further: Any) -> None:
    """Print a table, and write its results, with what belongs to them, where `--stats` says."""
    if run.stats is not None:
        write_json(run.stats, _plain({"study": study, "results": results, **further}))
    Console().print(shown)


def _plain(value: Any) -> Any:
    """Named tuples as objects, for JSON."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def make_table(
    title: str,
    columns: Mapping[str, Callable[[Result], object]],
    rows: Sequence[Result],
    *,
    texts: int = 1,
    sections: bool = False,
) -> Table:
    """A row for each result.

    Args:
        title: The table's title.
        columns: Their names, and what stands in them.
        rows: The results.
        texts: How many columns, from the left, hold text; the others hold figures.
        sections: The first column repeats itself: name each value once, over a line between sections.
    """
    shown = Table(title=title, title_justify="left")
    for index, name in enumerate(columns):
        shown.add_column(name, justify="left" if index < texts else "right")
    before = None
    for row in rows:
        first, *others = (str(value(row)) for value in columns.values())
        if sections and before not in (None, first):
            shown.add_section()
        shown.add_row("" if sections and first == before else first, *others)
        before = first
    return shown


async def frame_rate(machine: Machine, frames: int) -> float:
    """Let the first output present so many frames: how many there were in a second of the run's clock."""
    begin_ns = machine.clock.now_ns()
    await machine.run(frames=frames)
    return frames * NANOSECONDS / (machine.clock.now_ns() - begin_ns)


class Holdings(NamedTuple):
    """What this process holds.

    Attributes:
        descriptors: The number of open ones.
        mappings: The number of mappings of guests' memory.
        memory: Resident memory of its own, in bytes.
    """

    descriptors: int
    mappings: int
    memory: int

    @classmethod
    def now(cls) -> Holdings:
        """Count."""
        gc.collect()
        maps = Path("/proc/self/maps").read_text()
        status = Path("/proc/self/status").read_text()
        anonymous = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
        return cls(len(list(Path("/proc/self/fd").iterdir())), maps.count("/memfd:"), int(anonymous) << 10)
