"""The fixture `screenshot`: golden pictures beside the test, and what a failure says."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.compare import load_png, open_golden, write_golden
from compositor.pixels.screenshot import save_png
from tests.compositor.testing.conftest import Run

pytest_plugins = ["pytester"]

SHOT = """
async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["64x48@60"], seed=7)
    await m.attach(guest("plasma"))
    await m.run(frames=3)
    screenshot.check(m{arguments})
"""
ONE = SHOT.format(arguments="")
GOLDEN = Path("golden/test_it/test_it.png")


def picture() -> NDArray[np.uint8]:
    return np.array(load_png(GOLDEN))


def change(rows: Any = slice(10, 12), columns: Any = slice(20, 23), path: Path = GOLDEN) -> None:
    """Change some pixels of a golden picture, as a renderer with a mistake would make it differ."""
    pixels = np.array(load_png(path))
    pixels[rows, columns, 0] ^= 9
    write_golden(path, pixels)


def test_the_first_run_writes_and_fails_and_the_second_passes(run: Run) -> None:
    result = run(ONE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * there was no golden picture test_it.png: it is written to golden/test_it/test_it.png; "
            "look at it, and run the test again"
        ]
    )
    assert picture().shape == (48, 64, 4)
    run(None).assert_outcomes(passed=1)


def test_a_golden_picture_says_how_it_was_made(run: Run) -> None:
    run(ONE)
    made = open_golden(GOLDEN).metadata
    assert made["mode"] == "64x48@60"
    assert (made["seed"], made["frame"], made["clock"], made["test"]) == (
        7,
        3,
        "virtual",
        "test_it.py::test_it",
    )
    assert made["digest"].startswith("sha256:")
    assert made["version"] == "0.1.0"


def test_a_difference_explains_itself(run: Run) -> None:
    run(ONE)
    change()
    result = run(None, "--scanout-record")
    result.assert_outcomes(failed=1)
    folder = "scanout-results/test_it.py-test_it-889b5006"
    result.stdout.fnmatch_lines(
        [
            ">       screenshot.check(m)",
            "E *test_it.png: 6 of 3072 pixels differ, by up to 9, within 3x2 at (20, 10) (red *)",
            "E       there:      plasma",
            "E       expected:   golden/test_it/test_it.png",
            f"E       actual:     {folder}/test_it.actual.png",
            f"E       difference: {folder}/test_it.difference.png",
            "E       update:     pytest --update-screenshots=changed 'test_it.py::test_it'",
            f"E       replay:     scanout replay {folder}/machine-0.rec",
            "test_it.py:6: PictureDiffers",
        ],
        consecutive=False,
    )
    places = [line for line in result.outlines if ".py:" in line and line.startswith("/")]
    assert places == []  # nothing of the inside
    assert (load_png(Path(folder) / "test_it.actual.png") != picture()).any(axis=2).sum() == 6
    assert load_png(Path(folder) / "test_it.difference.png").shape == (48, 64, 4)


def test_a_golden_that_another_program_wrote_is_compared_by_its_pixels(run: Run) -> None:
    run(ONE)
    save_png(GOLDEN, picture())
    run(None).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "missing", "changed", "rewrites_equal"),
    [
        ((), "failed", "failed", False),
        (("--update-screenshots=missing",), "passed", "failed", False),
        (("--update-screenshots",), "passed", "passed", False),
        (("--update-screenshots=changed",), "passed", "passed", False),
        (("--update-screenshots=all",), "passed", "passed", True),
    ],
)
def test_what_is_updated_is_what_was_asked_for(
    run: Run, option: tuple[str, ...], missing: str, changed: str, rewrites_equal: bool
) -> None:
    run(ONE, *option).assert_outcomes(**{missing: 1})
    original = GOLDEN.read_bytes()
    change()
    edited = GOLDEN.read_bytes()
    run(None, *option).assert_outcomes(**{changed: 1})
    assert GOLDEN.read_bytes() == (original if changed == "passed" else edited)
    write_golden(GOLDEN, picture(), {"by": "hand"})
    if changed == "passed":
        run(None, *option).assert_outcomes(passed=1)
        assert (open_golden(GOLDEN).metadata == {"by": "hand"}) is not rewrites_equal


def test_an_update_that_there_is_not_is_refused(run: Run) -> None:
    result = run(ONE, "--update-screenshots=some")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E *--update-screenshots some: not one of missing, changed, all; before a path*"]
    )


def test_several_pictures_may_be_approved(run: Run) -> None:
    run(ONE)
    GOLDEN.rename(GOLDEN.with_name("test_it~2.png"))
    write_golden(GOLDEN, np.zeros((48, 64, 4), np.uint8))
    run(None).assert_outcomes(passed=1)
    change(path=GOLDEN.with_name("test_it~2.png"))
    result = run(None)
    result.stdout.fnmatch_lines(["E *test_it~2.png: 6 of 3072 pixels differ*"])  # the one that is closest


MEANT = {
    "the part that differs is masked": (", mask=(20, 10, 3, 2)", True),
    "another part is masked": (", mask=[(0, 0, 5, 5), (40, 0, 9, 9)]", False),
    "the clip leaves it out": (", clip=(0, 0, 64, 10)", True),
    "the clip has it": (", clip=(0, 0, 64, 11)", False),
    "the guest is masked, and a corner is left": (", clip=(0, 0, 9, 9), mask=[(1, 1, 8, 8)]", True),
    "a difference is tolerated": (", tolerance=9", True),
    "it is too large": (", tolerance=8", False),
    "that many pixels are tolerated": (', tolerance="pixels=6"', True),
    "those are too many": (', tolerance="pixels=5"', False),
}


@pytest.mark.parametrize("what", MEANT)
def test_masks_clips_and_tolerances_decide(run: Run, what: str) -> None:
    arguments, passes = MEANT[what]
    run(SHOT.format(arguments=arguments), "--update-screenshots")
    whole = SHOT.format(arguments=', "whole"')
    run(whole, "--update-screenshots")
    changed = whole.replace('screenshot.check(m, "whole")', CHANGED.format(arguments=arguments))
    run(changed).assert_outcomes(**{"passed" if passes else "failed": 1})


CHANGED = """
    pixels = m.screenshot()
    pixels[10:12, 20:23, 0] ^= 9
    screenshot.check(pixels{arguments})
