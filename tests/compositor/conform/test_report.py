"""Verdicts as text, JSON and JUnit's XML."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from compositor.conform import report
from compositor.conform.check import REGISTER, Check, Group, choose
from compositor.conform.checks import load
from compositor.conform.rig import Rig
from compositor.conform.suite import Verdict
from compositor.errors import BadInput

load()


def play(_rig: Rig) -> None:
    """Nothing."""


MUST = Check("a/must", "virtio 1.3, 5.7", "must", "It works.", play)
SHOULD = Check("a/should", "virtio 1.3, 5.8", "should", "It shines.", play)
VERDICTS = [
    Verdict(MUST, "pass", "", 0.5),
    Verdict(MUST, "fail", "it <smokes> & says \x1b[1m", 0.25),
    Verdict(SHOULD, "fail", "it is dull", 0.0),
    Verdict(SHOULD, "skip", "it is night", 0.0),
]


def test_a_line_says_what_and_why() -> None:
    assert [report.line(v) for v in VERDICTS] == [
        "pass a/must [must; virtio 1.3, 5.7]",
        "FAIL a/must [must; virtio 1.3, 5.7]: it <smokes> & says \x1b[1m",
        "fail a/should [should; virtio 1.3, 5.8]: it is dull",
        "skip a/should [should; virtio 1.3, 5.8]: it is night",
    ]
    assert report.summary(VERDICTS) == (
        "must: 1 passed, 1 failed, 0 skipped; should: 0 passed, 1 failed, 1 skipped"
    )


def test_json_has_everything() -> None:
    document = json.loads(report.as_json("a device", VERDICTS))
    assert document["format"] == 1
    assert document["device"] == "a device"
    assert document["totals"]["must"] == {"pass": 1, "fail": 1, "skip": 0}
    assert [check["outcome"] for check in document["checks"]] == ["pass", "fail", "fail", "skip"]
    assert document["checks"][2] == {
        "name": "a/should",
        "section": "virtio 1.3, 5.8",
        "level": "should",
        "requirement": "It shines.",
        "outcome": "fail",
        "reason": "it is dull",
        "seconds": 0.0,
    }


def test_junit_counts_failures_of_requirements_alone() -> None:
    suite = ElementTree.fromstring(report.as_junit("a device", VERDICTS))
    counts = {key: suite.get(key) for key in ("tests", "failures", "skipped", "time")}
    assert counts == {"tests": "4", "failures": "1", "skipped": "2", "time": "0.750"}
    assert [[part.tag for part in case] for case in suite] == [[], ["failure"], ["skipped"], ["skipped"]]
    messages = [part.get("message") for case in suite for part in case]
    assert messages == [
        "it <smokes> & says ?[1m [virtio 1.3, 5.7]",
        "advice not followed: it is dull [virtio 1.3, 5.8]",
        "it is night [virtio 1.3, 5.8]",
    ]
    assert suite[0].get("classname") == "conform.a"


def test_every_check_says_what_it_is_about() -> None:
    for check in REGISTER.values():
        assert check.section.startswith(("virtio 1.3, ", "vhost-user, "))
        assert check.requirement.endswith(".")
        assert "/" in check.name
        assert "_" not in check.name


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["fences/answers-carry-their-fence"], 1),
        (["packed-ring/*"], 5),
        (["2.8.17"], 1),
        (["2.8.17", "packed-ring/chains*"], 1),
        ([], len(REGISTER)),
    ],
)
def test_patterns_choose_by_name_and_section(patterns: list[str], found: int) -> None:
    assert len(list(choose(patterns))) == found


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match=r"--only 9\.9\.9: no check has this name or section"):
        list(choose(["fences/*", "9.9.9"]))


def test_a_group_takes_each_name_once() -> None:
    with pytest.raises(AssertionError):
        Group("fences").enter("answers-carry-their-fence", "1", "Again.", "must", play)
