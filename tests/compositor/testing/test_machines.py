"""The fixtures `machine` and `virtual_clock`: opened by `await`, closed with the test, whatever runs it."""

from pathlib import Path

import pytest

from tests.compositor.testing.conftest import Run

pytest_plugins = ["pytester"]

ONE = """
import pytest

opened = []

{mark}
async def test_one(machine, guest):
    m = await machine(outputs=["320x240@60"], seed=7)
    opened.append(m)
    await m.attach(guest("plasma", seed=1))
    frame = await m.next_frame()
    assert frame.commit_seq == 1 and frame.direct

def test_it_is_closed():
    assert opened[0].guests == []
    with pytest.raises(Exception, match="the machine is closed"):
        opened[0].serve("nowhere")
"""


def test_a_machine_is_closed_with_its_test(run: Run) -> None:
    run(ONE.format(mark="")).assert_outcomes(passed=2)


def test_it_works_with_pytest_asyncio_in_strict_mode(run: Run) -> None:
    text = ONE.format(mark="@pytest.mark.asyncio")
    run(text, "-o", "asyncio_mode=strict").assert_outcomes(passed=2)


def test_it_works_with_a_loop_of_the_whole_session(run: Run) -> None:
    text = ONE.format(mark='@pytest.mark.asyncio(loop_scope="session")')
    run(text).assert_outcomes(passed=2)


def test_it_works_with_anyio_beside_and_in_charge(run: Run) -> None:
    pytest.importorskip("anyio")
    backend = '\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    text = ONE.format(mark="@pytest.mark.anyio") + backend
    run(text, "-p", "no:asyncio", auto=False, process=True).assert_outcomes(passed=2)
    run(text, "-o", "asyncio_mode=strict", process=True).assert_outcomes(passed=2)


def test_it_works_with_xdist(run: Run) -> None:
    pytest.importorskip("xdist")
    run(ONE.format(mark="").partition("def test_it_is_closed")[0], "-n", "2", process=True).assert_outcomes(
        passed=1
    )


def test_it_works_with_hypothesis(run: Run) -> None:
    result = run(
        """
        from hypothesis import HealthCheck, given, settings, strategies

        opened = []

        @given(seed=strategies.integers(0, 9))
        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
        async def test_each_example_has_its_machine(seed, machine, guest):
            assert all(m.guests == [] for m in opened)
            m = await machine(outputs=["64x48@60"], seed=seed)
            opened.append(m)
            await m.attach(guest("plasma"))
            await m.next_frame()
        """.replace("\n        ", "\n")
    )
    result.assert_outcomes(passed=1)


def test_a_test_may_close_its_machine_itself(run: Run) -> None:
    run(
        """
async def test_it(machine, guest):
    async with machine(outputs=["64x48@60"]) as m:
        await m.attach(guest("plasma"))
        await m.next_frame()
    assert m.guests == []
"""
    ).assert_outcomes(passed=1)


def test_an_async_fixture_may_open_one(run: Run) -> None:
    run(
        """
import pytest_asyncio

@pytest_asyncio.fixture
async def desk(machine, guest):
    m = await machine(outputs=["64x48@60"])
    await m.attach(guest("plasma"))
    yield m
    assert m.guests == []  # closed with the test

async def test_it(desk):
    await desk.next_frame()
"""
    ).assert_outcomes(passed=1)


def test_a_plain_test_runs_its_own_loop(run: Run) -> None:
    run(
        """
import asyncio

def test_it(machine, guest):
    async def main():
        async with machine(outputs=["64x48@60"]) as m:
            await m.attach(guest("plasma"))
            await m.next_frame()
    asyncio.run(main())
"""
    ).assert_outcomes(passed=1)


def test_a_machine_that_a_plain_test_leaves_open_is_said(run: Run) -> None:
    result = run(
        """
import asyncio

def test_it(machine, guest):
    async def main():
        m = await machine(outputs=["64x48@60"])
        await m.attach(guest("plasma"))
    asyncio.run(main())
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*test_it left a machine open in a loop that is gone*async with machine(...)*"]
    )


MISTAKES = {
    'm = machine()\n    await m.attach(guest("plasma"))': "*not open yet (.attach): write *await machine(*",
    'await machine(outputs=["nonsense"])': 'mode "nonsense" is not of the form WIDTHxHEIGHT@HZ*',
    "opening = machine()\n    await opening\n    await opening": "*was opened already*",
    "m = await machine()\n    async with m:\n        pass": "*entered*",
    "m = await machine()\n    await m.until(lambda: 1 / 0)": "division by zero",
    "async with machine() as m:\n        pass\n    await m.run(frames=1)": "*the machine is closed*",
    'guest("plasma", kind="vax")': "guest kind 'vax': there are simulated, process, uml, qemu",
}


@pytest.mark.parametrize("lines", MISTAKES)
def test_a_mistake_is_one_line_at_the_line_of_the_test(run: Run, lines: str) -> None:
    result = run(f"async def test_it(machine, guest):\n    {lines}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E * {MISTAKES[lines]}"])
    places = [
        line
        for line in result.outlines
        if ".py:" in line and not line.startswith(("FAILED", "E ", "record:"))
    ]
    assert all(line.startswith("test_it.py:") for line in places), places
    assert places


def test_a_machine_used_in_another_loop_says_so(run: Run) -> None:
    result = run(
        """
import asyncio

def test_it(machine, guest):
    async def start():
        opening = machine(outputs=["64x48@60"])
        m = await opening
        await m.attach(guest("plasma"))
        return opening, m
    opening, m = asyncio.run(start())
    asyncio.run(m.next_frame())
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*another loop*"])


def test_a_test_without_asyncio_is_told_what_it_needs(run: Run) -> None:
    result = run("def test_it(machine):\n    machine().__await__().send(None)\n")
    result.stdout.fnmatch_lines(["*a machine needs asyncio, and no loop of it runs here*"])


def test_a_virtual_clock_stands_alone(run: Run) -> None:
    run(
        """
def test_it(virtual_clock):
    heard = []
    virtual_clock.call_at(5, lambda: heard.append(virtual_clock.now_ns()))
    assert virtual_clock.run_next() and heard == [5]
"""
    ).assert_outcomes(passed=1)


def test_the_fixtures_are_listed_with_what_they_are(run: Run) -> None:
    result = run("", "--fixtures", "-q")
    for name in ("machine", "guest", "screenshot", "virtual_clock"):
        result.stdout.fnmatch_lines([f"{name} -- *", "    *"])


def test_an_unused_plugin_imports_nothing(run: Run) -> None:
    script = Path("conftest.py")
    script.write_text(
        "import sys\n"
        "def pytest_sessionfinish(session):\n"
        "    heavy = {'numpy', 'numba', 'PIL', 'compositor.testing', 'compositor.machine', 'virtio'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    alone = ("-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:anyio")
    result = run("def test_it():\n    pass\n", *alone, auto=False, process=True)
    assert result.ret == 0, result.stdout.str()
