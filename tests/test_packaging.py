"""Three generic import names, owned by one distribution with a distinctive name."""

import tomllib
from importlib.metadata import entry_points, metadata, packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["virtio", "guest", "compositor"])
def test_each_import_name_belongs_to_scanout_alone(name: str) -> None:
    # A second owner means that another wheel has overwritten our files, silently. An editable installation
    # owns no names; that the wheel owns these three, and no others, is checked when it is built.
    assert set(packages_distributions().get(name, ["scanout"])) == {"scanout"}
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).parent.name == name
    assert (Path(found.origin).parent / "py.typed").is_file()


def test_it_can_never_be_uploaded_by_accident() -> None:
    assert "Private :: Do Not Upload" in metadata("scanout").get_all("Classifier", [])


def test_pytest_finds_the_plugin() -> None:
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]["entry-points"]["pytest11"]
    assert declared == {"scanout": "compositor.pytest_plugin"}
    assert find_spec("compositor.pytest_plugin") is not None


def test_the_command_is_scanout() -> None:
    (script,) = [entry for entry in entry_points(group="console_scripts") if entry.name == "scanout"]
    assert script.value == "compositor.cli:main"
