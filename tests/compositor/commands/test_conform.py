"""`scanout conform`, from its options to its exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compositor.cli import main

FAKES = Path(__file__).parents[1] / "conform" / "fakes.py"
SPAWN = ("--spawn", f"{sys.executable} -S {FAKES} {{socket}} right")
PASSES, FAILS = "features/version-1-is-offered", "displays/display-info-has-16-entries"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            main(["conform", *arguments])
            status: object = 0
        except SystemExit as end:
            status = end.code or 0
        assert isinstance(status, int)
        return status, *capsys.readouterr()

    return call


def test_what_passes_is_a_line_and_status_0(run: Run) -> None:
    status, out, err = run(*SPAWN, "--only", PASSES)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"pass {PASSES} [must; virtio 1.3, 6.1]",
        "must: 1 passed, 0 failed, 0 skipped; should: 0 passed, 0 failed, 0 skipped",
    ]


def test_what_fails_is_status_1_and_in_every_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "conform.xml"
    status, out, err = run(*SPAWN, "--only", PASSES, "--only", FAILS, "--json", "--junit", str(file))
    assert status == 1
    assert err == f"scanout: 1 of 2 checks failed; the first: {FAILS}\n"
    document = json.loads(out)
    assert document["totals"]["must"] == {"pass": 1, "fail": 1, "skip": 0}
    assert [check["name"] for check in document["checks"]] == [PASSES, FAILS]
    suite = ElementTree.fromstring(file.read_bytes())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_advice_fails_when_strict_alone(run: Run) -> None:
    advice = ("--only", "displays/some-display-is-enabled")
    assert run(*SPAWN, *advice)[0] == 0
    status, _, err = run(*SPAWN, *advice, "--strict")
    assert (status, err) == (
        1,
        "scanout: 1 of 1 checks failed; the first: displays/some-display-is-enabled\n",
    )


def test_checks_are_listed(run: Run) -> None:
    status, out, _ = run("--list", "--only", PASSES)
    assert status == 0
    assert out == f"{PASSES} [must; virtio 1.3, 6.1]\n    A device offers VERSION_1.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name one device: the SOCKET where it listens, or --spawn"),
        (("socket", *SPAWN), "name one device"),
        (("no-such-socket",), "no-such-socket is no socket; start the device first"),
        ((*SPAWN, "--only", "9.9"), "--only 9.9: no check has this name"),
        ((*SPAWN, "--deadline", "0"), "--deadline 0: a check has more than 0 seconds"),
        (("--spawn", "device"), "--spawn 'device': write {socket} where the path"),
        (("--list", "--only", "9.9"), "--only 9.9: no check"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(arguments: tuple[str, ...], message: str, run: Run) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"scanout: {message}")
    assert err.count("\n") == 1
