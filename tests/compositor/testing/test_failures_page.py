"""The page of failures: its tests fail as it says."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

from compositor.compare import load_png, write_golden
from tests.compositor.testing.conftest import ROOT, Run

pytest_plugins = ["pytester"]

PAGE = (ROOT / "docs/reference/failures.md").read_text()
GOLDEN = Path("golden/test_it/test_a_window.png")


def cases() -> dict[str, tuple[str, list[str]]]:
    """Each test of the page by its name, and the outputs that follow it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for language, text in re.findall(r"^```(python|text)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":
            (name,) = re.findall(r"def (test_\w+)", text)
            found[name] = text, []
        else:
            found[name][1].append(text)
    return found


CASES = cases()


def says(result: pytest.RunResult, expected: str) -> None:
    lines = [line.removeprefix("E").strip() for line in result.outlines]
    for wanted in expected.splitlines():
        assert any(fnmatchcase(line, f"*{wanted}") for line in lines), (wanted, lines)


@pytest.mark.parametrize("name", [name for name, (_, outputs) in CASES.items() if len(outputs) == 1])
def test_the_page_is_right(name: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SCANOUT_UML_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    test, (expected,) = CASES[name]
    result = run(test, "--require-real-guests", "--update-screenshots=missing")
    assert result.parseoutcomes().get("failed") == 1
    says(result, expected)


def test_a_picture_that_differs_is_as_the_page_says(run: Run) -> None:
    test, (missing, differs, small, damaged) = CASES["test_a_window"]
    says(run(test), missing)
    right = np.array(load_png(GOLDEN))
    wrong = right.copy()
    wrong[10:13, 20:24, 0] ^= 9
    write_golden(GOLDEN, wrong)
    says(run(None), differs)
    write_golden(GOLDEN, right[:24, :32])
    says(run(None), small)
    GOLDEN.write_bytes(GOLDEN.read_bytes()[:300])
    says(run(None), damaged)
