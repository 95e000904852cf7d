from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compositor.commands.guest import guest
from compositor.errors import BadInput
from virtio.errors import Misuse


def be(path: Path, **options: Any) -> None:
    defaults: dict[str, Any] = {
        "time_travel": None, "size": None, "sync": "release", "seed": 0, "frames": None, "paced": True,
        "patience": 5.0,
    }  # fmt: skip
    guest("plasma", path, **{**defaults, **options})


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"frames": 0}, "--frames 0"), ({"patience": -1.0}, "--patience -1"), ({"size": "640"}, "--size 640")],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=complaint):
        be(tmp_path / "gpu", **options)


def test_a_host_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"cannot connect to .*gpu: No such file or directory"):
        be(tmp_path / "gpu")


def test_a_calendar_that_is_not_there_too(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"cannot connect to .*time: .*start the calendar first"):
        be(tmp_path / "gpu", time_travel=tmp_path / "time")
