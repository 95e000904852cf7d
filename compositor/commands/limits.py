"""`--limit list`: what guests may use, as a table or as JSON."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from virtio.limits import TABLE

LIST = "list"
"""What stands in place of a limit to list them all."""


def list_limits(*, as_json: bool) -> None:
    """Print every limit with its default, its unit, its meaning and what happens beyond it."""
    if as_json:
        print(json.dumps([row._asdict() for row in TABLE], indent=2))
        return
    shown = Table("limit", "default", "unit", "of what", "beyond it", title="--limit NAME=VALUE")
    shown.columns[-1].overflow = "fold"
    for row in TABLE:
        shown.add_row(row.name, f"{row.default:,}", row.unit, row.meaning, row.beyond)
    Console().print(shown)
