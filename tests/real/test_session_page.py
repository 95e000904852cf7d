"""The page on tests with real kernels: its tests pass as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "real-kernels-in-tests.md"


def test_the_pages_tests_pass(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks))
    settings = (
        "asyncio_mode = auto",
        "asyncio_default_fixture_loop_scope = function",
        "filterwarnings = error",
    )
    (tmp_path / "pytest.ini").write_text("\n".join(("[pytest]", *settings)))
    command = [sys.executable, "-m", "pytest", "-q", "test_page.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr
