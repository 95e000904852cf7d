"""Workloads of one's own: by module:Class, by entry point, as objects and as functions."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from guest.picture import Picture
from guest.simulated import SimulatedGuest
from guest.workloads import WORKLOADS, create_workload
from guest.workloads.drawing import Drawing
from guest.workloads.find import find_workload, installed_workloads, names_own, short_name
from guest.workloads.workload import Workload, format_of
from tests.guest.workloads.samples import own
from virtio.errors import Misuse
from virtio.gpu.formats import Format

OWN = "tests.guest.workloads.samples.own"


def test_a_class_is_made_with_the_seed_and_the_arguments_that_it_takes() -> None:
    bar = create_workload(f"{OWN}:Bar", 5, {"grey": 3})
    assert isinstance(bar, own.Bar)
    assert (bar.seed, bar.grey) == (5, 3)
    assert isinstance(create_workload(f"{OWN}:Red", 5), own.Red)
    assert isinstance(find_workload(own.Bar, 8), own.Bar)


def test_objects_functions_pictures_and_files_are_taken_as_they_are(tmp_path: Path) -> None:
    assert find_workload(f"{OWN}:RED") is own.RED
    assert find_workload(own.RED) is own.RED
    assert isinstance(find_workload(f"{OWN}:paint"), Drawing)
    assert find_workload(own.paint).name == "paint"
    assert find_workload(lambda frame, canvas: None).name == "lambda"
    assert find_workload(f"{OWN}:PICTURE") is own.PICTURE
    Image.fromarray(own.ARRAY).save(tmp_path / "logo.png")
    for shown in (tmp_path / "logo.png", str(tmp_path / "logo.png")):
        found = find_workload(shown, arguments={"stride": 300})
        assert isinstance(found, Picture)
        assert (found.name, found.stride, found.size) == ("logo", 300, (64, 64))


def test_the_format_is_the_workloads_own_or_follows_alpha() -> None:
    assert format_of(create_workload("plasma")) is Format.B8G8R8X8
    assert format_of(create_workload("gears")) is Format.B8G8R8A8
    assert format_of(own.Red()) is Format.R8G8B8A8


class Two:
    name = "two"
    opaque = True
    format = "AR24"

    def draw(self, frame: int, pixels: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("shown", "arguments", "message"),
    [
        ("pong", None, r"^there is no workload 'pong'; there are gears, plasma.*is module:Class$"),
        ("nowhere.to.be:Found", None, "workload nowhere.to.be:Found: there is no module 'nowhere'"),
        (f"{OWN}.further:X", None, "there is no module 'tests.guest.workloads.samples.own.further'"),
        (f"{OWN}:Missing", None, f"workload {OWN}:Missing: {OWN} has no 'Missing'"),
        (f"{OWN}:", None, "give it as module:Class"),
        (":Bar", None, "give it as module:Class"),
        (f"{OWN}:Broken", None, r"Broken: RuntimeError: no luck \(own\.py, line \d+\)"),
        (f"{OWN}:Bar", {"colour": 1}, r"Bar: TypeError: .*unexpected keyword argument 'colour'"),
        (f"{OWN}:RED", {"grey": 1}, "RED is no class, and takes no arguments"),
        (f"{OWN}:Nameless", None, "Nameless is no workload: it needs an attribute 'name', a text"),
        (f"{OWN}:NUMBER", None, "NUMBER is no workload: it needs an attribute 'name'"),
        (f"{OWN}:ARRAY", None, r"ARRAY is no workload; a picture to show is Picture\(\.\.\.\)"),
        (own.ARRAY, None, r"ndarray object is no workload; a picture to show is Picture\(\.\.\.\)"),
        (Image.new("RGB", (20, 20)), None, r"Image object is no workload; a picture"),
        (7, None, "int object is no workload: it needs an attribute 'name'"),
        (None, None, "NoneType object is no workload"),
        (Two(), None, "opaque=True does not go with its format"),
        ("missing.png", None, "cannot read missing.png: No such file"),
        (Path("picture.jpeg"), None, r"picture\.jpeg: a picture's name ends in \.png"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(shown: Any, arguments: Any, message: str) -> None:
    with pytest.raises(Misuse, match=message) as refused:
        SimulatedGuest(shown, arguments=arguments)
    assert "\n" not in str(refused.value)


def test_a_module_that_cannot_be_imported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong_module.py").write_text("x = 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Misuse, match="workload wrong_module:X: ZeroDivisionError: division by zero"):
        create_workload("wrong_module:X")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose entry points are a workload, one that is broken, and one that has a name of ours."""
    (tmp_path / "sample_workloads-1.0.dist-info").mkdir()
    (tmp_path / "sample_workloads-1.0.dist-info/METADATA").write_text(
        "Name: sample-workloads\nVersion: 1.0\n"
    )
    (tmp_path / "sample_workloads-1.0.dist-info/entry_points.txt").write_text(
        f"[scanout.workloads]\nbar = {OWN}:Bar\nbroken = no_such_module:X\ngears = {OWN}:Bar\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_workloads_and_replaces_none() -> None:
    assert isinstance(create_workload("bar", 4), own.Bar)
    assert not isinstance(create_workload("gears"), own.Bar)
    assert sorted(installed_workloads()) == ["bar", "broken"]
    with pytest.raises(Misuse, match=r"there is no workload 'pong'; there are gears, .*stress, bar, broken"):
        create_workload("pong")
    with pytest.raises(Misuse, match="no module 'no_such_module'"):
        create_workload("broken")


def test_packages_are_asked_for_unknown_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise AssertionError("asked for entry points")

    monkeypatch.setattr(importlib.metadata, "entry_points", refuse)
    for name in (*WORKLOADS, f"{OWN}:Bar"):
        create_workload(name)
    with pytest.raises(AssertionError, match="asked for entry points"):
        create_workload("bar")


@pytest.mark.parametrize(
    ("name", "short", "is_own"),
    [
        ("gears", "gears", False),
        (f"{OWN}:Bar", "Bar", True),
        ("a:Outer.Inner", "Inner", True),
        ("pictures/logo.png", "logo", True),
        ("LOGO.PNG", "LOGO", True),
    ],
)
def test_names(name: str, short: str, is_own: bool) -> None:
    assert (short_name(name), names_own(name)) == (short, is_own)


def test_a_drawing_keeps_its_canvas_whichever_buffer_it_goes_to() -> None:
    drawing = Drawing(own.paint)
    buffers = [np.full((8, 16, 4), 99, np.uint8) for _ in range(2)]
    for frame in range(4):
        assert drawing.draw(frame, buffers[frame % 2]) == [(frame, 0, 1, 1)]
    assert (buffers[1][0, :4] == (10, 20, 30, 0)).all()
    assert not buffers[1][1:].any()


def test_the_protocol_is_what_authors_write() -> None:
    def takes(workload: Workload) -> str:
        return workload.name

    assert [takes(own.Bar()), takes(create_workload("gears"))] == ["bar", "gears"]
