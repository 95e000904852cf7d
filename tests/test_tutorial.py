"""The documents' Python runs as it stands there, and does what the page says."""

import asyncio
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from compositor.bench.suite import plugin_options
from compositor.cli import main
from compositor.compare import load_png
from compositor.scene_file import read_scene
from guest.workloads.find import GROUP

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def code(page: Path, language: str = "python") -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks, f"{page} has no {language}"
    return [str(block) for block in blocks]


def run_tests_of(page: str) -> None:
    """Run a page's blocks as one file, and every test in it."""
    names: dict[str, object] = {}
    exec(compile("\n".join(code(DOCS / page)), page, "exec"), names)
    tests = {name: test for name, test in names.items() if name.startswith("test_")}
    assert tests
    for test in tests.values():
        assert callable(test)
        ran = test()
        if inspect.iscoroutine(ran):
            asyncio.run(ran)


@pytest.mark.parametrize("page", ["how-to/faults.md"])
def test_the_pages_coroutines_pass(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_tests_of(page)


def test_the_pages_tests_pass(tmp_path: Path) -> None:
    """Those of all pages in one run, as golden pictures are written, and in another that compares."""
    for page in ("tutorial/first-test", "how-to/golden-pictures", "reference/pytest"):
        name = Path(page).name.replace("-", "_")
        tmp_path.joinpath(f"test_{name}.py").write_text("\n".join(code(DOCS / f"{page}.md")))
    tmp_path.joinpath("test_readme.py").write_text(code(ROOT / "README.md")[1])
    (settings,) = code(DOCS / "tutorial/first-test.md", "ini")
    tmp_path.joinpath("pytest.ini").write_text(settings)
    options = ("--strict-markers", "-p", "no:hypothesispytest")  # it imports hypothesis for its summary
    command = [sys.executable, "-m", "pytest", "-q", *options, *plugin_options()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for update in (["--update-screenshots"], []):
        done = subprocess.run(
            [*command, *update], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_the_page_of_own_pictures_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its module lies in a file, its tests pass, its commands run, and its scene is accepted."""
    page = DOCS / "how-to/pictures-of-your-own.md"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (module,) = [block for block in code(page) if block.startswith("# bounce.py\n")]
    Path("bounce.py").write_text(module)
    run_tests_of("how-to/pictures-of-your-own.md")
    commands = re.findall(r"^    scanout (run .*)$", page.read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main(command.split())
        assert not end.value.code
        assert f"wrote {command.split()[-1]}" in capsys.readouterr().out
    assert np.array_equal(load_png("bounce.png"), load_png("again.png"))
    scene, entry_points = code(page, "toml")
    Path("scene.toml").write_text(scene)
    assert list(read_scene(Path("scene.toml"), allow_programs=True).guests) == ["Bounce"]
    (group,) = tomllib.loads(entry_points)["project"]["entry-points"]
    assert group == GROUP


@pytest.mark.real
def test_the_pages_test_of_a_real_kernel_passes() -> None:
    run_tests_of("tutorial/first-kernel.md")


@pytest.mark.parametrize("page", ["how-to/scenes.md", "how-to/guests.md", "how-to/waiting.md"])
def test_the_pages_programs_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for program in code(DOCS / page):
        exec(compile(program, page, "exec"), {"__name__": "__main__"})
        assert capsys.readouterr().out


def test_the_readmes_example_runs() -> None:
    example, _ = code(ROOT / "README.md")
    head, _, body = example.partition("\n\n")
    names: dict[str, object] = {}
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    exec(f"{head}\n\nasync def main():\n{indented}\n    return stats\n", names)
    main = names["main"]
    assert inspect.iscoroutinefunction(main)
    assert asyncio.run(main())["outputs"][0]["presented"] == 61


@pytest.mark.parametrize("page", ["how-to/scenes.md", "how-to/faults.md"])
def test_the_scene_file_is_accepted(page: str, tmp_path: Path) -> None:
    (scene,) = code(DOCS / page, "toml")
    path = tmp_path / "scene.toml"
    path.write_text(scene)
    read_scene(path)  # raises BadInput where it is none
