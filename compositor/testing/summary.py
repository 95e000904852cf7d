"""What the end of a run says: where failing tests left their results, and which golden pictures are unused.

It is made from the notes that tests' reports carry (`Harness.reported`), so that it is the same with and
without xdist, whose workers saw the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compositor.errors import BadInput
from compositor.testing.results import write_index
from compositor.testing.session import Session
from compositor.testing.unused import Census

if TYPE_CHECKING:
    import pytest

Note = dict[str, Any]


def summarise(config: pytest.Config, notes: list[Note], terminal: pytest.TerminalReporter) -> None:
    """Write the list of results, and tell what there is to tell."""
    session = Session.of(config)
    failed = [{"test": note["test"], "folder": note["result"]} for note in notes if "result" in note]
    report = config.getoption("--screenshot-report")
    if failed or report:
        terminal.section("scanout")
    if failed:
        terminal.line(_results(session, failed))
    if report:
        terminal.line(_reported(session, config.invocation_params.dir / report, len(notes)))
    unused = list(Census(notes).unused())
    if unused:
        remove = config.getoption("--remove-unused-screenshots")
        terminal.section("scanout: golden pictures that no test used")
        for line in _dealt_with(session, unused, remove=remove):
            terminal.line(line)


def _reported(session: Session, folder: Path, tests: int) -> str:
    from compositor.testing.report import write_report  # noqa: PLC0415

    try:
        page = write_report(session.results, folder, tests=tests, told=session.told)
    except BadInput as error:
        return str(error)
    return f"report: {session.told(page)}"


def _results(session: Session, failed: list[Note]) -> str:
    try:
        write_index(session.results, failed)
    except OSError as error:
        return f"cannot list the results in {session.told(session.results)}: {error.strerror}"
    return f"{len(failed)} failed: pictures, statistics and recordings in {session.told(session.results)}"


def _dealt_with(session: Session, unused: list[Path], *, remove: bool) -> Iterator[str]:
    for path in unused:
        if remove:
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        yield f"{'removed ' if remove else ''}{session.told(path)}"
    if not remove:
        yield "to remove them: pytest --remove-unused-screenshots"
