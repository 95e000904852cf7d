"""The public names: each is there, imported at first use, and typed for the users' own checks."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from virtio.lazy import PACKAGES, shadowed

ROOT = Path(__file__).parents[1]

USER = """
import re

from compositor import Frame, Machine, Misuse, Output, Placement, Presented, StopReason, WaitFailed
from guest import GuestDied, ProcessGuest, SimulatedGuest, UmlGuest
from virtio import Fence


async def test_it() -> None:
    async with Machine(outputs=[Output("640x480@60", name="left"), "320x240"], seed=3) as machine:
        guest = await machine.attach(SimulatedGuest("gears"), [Placement(output=1)])
        frame: Frame = await machine.next_frame("left", within=1.0)
        frames: list[Frame] = await machine.frames(3)
        count: int = await machine.until(lambda: guest.frames["presented"], within=None)
        shown: Presented = await machine.next_presented(guest)
        status: int = await machine.fence(guest.next_presented())
        reason: StopReason = await machine.run(seconds=1)
        await machine.settled(3)
        await machine.idle()
        other = await machine.attach(UmlGuest("pageflip"))
        match: re.Match[str] = await other.console.expect("login:")
        pid: int | None = other.pid
        other.kill()
        await other.restart()
        await other.detach()
        print(frame, frames, count, shown, status, reason, match, pid, ProcessGuest, Fence)
        try:
            machine.screenshot(9)
        except (WaitFailed, GuestDied, Misuse):
            pass
"""

MISTAKES = {
    "from compositor import Banana": "Banana",
    "from guest import Banana": "Banana",
    "from virtio import Banana": "Banana",
    "from compositor import Machine; Machine(clock='fast')": "clock",
    "from compositor import Machine; x: str = Machine().presented": "Incompatible types",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__) > 5
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Banana'"):
        _ = module.Banana


def python(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=path[0] if path else ROOT,
        env={"PYTHONPATH": ":".join(map(str, (*path, ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_the_packages_imports_nothing_that_is_heavy() -> None:
    done = python("import sys, compositor, guest, virtio; print(*sys.modules)")
    heavy = {"numpy", "numba", "asyncio", "PIL", "importlib.metadata", "msgspec", "compositor.machine"}
    assert not heavy & set(done.stdout.split()), done.stderr


def test_mypy_knows_the_types_of_a_users_code(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    cases = {"user": (USER, None), **{f"m{n}": case for n, case in enumerate(MISTAKES.items())}}
    for name, (code, _) in cases.items():
        (tmp_path / f"{name}.py").write_text(code)
    ini = f"[mypy]\nmypy_path = {ROOT}\nstrict = true\nfollow_imports = silent\n"
    (tmp_path / "mypy.ini").write_text(ini)
    files = [str(tmp_path / f"{name}.py") for name in cases]
    config = ["--config-file", str(tmp_path / "mypy.ini"), "--explicit-package-bases", "--no-error-summary"]
    said, trouble, _ = api.run([*config, "--cache-dir", str(tmp_path / "cache"), *files])
    assert not trouble
    for name, (_, expected) in cases.items():
        lines = [line for line in said.splitlines() if f"{name}.py:" in line]
        assert bool(lines) is (expected is not None), said
        assert expected is None or any(expected in line for line in lines), lines


@pytest.mark.parametrize("package", ["guest", "virtio"])
def test_another_package_of_our_names_is_named(package: str, tmp_path: Path) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    done = python("from compositor import Machine", tmp_path)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ImportError: ")]
    assert package in line
    assert str(tmp_path / package) in line
    assert "rename it, or start Python elsewhere" in line
    assert shadowed() == []