"""

SCENE = """
from compositor import Placement

async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["96x48@60", "48x48@60"])
    left = await m.attach(guest("plasma", name="left", size=(40, 40), seed={left}), [Placement(x=2, y=3)])
    await m.attach(guest("plasma", name="right", size=(40, 40), seed={right}), [Placement(x=50, y=3)])
    await m.attach(guest("plasma", name="other", size=(48, 48)), [Placement(output=1)])
    await m.run(frames=2)
    screenshot.check(m{arguments})
"""


@pytest.mark.parametrize(
    ("arguments", "passes"),
    [
        (', mask="right"', True),
        (', mask="left"', False),
        (', mask=["left", "right"]', True),
        (", mask=left", False),
        (", mask=left.display.heads[0].surface", False),
        (', clip="left"', True),
        (", clip=left", True),
        (', clip="right"', False),
        (", output=1", True),
        (', output="output-1"', True),
        ("", False),
    ],
)
def test_guests_and_nodes_are_masked_by_name(run: Run, arguments: str, passes: bool) -> None:
    run(SCENE.format(left=1, right=2, arguments=arguments), "--update-screenshots").assert_outcomes(passed=1)
    result = run(SCENE.format(left=1, right=3, arguments=arguments))
    result.assert_outcomes(**{"passed" if passes else "failed": 1})
    if 'clip="left"' in arguments:
        assert picture().shape == (40, 40, 4)


def test_a_difference_names_the_guests_that_are_there(run: Run) -> None:
    run(SCENE.format(left=1, right=2, arguments=""), "--update-screenshots")
    result = run(SCENE.format(left=1, right=3, arguments=""))
    result.stdout.fnmatch_lines(["E *within 40x40 at (50, 3)*", "E       there:      right"])


def test_an_output_or_a_frame_or_an_image_can_be_checked(run: Run) -> None:
    text = """
from PIL import Image
import numpy as np

