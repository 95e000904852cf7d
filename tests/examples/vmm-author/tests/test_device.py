"""The specification, played against a device of one's own, and what a VMM sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
SCANOUT = Path(sys.executable).with_name("scanout")


def conform(device: str, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status of `scanout conform` against a program, and its verdicts by the checks' names."""
    command = [
        str(SCANOUT),
        "conform",
        "--spawn",
        f"{sys.executable} {device} {{socket}}",
        "--json",
        *options,
    ]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return done.returncode, {verdict["name"]: verdict for verdict in json.loads(done.stdout)["checks"]}


def test_the_device_does_what_the_specification_says() -> None:
    groups = ("protocol", "scanouts", "errors", "reset")
    status, verdicts = conform("my_device.py", *(part for group in groups for part in ("--only", group)))
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict["outcome"] == "fail"}
    assert wrong == {}
    assert status == 0
    assert sum(verdict["outcome"] == "pass" for verdict in verdicts.values()) > 60


WRONG = """
import asyncio
from my_device import GpuDevice, main
GpuDevice.reset = lambda self: None  # it keeps what the driver made
asyncio.run(main(*sys.argv[1:]))
"""


def test_a_mistake_in_the_device_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{WRONG}")
    status, verdicts = conform(str(wrong), "--only", "reset")
    assert status == 1
    assert verdicts["reset/a-reset-forgets-resources"]["outcome"] == "fail"
