"""IGT's tests of DRM and KMS in a UML kernel, on our device and on the virtual clock: `make test-igt`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compositor import Machine, Output
from guest import UmlGuest
from tests.igt.results import Expected, expectations, outcomes, surprises

ROOT = os.environ.get("SCANOUT_IGT_ROOT")
TESTS = "/usr/libexec/igt-gpu-tools"
# UML's tty0 is no virtual terminal, which IGT would switch to graphics; and there are vgem and vkms, too.
# Into a pipe it prints without colours; its exit status says no more than its subtests do.
PREPARE = "rm -f /dev/tty*; export IGT_FORCE_DRIVER=virtio_gpu"


@pytest.mark.real
@pytest.mark.skipif(ROOT is None, reason="SCANOUT_IGT_ROOT names no root with IGT; make test-igt makes one")
@pytest.mark.parametrize("test", expectations())
async def test_igt(test: str) -> None:
    console: list[str] = []
    guest = UmlGuest(
        None,
        command=("/bin/sh", "-c", f"{PREPARE}; {TESTS}/{test} 2>&1 | cat"),
        root=Path(ROOT or ""),
        memory=512,
    )
    async with Machine(
        outputs=[Output("1024x768@60")], clock="virtual", digest=False, echo=console.append
    ) as machine:
        await machine.attach(guest)
        await machine.run()
    found = outcomes("".join(console))
    assert surprises(found, expectations()[test]) == []


CONSOLE = """\
IGT-Version: 2.5 (x86_64)\r
Subtest basic: SUCCESS (0.001s)\r
Dynamic subtest pipe-A: FAIL (0.001s)
Subtest tiled: SKIP (0.000s)
Subtest size-max failed.
Subtest size-max: FAIL (0.000s)
"""


def test_outcomes_are_read_off_the_console() -> None:
    assert outcomes(CONSOLE) == {"basic": "SUCCESS", "tiled": "SKIP", "size-max": "FAIL"}


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        (Expected(1, {"size-max": "driver"}), []),
        (Expected(1, {}), ["size-max: FAIL, and no failure was expected"]),
        (Expected(2, {"size-max": "driver"}), ["1 subtests passed, expected were 2"]),
        (
            Expected(1, {"size-max": "a", "basic": "b", "gone": "c"}),
            [
                "basic: SUCCESS, and it was expected to fail: b",
                "gone: missing, and it was expected to fail: c",
            ],
        ),
    ],
)
def test_what_is_not_as_expected_is_said(expected: Expected, lines: list[str]) -> None:
    assert surprises(outcomes(CONSOLE), expected) == lines


def test_a_test_that_printed_nothing_is_a_surprise() -> None:
    for name, expected in expectations().items():
        assert surprises({}, expected), name


def test_every_failure_is_explained() -> None:
    assert all(len(why) > 5 for expected in expectations().values() for why in expected.fails.values())