async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["64x48@60"], seed=7)
    await m.attach(guest("plasma"))
    frame = await m.next_frame()
    screenshot.check(m.outputs[0], "output")
    screenshot.check(frame, "frame")
    screenshot.check(Image.fromarray(m.screenshot()), "image")
    screenshot.check(m.screenshot()[..., :3], "array")
"""
    run(text, "--update-screenshots").assert_outcomes(passed=1)
    run(None).assert_outcomes(passed=1)
    pictures = [load_png(path) for path in sorted(GOLDEN.parent.glob("test_it.*.png"))]
    assert len(pictures) == 4
    assert all(np.array_equal(one, pictures[0]) for one in pictures)


MOMENTS = """
async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["64x48@60"])
    await m.attach(guest("plasma", frames=5))
    {lines}
    assert m.presented == {presented}
"""


@pytest.mark.parametrize(
    ("lines", "presented"),
    [
        ("await screenshot.check_at(m, frame=3)", 3),
        ("await m.next_frame()\n    await screenshot.check_at(m, frame=1)", 1),
        ("await screenshot.check_at(m, when=lambda: m.presented == 4)", 4),
        ("await screenshot.check_at(m, stable=3)", 5),
    ],
)
def test_a_check_waits_for_its_moment(run: Run, lines: str, presented: int) -> None:
    text = MOMENTS.format(lines=lines, presented=presented)
    run(text, "--update-screenshots").assert_outcomes(passed=1)
    run(None).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("await screenshot.check_at(m)", "say when to look, in one way: frame=N, stable=N or when=function"),
        ("await screenshot.check_at(m, frame=1, stable=2)", "say when to look, in one way: *"),
        (
            "await m.frames(3)\n    await screenshot.check_at(m, frame=2)",
            "frame 2 of output-0 is gone: 3 were *",
        ),
        ("await screenshot.check_at(m, frame=9, within=1)", "waited for 9 frames of output-0: *"),
        ("await screenshot.check_at(m, when=lambda: 1 / 0)", "division by zero"),
    ],
)
def test_a_moment_that_does_not_come_is_one_line(run: Run, lines: str, says: str) -> None:
    result = run(MOMENTS.format(lines=lines, presented=0))
    result.stdout.fnmatch_lines([f"E *{says}"])
    assert [line for line in result.outlines if ".py:" in line and line.startswith(("/", ".."))] == []


ANIMATION = """
async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["64x48@60"])
    await m.attach(guest("plasma", seed={seed}))
    await screenshot.check_sequence(m, frames=5, every=2, clip=(0, 0, 32, 20))
    assert m.presented == 10
"""


def test_an_animation_is_one_check_and_one_file(run: Run) -> None:
    run(ANIMATION.format(seed=1), "--update-screenshots").assert_outcomes(passed=1)
    run(None).assert_outcomes(passed=1)
    assert len(list(GOLDEN.parent.iterdir())) == 1
    assert picture().shape == (60, 64, 4)  # two beside each other, three rows
    change(slice(20, 21), slice(32, 33))
    result = run(None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E       frames:     4 of 5"])


def test_an_animation_has_frames_of_one_size_that_fit(run: Run) -> None:
    text = """
import numpy as np
import pytest
from compositor.errors import BadInput

def test_it(screenshot):
    small, large = np.zeros((2, 3, 4), np.uint8), np.zeros((5000, 5000, 4), np.uint8)
    for frames, says in (
        ([], "not none"), ([small, small[:1]], "not 3x1 and 3x2"), ([large, large], "has room for 1;")
    ):
        with pytest.raises(BadInput, match=says):
            screenshot.check(frames)
"""
    run(text).assert_outcomes(passed=1)


# Names.


def test_names_are_safe_on_every_file_system_and_stay_apart(run: Run) -> None:
    text = """
import numpy as np
import pytest

class TestWall:
    @pytest.mark.parametrize("what", ["a/b", "a b", "a-b", "\\u00fc", "x" * 300])
    def test_it(self, screenshot, what):
        screenshot.check(np.zeros((2, 3, 4), np.uint8))
        screenshot.check(np.zeros((2, 3, 4), np.uint8), "left / \\u00e9")
