"""The report: one page that holds all it shows, and that a browser shows."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.compare import load_png, write_golden
from compositor.errors import BadInput
from compositor.testing.frames_drawn import draw_frames
from compositor.testing.report import write_report
from tests.compositor.testing.conftest import Run

pytest_plugins = ["pytester"]

TEST = """
async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["64x48@60"], seed=7)
    await m.attach(guest("plasma", name="<i>slanted"))
    await m.run(frames=3)
    screenshot.check(m)
"""
PASSES = "def test_it(virtual_clock):\n    assert virtual_clock.now_ns() == 0\n"
GOLDEN = Path("golden/test_it/test_it.png")
RED, GREEN = (255, 0, 0), (0, 255, 0)


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def plain(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((48, 64, 4), (*colour, 255), np.uint8)


def fail(run: Run, *options: str) -> Any:
    """A run with one failure: the golden picture is all red."""
    run(TEST)
    write_golden(GOLDEN, plain(RED))
    return run(None, "--screenshot-report", "out", *options)


def test_the_page_holds_pictures_statistics_frames_and_the_line_that_replays(run: Run) -> None:
    result = fail(run, "--scanout-record")
    result.stdout.fnmatch_lines(["report: out/index.html"])
    page = Page(Path("out/index.html"))
    kinds = [attributes["class"] for tag, attributes in page.tags if tag == "img" and attributes.get("class")]
    assert kinds == ["expected", "actual", "difference"]
    for text in ("1 failed", "of 1 test", "test_it.py::test_it", "SET_SCANOUT", "64x48@60", "<i>slanted"):
        assert text in page.text
    (line,) = re.findall(r"scanout replay (scanout-results/\S+\.rec)$", page.text, re.MULTILINE)[:1]
    assert Path(line).is_file()
    assert sum(tag == "circle" for tag, _ in page.tags) == 3, "a dot for each of the guest's frames"


def test_a_picture_that_has_no_golden_one_yet_is_on_the_page(run: Run) -> None:
    run(TEST, "--screenshot-report", "out")
    page = Page(Path("out/index.html"))
    kinds = [attributes["class"] for tag, attributes in page.tags if tag == "img" and attributes.get("class")]
    assert kinds == ["actual"]
    assert "there was no golden picture" in page.text


def test_the_page_loads_nothing_and_trusts_no_text(run: Run) -> None:
    fail(run)
    page = Page(Path("out/index.html"))
    places = [attributes.get(name) or "" for _, attributes in page.tags for name in ("src", "href")]
    assert all(place.startswith(("data:image/png;base64,", "#")) for place in places if place)
    assert "i" not in [tag for tag, _ in page.tags], "a guest's name is text"
    assert not re.search(r"url\(|@import", Path("out/index.html").read_text())


def test_a_run_without_a_failure_says_so(run: Run) -> None:
    run(PASSES, "--screenshot-report", "out").assert_outcomes(passed=1)
    assert "0 failed" in Page(Path("out/index.html")).text


def test_workers_of_xdist_make_one_report(run: Run) -> None:
    pytest.importorskip("xdist")
    run(TEST, process=True)
    write_golden(GOLDEN, plain(RED))
    run(None, "--screenshot-report", "out", "-n", "2", process=True)
    assert "1 failed" in Page(Path("out/index.html")).text


def test_a_report_that_cannot_be_written_is_one_line_and_the_results_stay(run: Run) -> None:
    Path("out").write_text("a file")
    result = fail(run)
    result.stdout.fnmatch_lines(["cannot make a report of *"])
    assert list(Path("scanout-results").glob("*/result.json"))


def test_damaged_results_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"tests": [{"folder": "gone"}]}')
    with pytest.raises(BadInput, match="cannot make a report of"):
        write_report(tmp_path, tmp_path / "out", tests=1)


def test_junit_names_the_files(run: Run) -> None:
    fail(run, "--junit-xml", "junit.xml", "-o", "junit_logging=system-out")
    case = ET.parse("junit.xml").find(".//testcase")
    assert case is not None
    properties = [entry.attrib["value"] for entry in case.iter("property")]
    assert {Path(path).name for path in properties} >= {"test_it.actual.png", "test_it.difference.png"}
    assert all(Path(path).is_file() for path in properties)
    out = case.findtext("system-out") or ""
    assert re.findall(r"\[\[ATTACHMENT\|(.*)\]\]", out) == properties


def test_a_repeated_frame_is_a_cross_and_a_composed_one_is_hollow() -> None:
    def entry(number: int, shown: int | None) -> dict[str, Any]:
        return {
            "output": "wall",
            "commit": number,
            "present_time_ns": number * 10_000_000,
            "direct": number == 1,
            "composed_bytes": {"gears": 0 if number == 1 else 4},
            "guest_frames": {"gears": shown},
        }

    drawing = draw_frames([entry(1, 5), entry(2, 5), entry(3, 6)], ["wall"])
    assert re.findall(r'class="(shown|made|again)"', drawing) == [
        "shown",
        "made",
        "made",
        "shown",
        "again",
        "shown",
    ]
    assert "frame 5 once more" in drawing
    assert drawing.count("<circle") == 2


def photographed(page: str, to: Path, height: int = 1600) -> NDArray[np.uint8]:
    """What a browser shows."""
    browser = shutil.which("chromium") or pytest.skip("no browser: apt install chromium")
    where = to.parent / "page.html"
    where.write_text(page)
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={to.parent / 'profile'}", f"--window-size=800,{height}", f"--screenshot={to}",
            where.as_uri(),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return np.asarray(load_png(to))


def has(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    return int((picture[..., :3] == colour).all(axis=2).sum())


@pytest.mark.real
@pytest.mark.parametrize(
    ("view", "red", "green"),
    [(1, False, False), (2, True, False), (3, False, True), (4, True, True), (6, True, True)],
    ids=["difference", "expected", "actual", "side by side", "slider"],
)
def test_a_browser_shows_each_view(run: Run, view: int, red: bool, green: bool) -> None:
    run(TEST)
    write_golden(GOLDEN, plain(RED))
    run(
        "import numpy as np\nGREEN = np.full((48, 64, 4), (0, 255, 0, 255), np.uint8)\n"
        + TEST.replace("screenshot.check(m)", "screenshot.check(GREEN)"),
        "--screenshot-report",
        "out",
    )
    page = Path("out/index.html").read_text()
    chosen = re.sub(r" checked>", ">", page).replace(f'id="c1-1-{view}"', f'id="c1-1-{view}" checked')
    picture = photographed(chosen, Path.cwd() / "page.png")
    assert (has(picture, RED) > 1000, has(picture, GREEN) > 1000) == (red, green)


@pytest.mark.real
def test_a_browser_that_runs_no_script_shows_the_views_but_for_the_slider(run: Run) -> None:
    fail(run)
    page = Path("out/index.html").read_text()
    wide = photographed(page, Path.cwd() / "scripts.png")
    without = photographed(
        page.replace("<script>", "<!--<script>").replace("</script>", "</script>-->"), Path.cwd() / "none.png"
    )
    differs = np.flatnonzero((wide != without).any(axis=(1, 2)))
    assert differs.size, "the slider's button"
    assert differs[-1] - differs[0] < 60, "and nothing else"
