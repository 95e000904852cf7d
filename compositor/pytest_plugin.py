"""The pytest plugin: fixtures, options and markers of `scanout` for tests of display stacks.

Every pytest run of an environment that has `scanout` imports this module, so it imports nothing: what
fixtures are made of lies in `compositor.testing`, and is imported by the first test that asks for one.

    async def test_gears_are_scanned_out(machine, guest):
        m = await machine(outputs=["640x480@60"])
        await m.attach(guest("gears"))
        assert (await m.next_frame()).direct

A test's machines are closed inside the test's own coroutine (`compositor.testing.harness`), so that it does
not matter what runs coroutines: pytest-asyncio in any mode, anyio, or the test itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from compositor.testing.cases import Case
    from compositor.testing.guests import GuestFactory
    from compositor.testing.harness import Harness
    from compositor.testing.machines import MachineFactory
    from compositor.testing.screenshots import Screenshot
    from compositor.testing.session import Session
    from virtio.clock import Calendar

MARKER = (
    "scanout(policies=[...], refresh=[...], formats=[...], guests=[...]): run the test once for each "
    "combination of what guests wait for, refresh rates, pixel formats and kinds of guest"
)

UPDATES = ("missing", "changed", "all")

_SESSION: pytest.StashKey[Session] = pytest.StashKey()
_HARNESS: pytest.StashKey[Harness] = pytest.StashKey()
_PARTIAL: pytest.StashKey[set[Path]] = pytest.StashKey()  # files of which tests were left out


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("scanout", "scanout: machines, guests and golden pictures")
    group.addoption(
        "--update-screenshots",
        nargs="?",
        const="changed",
        metavar="|".join(UPDATES),
        help="Write golden pictures: those that are missing, also those that differ (the default), or all.",
    )
    group.addoption(
        "--remove-unused-screenshots",
        action="store_true",
        help="Remove the golden pictures that no test of a whole file used.",
    )
    group.addoption(
        "--scanout-record",
        action="store_true",
        help="Keep a recording of the machines of every failing test, for: scanout replay.",
    )
    group.addoption(
        "--scanout-results",
        default="scanout-results",
        metavar="DIR",
        help="Where failing tests leave pictures, statistics and recordings (default: %(default)s).",
    )
    group.addoption(
        "--screenshot-report",
        metavar="DIR",
        help="Write DIR/index.html: the failing tests' pictures, statistics and frames, on one page.",
    )
    group.addoption(
        "--require-real-guests",
        action="store_true",
        help="A test whose real guest cannot run here fails, instead of being skipped.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and hear of all reports.

    Raises:
        pytest.UsageError: There is no such way to update; it is a path, most likely.
    """
    update = config.getoption("--update-screenshots")
    if update not in (None, *UPDATES):
        raise pytest.UsageError(
            f"--update-screenshots {update}: not one of {', '.join(UPDATES)}; before a path, write "
            "--update-screenshots=changed"
        )
    config.addinivalue_line("markers", MARKER)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Notes(config), "scanout-notes")


def session_of(config: pytest.Config) -> Session:
    """What the tests of this process share; made for the first that asks."""
    if _SESSION not in config.stash:
        from compositor.testing.session import Session  # noqa: PLC0415

        config.stash[_SESSION] = Session.of(config)
        config.stash[_SESSION].partial = config.stash.get(_PARTIAL, set())
    return config.stash[_SESSION]


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a test for each case of its marker."""
    if metafunc.definition.get_closest_marker("scanout") is not None:
        from compositor.testing.cases import parametrize  # noqa: PLC0415

        parametrize(metafunc)


@pytest.fixture
def scanout_harness(request: pytest.FixtureRequest) -> Generator[Harness, None, None]:
    """What the fixtures of one test share; other fixtures are made of it."""
    from compositor.testing.harness import Harness  # noqa: PLC0415

    harness = request.node.stash[_HARNESS] = Harness(session_of(request.config), request.node)
    yield harness
    harness.finish()


@pytest.fixture
def scanout_case() -> Case:
    """What the marker `scanout` chose for this run of the test; without it, nothing."""
    from compositor.testing.cases import Case  # noqa: PLC0415

    return Case()


@pytest.fixture
def machine(scanout_harness: Harness, scanout_case: Case) -> MachineFactory:
    """Makes machines on the virtual clock, and closes them with the test; await what a call returns."""
    from compositor.testing.machines import MachineFactory  # noqa: PLC0415

    return MachineFactory(scanout_harness, scanout_case)


@pytest.fixture
def guest(scanout_harness: Harness, scanout_case: Case) -> GuestFactory:
    """Describes guests: `await m.attach(guest("gears"))`."""
    from compositor.testing.guests import GuestFactory  # noqa: PLC0415

    return GuestFactory(scanout_harness, scanout_case)


@pytest.fixture
def screenshot(scanout_harness: Harness) -> Screenshot:
    """Compares pictures with golden ones beside the test: `screenshot.check(m)`."""
    from compositor.testing.screenshots import Screenshot  # noqa: PLC0415

    return Screenshot(scanout_harness)


@pytest.fixture
def virtual_clock(scanout_harness: Harness) -> Calendar:  # noqa: ARG001 - it looks for leftovers
    """A virtual clock without a machine, for fences, devices and guests by themselves."""
    from virtio.clock import Calendar  # noqa: PLC0415

    return Calendar()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Close the test's machines within the test, and look for what it left behind."""
    harness = item.stash.get(_HARNESS, None)
    if harness is None:
        return (yield)
    try:
        with harness.running():
            return (yield)
    except Exception as error:
        from compositor.testing.traces import trimmed  # noqa: PLC0415

        error.__traceback__ = trimmed(error, item)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Keep what a failed test showed, and say where."""
    report = yield
    harness = item.stash.get(_HARNESS, None)
    if harness is not None and call.when == "call":
        harness.reported(report)
    return report


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Of a file of which tests are left out, no golden picture is called unused."""
    for item in items:
        item.config.stash.setdefault(_PARTIAL, set()).add(item.path)


class Notes:
    """What the reports of a run say to this plugin, also those from xdist's workers; not in a worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._notes: list[dict[str, Any]] = []
        self._claims: str | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist where all of them say which golden picture they use."""
        from tempfile import mkdtemp  # noqa: PLC0415

        self._claims = self._claims or mkdtemp(prefix="scanout-claims-")
        node.workerinput["scanout_claims"] = self._claims  # `compositor.testing.session` reads it

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind, however the run ended."""
        if self._claims is not None:
            from shutil import rmtree  # noqa: PLC0415

            rmtree(self._claims, ignore_errors=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """What the last run's failing tests left goes."""
        results = self._config.rootpath / self._config.getoption("--scanout-results")
        if results.exists() and not self._config.option.collectonly:
            from compositor.testing.results import clear  # noqa: PLC0415

            clear(results)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down what a test used and left."""
        note = getattr(report, "scanout", None)
        if note is not None:
            self._notes.append(note)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what failing tests left, and which golden pictures no test used; write the report."""
        if self._notes or self._config.getoption("--screenshot-report"):
            from compositor.testing.summary import summarise  # noqa: PLC0415

            summarise(self._config, self._notes, terminalreporter)
