"""The folder in which failing tests leave what explains them, and the list of what is in it.

    scanout-results/
        index.json                      the failing tests of the run, in order; `summary` writes it last
        tests-test_desk.py-test_wall/
            result.json                 everything about one test; paths are relative to this folder
            wall.actual.png  wall.expected.png  wall.difference.png
            machine-0.output-0.png      what each output showed last
            machine-0.rec               for `scanout replay`

Each test writes its own folder, so xdist's workers do not meet. A report is made of this folder alone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compositor.pixels.screenshot import Picture, save_png
from compositor.testing.naming import safe

if TYPE_CHECKING:
    import pytest

    from compositor.testing.evidence import FailedCheck, MachineState
    from compositor.testing.harness import Harness

INDEX = "index.json"
RESULT = "result.json"
_KIND = "scanout-results"
VERSION = 1


def prepare(folder: Path) -> None:
    """Make the folder, that git shall not see; once more does nothing."""
    if (folder / INDEX).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    write_index(folder, [])


def clear(folder: Path) -> None:
    """Remove what an earlier run left; a folder of anything else stays."""
    try:
        kind = json.loads((folder / INDEX).read_text())["kind"]
    except (OSError, ValueError, TypeError, KeyError):
        return
    if kind == _KIND:
        shutil.rmtree(folder, ignore_errors=True)


def write_index(folder: Path, tests: list[dict[str, Any]]) -> None:
    """List the failing tests of a run; the list appears whole or not at all."""
    part = folder / f"{INDEX}.{os.getpid()}"
    part.write_text(json.dumps({"kind": _KIND, "version": VERSION, "tests": tests}, indent=1))
    part.replace(folder / INDEX)


def folder_of(harness: Harness) -> Path:
    """Where a test's results go, if there will be any."""
    return harness.session.results / safe(harness.item.nodeid)


def recording_of(harness: Harness, number: int) -> Path:
    """Where the test's machine of this number is recorded; the folder exists now."""
    prepare(harness.session.results)
    folder = folder_of(harness)
    folder.mkdir(exist_ok=True)
    return folder / f"machine-{number}.rec"


def keep(harness: Harness, report: pytest.TestReport) -> str:
    """Write what a failed test left, and say so in its report.

    Returns:
        The test's folder, relative to the folder of results.
    """
    folder = folder_of(harness)
    try:
        prepare(harness.session.results)
        folder.mkdir(exist_ok=True)
        document = _document(harness, report, folder)
        (folder / RESULT).write_text(json.dumps(document, indent=1))
    except OSError as error:
        report.sections.append(("scanout", f"cannot keep results in {folder}: {error.strerror}"))
        return folder.name
    told = harness.session.told
    lines = [f"results: {told(folder)}"]
    lines += [f"replay:  scanout replay {told(path)}" for path in harness.evidence.recordings]
    if not harness.evidence.recordings and harness.evidence.machines:
        lines.append(f"record:  pytest --scanout-record '{report.nodeid}'")
    report.sections.append(("scanout", "\n".join(lines)))
    _attach(harness.item, [folder / name for name in sorted(_files(document))])
    return folder.name


def _files(document: dict[str, Any]) -> Iterator[str]:
    for part in (*document["checks"], *document["machines"]):
        yield from part["pictures"].values()
    yield from document["recordings"]


def _attach(item: pytest.Item, files: Sequence[Path]) -> None:
    """Name the files in `--junit-xml`: as properties, and as GitLab and Jenkins read them in `system-out`."""
    item.user_properties += [("attachment", str(file)) for file in files]
    if item.config.getoption("xmlpath", None) and item.config.getini("junit_logging") != "no":
        item.add_report_section("call", "stdout", "".join(f"[[ATTACHMENT|{file}]]\n" for file in files))


def _document(harness: Harness, report: pytest.TestReport, folder: Path) -> dict[str, Any]:
    evidence = harness.evidence
    path, line, name = report.location
    return {
        "version": VERSION,
        "test": report.nodeid,
        "name": name,
        "file": path,
        "line": None if line is None else line + 1,
        "seconds": report.duration,
        "message": str(getattr(getattr(report.longrepr, "reprcrash", None), "message", report.longrepr)),
        "text": report.longreprtext,
        "rerun": f"pytest '{report.nodeid}'",
        "record": f"pytest --scanout-record '{report.nodeid}'",
        "checks": [_check(check, folder, harness) for check in evidence.checks],
        "machines": [_machine(state, index, folder) for index, state in enumerate(evidence.machines)],
        "recordings": [str(recording.name) for recording in evidence.recordings],
    }


def save_pictures(check: FailedCheck, harness: Harness) -> dict[str, Path]:
    """Keep the pictures of a failed check; returns where "expected", "actual" and "difference" are.

    Raises:
        BadInput: One cannot be written.
    """
    prepare(harness.session.results)
    folder = folder_of(harness)
    folder.mkdir(exist_ok=True)
    paths = _paths(check, folder)
    for kind, path in paths.items():
        save_png(path, getattr(check, kind))
    return paths


def _paths(check: FailedCheck, folder: Path) -> dict[str, Path]:
    kinds = ("expected", "actual", "difference")
    return {kind: folder / f"{check.name}.{kind}.png" for kind in kinds if getattr(check, kind) is not None}


def _check(check: FailedCheck, folder: Path, harness: Harness) -> dict[str, Any]:
    return {
        "name": check.name,
        "says": check.says,
        "golden": harness.session.told(check.golden),
        "pictures": {kind: path.name for kind, path in _paths(check, folder).items()},
    }


def _machine(state: MachineState, index: int, folder: Path) -> dict[str, Any]:
    return {
        "seed": state.seed,
        "stats": state.stats,
        "timeline": state.timeline,
        "recording": None if state.recording is None else state.recording.name,
        "pictures": {
            name: _saved(folder / f"machine-{index}.{safe(name)}.png", picture)
            for name, picture in state.pictures.items()
        },
    }


def _saved(path: Path, picture: Picture) -> str:
    save_png(path, picture)
    return path.name
