"""What a test leaves behind fails it by name, and costs next to nothing to look for."""

import gc
from types import SimpleNamespace

import pytest

from compositor.testing import leftovers
from tests.compositor.testing.conftest import Run

pytest_plugins = ["pytester"]

LEFT = {
    "task": (
        "async def sleeper():\n        await asyncio.Event().wait()\n"
        "    kept.append(asyncio.create_task(sleeper(), name='napping'))\n    await asyncio.sleep(0)",
        "task napping: test_it.<locals>.sleeper",
    ),
    "process": ("kept.append(subprocess.Popen(['sleep', '1000']))", "process *: sleep 1000"),
    "zombie": (
        "kept.append(subprocess.Popen(['true']))\n"
        "    os.waitid(os.P_PID, kept[0].pid, os.WEXITED | os.WNOWAIT)",
        "process *: it has ended, and was not waited for",
    ),
    "descriptor": ("kept.append(os.open('/dev/null', os.O_RDONLY))", "descriptor *: /dev/null"),
    "memfd": ("kept.append(os.memfd_create('mine'))", "memfd mine (descriptor *)"),
    "thread": (
        "gate = threading.Event()\n    kept.append(gate)\n"
        "    threading.Thread(target=gate.wait, name='waiting', daemon=True).start()",
        "thread waiting",
    ),
    "mapping": (
        "frame = await m.next_frame()\n    kept.append(frame.front)",
        "mapping of memfd:plasma",
    ),
}

TEST = """
import asyncio, os, subprocess, threading

kept = []

async def test_it(machine, guest):
    m = await machine(outputs=["64x48@60"])
    await m.attach(guest("plasma"))
    await m.next_frame()
    {lines}

async def test_after_it(machine, guest):
    pass

def test_tidy_up():
    for left in kept:
        if isinstance(left, subprocess.Popen):
            left.kill()
            left.wait()
        elif isinstance(left, threading.Event):
            left.set()
        elif isinstance(left, int):
            os.close(left)
        elif hasattr(left, "close"):
            left.close()
    kept.clear()
"""


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_left_behind_fails_its_test_by_name(run: Run, kind: str) -> None:
    lines, name = LEFT[kind]
    result = run(TEST.format(lines=lines))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines([f"test_it left behind: {name}"])


def test_garbage_was_not_left_behind(run: Run) -> None:
    opened = "memory = SharedHandle.create(4096)\n    loop = [memory]\n    loop.append(loop)"
    text = TEST.format(lines=opened)
    run(f"from virtio.memory import SharedHandle\n{text}").assert_outcomes(passed=3)


def test_a_machine_leaves_nothing_to_the_collector(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest's memory goes with its machine, by itself: looking for leftovers costs no collection."""
    collected: list[int] = []
    monkeypatch.setattr(leftovers, "gc", SimpleNamespace(collect=collected.append))
    gc.disable()
    try:
        run(TEST.format(lines="await m.run(frames=3)\n    m.screenshot()")).assert_outcomes(passed=3)
    finally:
        gc.enable()
    assert not collected


def test_a_test_that_fails_anyway_keeps_its_own_message(run: Run) -> None:
    result = run(TEST.format(lines="kept.append(os.memfd_create('x'))\n    assert m.presented == 7"))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.no_fnmatch_line("*left behind*")


def test_a_test_may_ask_not_to_be_looked_at(run: Run) -> None:
    text = TEST.format(lines="kept.append(os.memfd_create('x'))")
    text = text.replace("async def test_it", "@pytest.mark.scanout(leftovers=False)\nasync def test_it")
    run(f"import pytest\n{text}", "--strict-markers").assert_outcomes(passed=3)


def test_tests_without_the_fixtures_are_left_alone(run: Run) -> None:
    text = "import os\nkept = []\ndef test_it():\n    kept.append(os.memfd_create('x'))\n"
    run(f"{text}def test_tidy_up():\n    os.close(kept.pop())\n").assert_outcomes(passed=2)


def test_the_renderers_helper_stays_for_the_next_test(run: Run) -> None:
    result = run(
        """
import threading
from compositor.render.lanes import Helper

async def test_it(machine):
    await machine(outputs=["64x48@60"])
    Helper()
    assert "scanout-render" in [thread.name for thread in threading.enumerate()]
""",
        process=True,
    )
    result.assert_outcomes(passed=1)
