"""The specification, played against a device of one's own, and what a VMM sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
SCANOUT = Path(sys.executable).with_name("scanout")


def conform(device: str, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status of `scanout conform` against a program, and its verdicts by the checks' names."""
    command = [SCANOUT, "conform", "--spawn", f"{sys.executable} {device} {{socket}}", "--json", *options]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return done.returncode, {verdict["name"]: verdict for verdict in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize("group", ["protocol", "scanouts", "errors", "reset"])
def test_the_device_does_what_the_specification_says(group: str) -> None:
    status, verdicts = conform("my_device.py", "--only", group)
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict["outcome"] == "fail"}
    assert wrong == {}
    assert status == 0
    assert sum(verdict["outcome"] == "pass" for verdict in verdicts.values()) > 3
