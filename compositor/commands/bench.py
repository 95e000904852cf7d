"""`scanout bench`: the benchmarks, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from compositor.bench import BENCHMARKS, load
from compositor.bench.report import Report
from compositor.errors import BadInput


def bench(names: Sequence[str], *, as_json: bool) -> None:
    """Run benchmarks, all of them when none is named, and print what came out.

    Raises:
        BadInput: There is no such benchmark.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise BadInput(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    reports = [load(name)() for name in names or BENCHMARKS]
    if as_json:
        documents = [report.to_json() for report in reports]
        print(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2))
        return
    console = Console()
    for report in reports:
        console.print(table(report))
        for name, why in report.missing.items():
            console.print(f"missing: {name}: {why}", markup=False)


def table(report: Report) -> Table:
    """One benchmark, a row per case."""
    title = f"{report.bench}   {' '.join(f'{k} {v}' for k, v in report.versions.items())}"
    shown = Table("case", title=title, title_justify="left")
    for column in ("unit", "ours", "peers", "ratio", "goal", "runs"):
        shown.add_column(column, justify="right")
    for row in report.rows:
        peers = ", ".join(f"{name} {value:.4g}" for name, value in row.peers.items())
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        goal = "-" if row.goal is None else f"{row.goal:g}{'' if row.reached else ' missed'}"
        shown.add_row(row.case, row.unit, f"{row.ours:.4g}", peers, ratio, goal, str(row.runs))
    return shown
