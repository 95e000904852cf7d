"""Verdicts as text, as JSON and as JUnit's XML."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from compositor.conform.suite import Verdict

FORMAT = 1


def line(verdict: Verdict) -> str:
    """One verdict on one line: outcome, name, section, and why."""
    check = verdict.check
    mark = {"pass": "pass", "skip": "skip", "fail": "FAIL" if verdict.breaks else "fail"}[verdict.outcome]
    said = f": {verdict.reason}" if verdict.reason else ""
    return f"{mark} {check.name} [{check.level}; {check.section}]{said}"


def totals(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    """Number of outcomes by level."""
    counts = Counter((verdict.check.level, verdict.outcome) for verdict in verdicts)
    return {
        level: {outcome: counts[level, outcome] for outcome in ("pass", "fail", "skip")}
        for level in ("must", "should")
    }


def summary(verdicts: Sequence[Verdict]) -> str:
    """The totals as a line."""
    parts = [
        f"{level}: {counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped"
        for level, counts in totals(verdicts).items()
    ]
    return "; ".join(parts)


def document(device: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything, as `--json` prints it.

    Args:
        device: What was tested: a socket or a command line.
        verdicts: In order.
    """
    return {
        "format": FORMAT,
        "device": device,
        "totals": totals(verdicts),
        "checks": [
            {
                "name": verdict.check.name,
                "section": verdict.check.section,
                "level": verdict.check.level,
                "requirement": verdict.check.requirement,
                "outcome": verdict.outcome,
                "reason": verdict.reason,
                "seconds": round(verdict.seconds, 4),
            }
            for verdict in verdicts
        ],
    }


def as_json(device: str, verdicts: Sequence[Verdict]) -> str:
    """`document` as text."""
    return json.dumps(document(device, verdicts), indent=2)


def as_junit(device: str, verdicts: Sequence[Verdict]) -> bytes:
    """A `testsuite` of JUnit's: a case for each check, its group as the class.

    Advice that was not followed counts as skipped there, with what is wrong: JUnit knows no third way, and
    the exit status does not count it either.
    """
    failed = sum(verdict.breaks for verdict in verdicts)
    skipped = sum(verdict.outcome != "pass" and not verdict.breaks for verdict in verdicts)
    suite = ElementTree.Element(
        "testsuite",
        name=f"scanout conform {_printable(device)}",
        tests=str(len(verdicts)),
        failures=str(failed),
        errors="0",
        skipped=str(skipped),
        time=f"{sum(verdict.seconds for verdict in verdicts):.3f}",
    )
    for verdict in verdicts:
        group, _, name = verdict.check.name.partition("/")
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"conform.{group}", name=name, time=f"{verdict.seconds:.3f}"
        )
        reason = _printable(f"{verdict.reason} [{verdict.check.section}]")
        if verdict.breaks:
            ElementTree.SubElement(case, "failure", message=reason).text = verdict.check.requirement
        elif verdict.outcome != "pass":
            advice = "advice not followed: " if verdict.outcome == "fail" else ""
            ElementTree.SubElement(case, "skipped", message=advice + reason)
    ElementTree.indent(suite)
    text: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text


def _printable(text: str) -> str:
    """A device's last words may hold what XML cannot."""
    return "".join(character if character.isprintable() else "?" for character in text)
