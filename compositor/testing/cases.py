"""The marker `scanout`: one test, run for each combination of policies, refresh rates, formats and guests.

    @pytest.mark.scanout(policies=["release", "queue"], refresh=[60, 144])
    async def test_no_frame_is_torn(machine, guest): ...

`machine` and `guest` follow the case by themselves: the format is that of pictures given to `guest`; the
fixture `scanout_case` tells a test which case it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, Literal

import pytest

from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat

KINDS = ("simulated", "process", "uml", "qemu")


@dataclass(frozen=True, slots=True)
class Case:
    """What the marker chose for one run of a test; None: it was not asked.

    Attributes:
        policy: What guests' flushes wait for (`SimulatedGuest`'s `sync`).
        refresh: Hertz, of the outputs whose mode names no rate.
        format: A DRM fourcc, such as "XR24", of the pictures that guests show.
        guest: One of `KINDS`.
    """

    policy: str | None = None
    refresh: float | None = None
    format: str | None = None
    guest: str | None = None

    @property
    def clock(self) -> Literal["virtual", "real"]:
        """The clock that the case's guest can live on."""
        return "real" if self.guest == "qemu" else "virtual"

    def outputs(self, outputs: Sequence[Output | str]) -> Sequence[Output | str]:
        """Outputs with the case's refresh rate, where they name none.

        Raises:
            BadInput: All of them name one, so that the case would not matter.
        """
        if self.refresh is None or isinstance(outputs, str):
            return outputs
        free = [isinstance(output, str) and "@" not in output for output in outputs]
        if not any(free):
            raise BadInput(
                f"refresh={self.refresh:g} reaches no output: name a mode without a rate, as in "
                'outputs=["640x480"]'
            )
        return [f"{o}@{self.refresh:g}" if is_free else o for o, is_free in zip(outputs, free, strict=True)]

    def __str__(self) -> str:
        """As a test's name has it."""
        rate = None if self.refresh is None else f"{self.refresh:g}Hz"
        return "-".join(part for part in (self.guest, self.policy, rate, self.format) if part is not None)


_FIELDS = {"policies": "policy", "refresh": "refresh", "formats": "format", "guests": "guest"}
_OTHERS = {"leftovers"}  # `compositor.testing.harness` reads it


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Repeat a test for each case of its markers; the nearest marker decides for each keyword.

    Raises:
        BadInput: A keyword or a value that there is not; or none of the fixtures is used that heed them.
    """
    chosen: dict[str, Sequence[Any]] = {}
    for marker in metafunc.definition.iter_markers("scanout"):
        if marker.args:
            raise BadInput(_where(metafunc, f"the marker takes keywords alone, not {marker.args[0]!r}"))
        for keyword, values in marker.kwargs.items():
            _check(metafunc, keyword, values)
            chosen.setdefault(keyword, values)
    axes = {_FIELDS[keyword]: values for keyword, values in chosen.items() if keyword in _FIELDS}
    if not axes:
        return
    if "scanout_case" not in metafunc.fixturenames:
        raise BadInput(
            _where(metafunc, "the test uses neither `machine` nor `guest`, which follow the marker")
        )
    names = [field.name for field in fields(Case) if field.name in axes]
    cases = [
        Case(**dict(zip(names, values, strict=True))) for values in product(*(axes[name] for name in names))
    ]
    metafunc.parametrize("scanout_case", cases, ids=str)


def _check(metafunc: pytest.Metafunc, keyword: str, values: object) -> None:
    if keyword in _OTHERS:
        return
    if keyword not in _FIELDS:
        known = ", ".join([*_FIELDS, *_OTHERS])
        raise BadInput(_where(metafunc, f"{keyword}= is not one of {known}"))
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise BadInput(_where(metafunc, f"{keyword}= takes a list that is not empty, not {values!r}"))
    for value in values:
        try:
            _check_value(keyword, value)
        except BadInput as error:
            raise BadInput(_where(metafunc, f"{keyword}={value!r}: {error}")) from None


def _check_value(keyword: str, value: Any) -> None:
    if keyword == "policies":
        SyncPolicy.parse(value, tuple(SyncPolicy), "of the marker")
    elif keyword == "refresh":
        if not isinstance(value, int | float):
            raise BadInput("a refresh rate is a number of hertz")
        Mode.parse(f"640x480@{value:g}")
    elif keyword == "formats":
        PixelFormat.from_fourcc(value)
    elif value not in KINDS:
        raise BadInput(f"there are {', '.join(KINDS)}")


def _where(metafunc: pytest.Metafunc, what: str) -> str:
    return f"{metafunc.definition.nodeid}: pytest.mark.scanout: {what}"
