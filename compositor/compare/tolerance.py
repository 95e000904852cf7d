"""What may differ between two pictures that count as equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput

Range: TypeAlias = "int | tuple[int, int]"
"""How much a channel may differ, actual less expected: N is from -N to N."""

Tolerable: TypeAlias = "Tolerance | int | str | None"
"""A tolerance or what makes one: N of `Tolerance(channel=N)`, a text of `Tolerance.parse`, None of exact."""

CHANNELS = ("red", "green", "blue", "alpha")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What may differ; nothing, by default.

    A pixel differs when one of its channels is out of its range and, where `antialiasing` is given, the pixel
    is no edge that was smoothed otherwise. Pictures differ when more pixels do than `pixels` and `ratio`
    allow, the smaller of the two where both are given; and, where `perceptual` is given, when they look more
    different than that.

    Attributes:
        channel: What the difference of a channel, actual less expected, may be, in levels of 0 to 255: N for
            -N to N, or a pair (least, most). In pictures of 16 bits, 257 of their levels are one.
        red: Instead of `channel` for this one; so with the other three.
        green: As `red`.
        blue: As `red`.
        alpha: As `red`.
        pixels: Number of pixels that may differ.
        ratio: Part of the compared pixels that may differ, 0 to 1.
        antialiasing: Overlook pixels that lie on a smoothed edge in either picture, by pixelmatch's rule.
        perceptual: The largest structural difference that is overlooked, 1 - SSIM, 0 (the same) to 1.
    """

    channel: Range = 0
    red: Range | None = None
    green: Range | None = None
    blue: Range | None = None
    alpha: Range | None = None
    pixels: int | None = None
    ratio: float | None = None
    antialiasing: bool = False
    perceptual: float | None = None

    def __post_init__(self) -> None:
        for name in ("channel", *CHANNELS):
            _check_range(name, getattr(self, name))
        if self.pixels is not None and not (_whole(self.pixels) and self.pixels >= 0):
            raise BadInput(f"tolerance pixels={self.pixels}: give a number of pixels, 0 or more")
        for name in ("ratio", "perceptual"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
                raise BadInput(f"tolerance {name}={value}: must be 0 to 1")

    @classmethod
    def of(cls, given: Tolerable) -> Tolerance:
        """The tolerance that `given` stands for.

        Raises:
            BadInput: It stands for none.
        """
        if given is None:
            return EXACT
        if isinstance(given, Tolerance):
            return given
        if isinstance(given, str):
            return cls.parse(given)
        return cls(channel=given)

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """A tolerance in words: "channel=3", "red=-1:2,alpha=0", "pixels=10", "ratio=0.1%", "antialiasing".

        Parts are joined by commas; a number alone is `channel`.

        Raises:
            BadInput: A part is unknown or makes no sense.
        """
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, equals, value = part.strip().partition("=")
            if not equals and name != "antialiasing":
                name, value = "channel", name
            if name not in _PARSE:
                raise BadInput(f"tolerance {part.strip()!r}: unknown; there are: {', '.join(_PARSE)}")
            if name in given:
                raise BadInput(f"tolerance {text!r}: {name} is given twice")
            try:
                given[name] = _PARSE[name](value)
            except ValueError:
                raise BadInput(f"tolerance {part.strip()!r}: {_FORMS[name]}") from None
        return cls(**given)

    def ranges(self) -> NDArray[np.int32]:
        """(2, 4): the least and the most that R, G, B and A may differ, in levels of 0 to 255."""
        chosen = (getattr(self, name) for name in CHANNELS)
        return np.array([_pair(self.channel if own is None else own) for own in chosen], np.int32).T

    def allowed(self, compared: int) -> int:
        """How many of so many compared pixels may differ."""
        limits = [limit for limit in (self.pixels, _part(self.ratio, compared)) if limit is not None]
        return min(limits, default=0)

    def __str__(self) -> str:
        if self == EXACT:
            return "exact"
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return ",".join(_part_of_text(name, value) for name, value in given.items())


def _part(ratio: float | None, compared: int) -> int | None:
    return None if ratio is None else int(ratio * compared + 1e-9)  # 0.3 of 10 is 3, though 0.3 is a bit less


def _pair(given: Range) -> tuple[int, int]:
    return given if isinstance(given, tuple) else (-given, given)


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_range(name: str, given: Range | None) -> None:
    if given is None:
        return
    pair = given if isinstance(given, tuple) else (0, given)
    shown = f"{pair[0]}:{pair[1]}" if isinstance(given, tuple) and len(pair) == 2 else given
    if len(pair) != 2 or not all(map(_whole, pair)):
        raise BadInput(f"tolerance {name}={shown}: give a whole number, or two: the least and the most")
    if not isinstance(given, tuple) and not 0 <= given <= 255:
        raise BadInput(f"tolerance {name}={shown}: must be 0 to 255")
    if not -255 <= pair[0] <= 0 <= pair[1] <= 255:
        raise BadInput(f"tolerance {name}={shown}: must be from -255..0 to 0..255")


def _range(text: str) -> Range:
    least, colon, most = text.partition(":")
    return (int(least), int(most)) if colon else int(text)


def _ratio(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _flag(text: str) -> bool:
    if text not in ("", "yes", "no"):
        raise ValueError
    return text != "no"


_RANGE_FORM = "give a whole number, or two as in -1:2"
_PARSE: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("channel", *CHANNELS), _range),
    "pixels": int,
    "ratio": _ratio,
    "antialiasing": _flag,
    "perceptual": float,
}
_FORMS = {
    **dict.fromkeys(("channel", *CHANNELS), _RANGE_FORM),
    "pixels": "give a whole number",
    "ratio": "give a number of 0 to 1, or a percentage",
    "antialiasing": "give it alone",
    "perceptual": "give a number of 0 to 1",
}


def _part_of_text(name: str, value: Any) -> str:
    if value is True:
        return name
    return f"{name}={value[0]}:{value[1]}" if isinstance(value, tuple) else f"{name}={value:g}"


EXACT = Tolerance()
