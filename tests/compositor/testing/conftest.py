"""Whole runs of pytest with the plugin, in this process where that is enough."""

import gc
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import compositor
import compositor.testing.guests
import compositor.testing.machines
import compositor.testing.screenshots
import compositor.testing.summary
import compositor.testing.traces
from compositor.render import blend

Run = Callable[..., pytest.RunResult]

# They are imported here, since pytester takes back what is imported within a run.
ROOT = Path(compositor.__file__).parents[1]
# Where the project is installed, pytest finds the plugin by itself.
PLUGIN = () if entry_points(group="pytest11", name="scanout") else ("-p", "compositor.pytest_plugin")
AUTO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.fixture(autouse=True, scope="module")
def _loaded(_small_heap: None) -> None:
    """pytest ends a run by collecting garbage, five times: not through the compiler, each time."""
    blend.load()
    gc.collect()
    gc.freeze()


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest on a file of tests: `run(text, *options)`; without a text, once more on what is there."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(
        text: str | None,
        *options: str,
        file: str = "test_it.py",
        auto: bool = True,
        process: bool = False,
    ) -> pytest.RunResult:
        if text is not None:
            pytester.path.joinpath(file).write_text(text)
        given = (*PLUGIN, *(AUTO if auto else ()), "-p", "no:cacheprovider", "-W", "error", *options)
        if process:  # hypothesis' plugin would import all of it, at the end, for its summary
            return pytester.runpytest_subprocess("-p", "no:hypothesispytest", *given)
        return pytester.runpytest_inprocess(*given)

    return run
