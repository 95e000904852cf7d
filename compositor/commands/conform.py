"""`scanout conform`: the specification, played against a vhost-user virtio-gpu device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compositor.conform import report
from compositor.conform.check import Check, choose
from compositor.conform.checks import load
from compositor.conform.suite import Verdict, play
from compositor.conform.target import ListeningTarget, SpawnedTarget, Target
from compositor.errors import BadInput, RunFailed
from compositor.files import write_atomically


def conform(
    socket: Path | None,
    *,
    spawn: str | None,
    only: Sequence[str],
    deadline: float,
    as_json: bool,
    junit: Path | None,
    strict: bool,
) -> None:
    """Play the checks against one device, and print what came out.

    Raises:
        BadInput: There is not exactly one device, or no such check.
        RunFailed: A requirement was not met; with `strict`, or a piece of advice.
    """
    load()
    if (socket is None) == (spawn is None):
        raise BadInput(
            "name one device: the SOCKET where it listens, or --spawn and a command that starts it"
        )
    if not 0 < deadline <= 3600:
        raise BadInput(f"--deadline {deadline:g}: a check has more than 0 seconds, and an hour at most")
    checks = list(choose(only))
    device = str(socket) if spawn is None else spawn
    target: Target = ListeningTarget(socket) if socket is not None else SpawnedTarget(spawn or "")
    verdicts: list[Verdict] = []
    try:
        for verdict in play(checks, target, deadline):
            verdicts.append(verdict)
            if not as_json:
                print(report.line(verdict), flush=True)
    finally:
        target.close()
        _write(device, verdicts, as_json=as_json, junit=junit)
    failed = [v for v in verdicts if v.breaks or (strict and v.outcome == "fail")]
    if failed:
        raise RunFailed(f"{len(failed)} of {len(verdicts)} checks failed; the first: {failed[0].check.name}")


def _write(device: str, verdicts: Sequence[Verdict], *, as_json: bool, junit: Path | None) -> None:
    print(report.as_json(device, verdicts) if as_json else report.summary(verdicts), flush=True)
    if junit is not None:
        with write_atomically(junit) as file:
            file.write(report.as_junit(device, verdicts))


def list_checks(only: Sequence[str]) -> None:
    """Print every check: name, level, section, requirement.

    Raises:
        BadInput: There is no such check.
    """
    load()
    for check in choose(only):
        print(_described(check))


def _described(check: Check) -> str:
    return f"{check.name} [{check.level}; {check.section}]\n    {check.requirement}"
