"""The fixture `guest`, and the marker that runs a test for each policy, rate, format and kind of guest."""

import pytest

from tests.compositor.testing.conftest import Run

pytest_plugins = ["pytester"]

RATES = """
import pytest

@pytest.mark.scanout(policies=["release", "queue"], refresh=[60, 144], guests=["simulated"])
async def test_rates(machine, guest, scanout_case):
    m = await machine(outputs=["64x48"])
    attached = await m.attach(guest("plasma"))
    assert attached.sync == scanout_case.policy
    await m.run(seconds=0.5)
    assert m.presented == scanout_case.refresh / 2
"""


def test_a_test_runs_for_each_combination(run: Run) -> None:
    result = run(RATES, "-v", "--strict-markers")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*test_rates[[]simulated-release-60Hz[]]*", "*[[]simulated-queue-144Hz[]]*"])


def test_the_nearest_marker_decides_for_each_keyword(run: Run) -> None:
    text = RATES.replace("async def", '@pytest.mark.scanout(policies=["none"])\nasync def')
    result = run(text, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_rates[[]simulated-none-60Hz[]]*"])


MISUSED = {
    'policies=["hope"]': "*policies='hope': guest of the marker: sync 'hope' is not for it; *",
    "refresh=[0]": '*refresh=0: mode "640x480@0": refresh rate 0 is not in 1 to 1000 Hz',
    'refresh=["fast"]': "*refresh='fast': a refresh rate is a number of hertz",
    'formats=["ABCD"]': "*formats='ABCD': pixel format 'ABCD' is not one of: XR24 *",
    'guests=["vax"]': "*guests='vax': there are simulated, process, uml, qemu",
    "guests=[]": "*guests= takes a list that is not empty, not [[][]]",
    'guests="uml"': "*guests= takes a list that is not empty, not 'uml'",
    "colour=[1]": "*colour= is not one of policies, refresh, formats, guests, leftovers",
    "60": "*the marker takes keywords alone, not 60",
}


@pytest.mark.parametrize("arguments", MISUSED)
def test_a_marker_that_makes_no_sense_is_refused_with_its_test(run: Run, arguments: str) -> None:
    result = run(f"import pytest\n@pytest.mark.scanout({arguments})\nasync def test_it(machine):\n    pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"E *BadInput: test_it.py::test_it: pytest.mark.scanout: {MISUSED[arguments]}"]
    )


def test_a_marker_without_the_fixtures_is_refused(run: Run) -> None:
    result = run("import pytest\n@pytest.mark.scanout(refresh=[60])\nasync def test_it():\n    pass\n")
    result.stdout.fnmatch_lines(["*the test uses neither `machine` nor `guest`, which follow the marker"])


def test_a_rate_that_reaches_no_output_is_refused(run: Run) -> None:
    result = run(RATES.replace('"64x48"', '"64x48@60"'))
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["E *refresh=60 reaches no output: name a mode without a rate*"])


REAL = """
async def test_it(machine, guest):
    m = await machine(outputs=["640x480@60"])
    await m.attach(guest.uml())
"""


def test_a_real_guest_that_cannot_run_skips_and_says_what_installs_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANOUT_UML_KERNEL", "/nowhere/linux")
    result = run(REAL, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * test_it.py:4: uml guest: *SCANOUT_UML_KERNEL: /nowhere/linux*"])


def test_real_guests_may_be_required(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANOUT_UML_KERNEL", "/nowhere/linux")
    result = run(REAL, "--require-real-guests")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["--require-real-guests: uml guest: *"])


def test_a_missing_qemu_names_its_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(REAL.replace("uml()", "qemu()"), "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * qemu guest: *qemu-system-x86*"])


def test_a_guest_in_a_process_of_its_own(run: Run) -> None:
    run(
        """
async def test_it(machine, guest):
    m = await machine(outputs=["64x48@60"])
    attached = await m.attach(guest("plasma", kind="process"))
    frame = await m.next_frame()
    assert frame.frame_ids == {"plasma": 0}
"""
    ).assert_outcomes(passed=1)
