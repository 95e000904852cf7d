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


def test_a_format_is_told_to_the_test(run: Run) -> None:
    result = run(
        """
import pytest

@pytest.mark.scanout(formats=["XR24", "AB24"])
def test_it(scanout_case, request):
    assert scanout_case.format in request.node.name
"""
    )
    result.assert_outcomes(passed=2)


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


FORMATS = """
import numpy as np
import pytest
from PIL import Image
from guest import Picture
from virtio.gpu.formats import Format

RGB = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)
SHOWN = {"array": lambda: RGB, "image": lambda: Image.fromarray(RGB), "picture": lambda: Picture(RGB)}

@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.scanout(formats=["XR24", "AB24"], guests=["simulated"])
async def test_it(machine, guest, scanout_case, shown):
    m = await machine(outputs=["64x48@60"])
    attached = await m.attach(guest(SHOWN[shown]()))
    await m.next_frame()
    assert attached.display.heads[0].flips.image.format is Format.named(scanout_case.format)
    assert (m.screenshot()[..., :3] == RGB).all()
"""


def test_a_picture_is_shown_in_the_markers_format(run: Run) -> None:
    run(FORMATS).assert_outcomes(passed=6)


def test_a_picture_in_the_markers_format_can_still_be_changed(run: Run) -> None:
    text = """
import numpy as np
import pytest
from guest import Picture

@pytest.mark.scanout(formats=["XB24"])
async def test_it(machine, guest):
    picture = Picture(np.zeros((48, 64, 3), np.uint8))
    m = await machine(outputs=["64x48@60"])
    await m.attach(guest(picture))
    await m.next_frame()
    picture.show(np.full((48, 64, 3), (1, 2, 3), np.uint8))
    await m.next_frame()
    assert m.screenshot()[5, 5, :3].tolist() == [1, 2, 3]
"""
    run(text).assert_outcomes(passed=1)


def test_a_process_shows_a_class_and_a_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        grey="""
class Grey:
    name, opaque = "grey", True
    def draw(self, frame, pixels):
        pixels[:] = 77
"""
    )
    text = """
import numpy as np
import pytest
from PIL import Image

@pytest.mark.scanout(formats=["XB24"], guests=["process"])
@pytest.mark.parametrize("shown", ["grey:Grey", "seven.png"])
async def test_it(machine, guest, shown, tmp_path):
    if shown.endswith("png"):
        shown = tmp_path / shown
        Image.fromarray(np.full((48, 64, 3), 7, np.uint8)).save(shown)
    m = await machine(outputs=["64x48@60"])
    await m.attach(guest(shown))
    await m.next_frame()
    assert m.screenshot()[5, 5, 0] == (77 if shown == "grey:Grey" else 7)
"""
    pytester.syspathinsert()
    run(text).assert_outcomes(passed=2)


def test_a_process_takes_no_object(run: Run) -> None:
    text = (
        "import numpy as np\ndef test_it(guest):\n    guest(np.zeros((16, 16), np.uint8), kind='process')\n"
    )
    run(text).stdout.fnmatch_lines(["E *Misuse: ndarray cannot cross to another process: *"])


def test_a_session_runs_no_program_by_default(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guest.real.LinuxGuest.prepare", lambda self: None)
    text = """
def test_it(guest):
    assert guest.uml(session=True).argv == ()
    assert guest(kind="uml", session=True).argv == ()
    assert guest.uml(None).argv == ()
    assert guest.uml().argv == ("pageflip",)
"""
    run(text).assert_outcomes(passed=1)
