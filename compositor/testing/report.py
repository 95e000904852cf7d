"""The report of a run: one HTML page, made of the folder in which failing tests left their results.

The page holds all that it shows, so that it can be mailed, or kept by a CI server, as one file; it needs no
script, but for the slider; and it fits a phone. What a browser shows comes from tests, their guests and
files, so the template escapes all of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from compositor import __version__
from compositor.errors import BadInput
from compositor.files import write_atomically
from compositor.testing.frames_drawn import draw_frames
from compositor.testing.results import INDEX, RESULT

PAGE = "index.html"

_SHOWN = {"difference": "Difference", "expected": "Expected", "actual": "Actual"}


class Picture(NamedTuple):
    """A picture on the page.

    Attributes:
        url: With the file in it.
        alt: What it is, for those who do not see it.
    """

    url: str
    alt: str


class View(NamedTuple):
    """One way to look at the pictures of a check.

    Attributes:
        kind: Its classes in the style sheet.
        label: On its button.
    """

    kind: str
    label: str


_ONE = {kind: View(kind, label) for kind, label in _SHOWN.items()}
_TWO = [View("side both", "Side by side"), View("blink both", "Blink"), View("slider both", "Slider")]


def write_report(results: Path, target: Path, *, tests: int, told: Callable[[Path], str] = str) -> Path:
    """Write the page of a run.

    Args:
        results: The folder of results (see `compositor.testing.results`).
        target: The folder to put the page into; it is made if need be.
        tests: How many tests ran.
        told: A path as the user is told it.

    Returns:
        The page.

    Raises:
        BadInput: The results cannot be read, or the page not be written.
    """
    try:
        index = results / INDEX
        listed = json.loads(index.read_text())["tests"] if index.exists() else []
        failures = [_failure(results / entry["folder"], told) for entry in listed]
        target.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"cannot make a report of {results}: {error}; run the tests again") from None
    environment = Environment(
        loader=PackageLoader("compositor.testing", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.jinja").render(
        failures=failures, tests=tests, version=__version__
    )
    with write_atomically(target / PAGE) as file:
        file.write(page.encode())
    return target / PAGE


def _failure(folder: Path, told: Callable[[Path], str]) -> dict[str, Any]:
    result = json.loads((folder / RESULT).read_text())
    return {
        "test": result["test"],
        "text": result["text"],
        "rerun": result["rerun"],
        "checks": [_check(check, folder) for check in result["checks"]],
        "machines": [_machine(machine, folder) for machine in result["machines"]],
        "recordings": [told(folder / name) for name in result["recordings"]],
    }


def _check(check: dict[str, Any], folder: Path) -> dict[str, Any]:
    found = check["pictures"]
    return {
        "name": check["name"],
        "says": check["says"],
        "golden": check["golden"],
        "pictures": {kind: _picture(folder / name, _SHOWN[kind]) for kind, name in found.items()},
        # The difference first, where there is one: it says most at a glance.
        "views": [_ONE[kind] for kind in _SHOWN if kind in found]
        + (_TWO if found.keys() >= {"expected", "actual"} else []),
    }


def _picture(path: Path, alt: str) -> Picture:
    return Picture("data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(), alt)


def _machine(machine: dict[str, Any], folder: Path) -> dict[str, Any]:
    stats = machine["stats"]
    return {
        "timeline": _drawn(machine) if machine["timeline"] else None,
        "pictures": [_picture(folder / file, name) for name, file in machine["pictures"].items()],
        "tables": [] if stats is None else [_outputs(stats), _guests(stats), _commands(stats)],
        "statistics": json.dumps(stats, indent=1),
        "seed": machine["seed"],
    }


def _drawn(machine: dict[str, Any]) -> Markup:
    """The drawing escapes what it was given."""
    outputs = [output["name"] for output in machine["stats"]["outputs"]]
    return Markup(draw_frames(machine["timeline"], outputs))


def _outputs(stats: dict[str, Any]) -> dict[str, Any]:
    heads = ["output", "mode", "presented", "direct scan-out", "missed vblanks"]
    keys = ("name", "mode", "presented", "direct_scanout", "missed_vblanks")
    return {
        "title": "Outputs",
        "heads": heads,
        "rows": [[output[key] for key in keys] for output in stats["outputs"]],
    }


def _guests(stats: dict[str, Any]) -> dict[str, Any]:
    counts = ("submitted", "presented", "discarded", "torn")
    return {
        "title": "Guests",
        "heads": ["guest", "kind", *counts, "latency p50, p99 (ms)", "bytes a frame"],
        "rows": [
            [
                guest["name"],
                guest["kind"],
                *(guest["frames"][key] for key in counts),
                f"{guest['latency_ms']['p50']}, {guest['latency_ms']['p99']}",
                guest["bytes_per_frame"],
            ]
            for guest in stats["guests"]
        ],
    }


def _commands(stats: dict[str, Any]) -> dict[str, Any]:
    rows: list[list[Any]] = []
    for guest in stats["guests"]:
        rows += [[guest["name"], command, count, ""] for command, count in guest["commands"].items()]
        rows += [[guest["name"], error, "", count] for error, count in guest["errors"].items()]
    return {"title": "Commands", "heads": ["guest", "command or answer", "count", "refused"], "rows": rows}