"""
    run(text, "--update-screenshots").assert_outcomes(passed=5)
    run(None).assert_outcomes(passed=5)
    names = [path.name for path in GOLDEN.parent.iterdir()]
    assert len(names) == 10
    assert all(name.isascii() and len(name) < 200 and " " not in name for name in names)
    assert "TestWall.test_it--a-b.png" in names


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            "screenshot.check(p)\n    screenshot.check(p)",
            "this test has checked test_it.png already: give each *",
        ),
        ('screenshot.check(p, "")', "a picture's name is a text that is not empty, not ''"),
        ("screenshot.check(p, 7)", "a picture's name is a text that is not empty, not 7"),
        ("screenshot.check(99)", "int is no picture: *"),
        ('screenshot.check("nowhere.png")', "cannot read nowhere.png: No such file or directory"),
        ('screenshot.check(p, mask="gears")', "mask 'gears': a picture without a machine has no guests*"),
        ("screenshot.check(p, mask=(0, 0, 3, 2))", "the mask and the clip leave nothing to compare"),
        ("screenshot.check(p, clip=(9, 9, 3, 2))", "clip (9, 9, 3, 2) has no pixel of a picture of 3x2"),
        ("screenshot.check(p, tolerance=300)", "tolerance channel=300: must be 0 to 255"),
    ],
)
def test_what_makes_no_sense_is_one_line_at_the_line_of_the_test(run: Run, lines: str, says: str) -> None:
    text = "import numpy as np\np = np.zeros((2, 3, 4), np.uint8)\ndef test_it(screenshot):\n    "
    result = run(text + lines, "--update-screenshots")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *{says}"])
    assert [line for line in result.outlines if ".py:" in line and line.startswith(("/", ".."))] == []


def test_a_guest_that_is_not_there_is_named_with_those_that_are(run: Run) -> None:
    result = run(SHOT.format(arguments=', mask="gears"'))
    result.stdout.fnmatch_lines(
        ["E *mask 'gears': no guest or surface of output-0 has this name; there are plasma"]
    )


def test_two_tests_cannot_use_one_golden(run: Run) -> None:
    text = """
import numpy as np
import pytest

@pytest.mark.parametrize("x", ["a", "a.b"])
def test_it(screenshot, x):
    screenshot.check(np.zeros((2, 3, 4), np.uint8), "b" if x == "a" else None)
"""
    result = run(text, "--update-screenshots")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *golden/test_it/test_it--a.b.png belongs to test_it.py::test_it[[]a[]]: two tests cannot *"]
    )


# Files that are wrong.


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (truncated, "golden/test_it/test_it.png is *"),
        (lambda data: b"", "golden/test_it/test_it.png is *"),
        (lambda data: b"GIF89a" + data, "golden/test_it/test_it.png is not a PNG*"),
    ],
)
def test_a_golden_that_cannot_be_read_is_one_line(run: Run, damage: Any, says: str) -> None:
    run(ONE)
    whole = GOLDEN.read_bytes()
    GOLDEN.write_bytes(damage(whole))
    result = run(None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"E *{says}; pytest --update-screenshots=changed 'test_it.py::test_it', or restore it"]
    )
    run(None, "--update-screenshots").assert_outcomes(passed=1)
    assert GOLDEN.read_bytes() == whole


def test_a_golden_of_another_size_says_the_sizes(run: Run) -> None:
    run(ONE)
    write_golden(GOLDEN, np.zeros((7, 9, 4), np.uint8))
    result = run(None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *test_it.png: sizes 9x7 and 64x48*"])


def test_a_full_disk_leaves_the_old_golden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ONE)
    change()
    old = GOLDEN.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        result = run(None, "--update-screenshots")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *cannot write */golden/test_it/test_it.png: No space left on device"])
    assert GOLDEN.read_bytes() == old
    assert list(GOLDEN.parent.iterdir()) == [GOLDEN]


def test_a_folder_that_cannot_be_made_is_one_line(run: Run) -> None:
    Path("golden").write_text("in the way")
    result = run(ONE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *cannot write */golden/test_it/test_it.png: *"])
