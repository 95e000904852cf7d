"""The compositor, compiled for the guest."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "tiler.c"
FLAGS = ("-static", "-O2", "-Wall", "-Wextra", "-Werror", "-I/usr/include/libdrm")


@pytest.fixture(scope="session")
def tiler(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A static program: the guest needs nothing else to run it."""
    if shutil.which("cc") is None:
        reason = "no C compiler; install one with: apt-get install gcc libc6-dev libdrm-dev"
        if request.config.getoption("--require-real-guests"):
            pytest.fail(f"--require-real-guests: {reason}", pytrace=False)
        pytest.skip(reason)
    program = tmp_path_factory.mktemp("guest") / "tiler"
    subprocess.run(["cc", *FLAGS, "-o", program, SOURCE], check=True)
    return program
