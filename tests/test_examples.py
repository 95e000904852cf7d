"""The example projects: each is run by `.ci/examples`, and their CI files say what they should."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "tests" / "examples"
PROJECTS = sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml"))
OPTIONS = ("--scanout-record", "--screenshot-report report", "--junit-xml report/junit.xml")
ACTIONS = {"actions/checkout", "actions/setup-python", "actions/cache", "actions/upload-artifact"}


def read(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / "ci" / name).read_text())


def steps() -> list[dict[str, Any]]:
    """Of the one job of the file for GitHub."""
    (job,) = read("github-actions.yml")["jobs"].values()
    assert isinstance(job["steps"], list)
    return job["steps"]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_project_is_whole_and_is_run(project: Path) -> None:
    assert project.name.endswith("-author")  # what .ci/examples looks for
    settings = tomllib.loads((project / "pyproject.toml").read_text())
    assert {"scanout", "pytest", "pytest-asyncio"} <= set(settings["project"]["dependencies"])
    assert settings["tool"]["pytest"]["ini_options"]["filterwarnings"] == ["error"]
    assert len((project / "README.md").read_text().splitlines()) <= 12
    assert list((project / "tests").glob("test_*.py"))
    assert list((project / "tests" / "golden").rglob("*.png"))


def test_every_folder_is_a_project_or_the_ci_files() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {"ci", *(project.name for project in PROJECTS)}
    assert len(PROJECTS) == 3
    listed = re.findall(r"^\| `([\w-]+)` \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert set(listed) == folders


def test_ci_runs_them_as_users_would() -> None:
    script = (ROOT / ".ci" / "examples").read_text()
    assert '"$work"/examples/*-author' in script
    assert "--require-real-guests" in script
    assert "make test-examples\n" in (ROOT / ".ci" / "run").read_text()
    assert "\n\t.ci/examples $(VENV)" in (ROOT / "Makefile").read_text()


def test_the_file_for_github_runs_the_tests_and_keeps_what_they_leave() -> None:
    runs = [str(step["run"]) for step in steps() if "run" in step]
    (tests,) = [run for run in runs if run.startswith("pytest ")]
    assert all(option in tests for option in OPTIONS)
    (keep,) = [step for step in steps() if str(step.get("uses", "")).startswith("actions/upload-artifact")]
    assert keep["if"] == "always()"
    assert keep["with"]["path"].split() == ["report", "scanout-results"]


def test_the_file_for_github_uses_known_actions_of_one_major_version() -> None:
    used = [str(step["uses"]).split("@") for step in steps() if "uses" in step]
    assert {name for name, _ in used} == ACTIONS
    assert all(re.fullmatch(r"v\d+", version) for _, version in used)


def test_the_file_for_gitlab_runs_the_tests_and_keeps_what_they_leave() -> None:
    (job,) = read("gitlab-ci.yml").values()
    (tests,) = job["script"]
    assert tests.startswith("pytest ")
    assert all(option in tests for option in OPTIONS)
    assert job["artifacts"] == {
        "when": "always",
        "paths": ["report", "scanout-results"],
        "reports": {"junit": "report/junit.xml"},
    }


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_real_guests_are_required_where_there_is_a_kernel(name: str) -> None:
    text = (EXAMPLES / "ci" / name).read_text()
    assert "SCANOUT_UML_KERNEL" in text
    assert "PYTEST_ADDOPTS=--require-real-guests" in text
