"""What a monitor is set to: size and refresh rate, as text and as numbers, and how it mixes colours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

from compositor.errors import BadInput
from compositor.pixels.geometry import Rect

MIN_SIZE, MAX_SIZE = 16, 8192  # pixels; 8192 rows of 8192 are 256 MiB
MAX_REFRESH_MHZ = 1_000_000  # 1 kHz

_TEXT = re.compile(r"([0-9]{1,9})x([0-9]{1,9})(?:@([0-9]{1,9})(?:\.([0-9]{1,3}))?)?")


class Mode(NamedTuple):
    """What a monitor displays.

    Attributes:
        width: Pixels.
        height: Pixels.
        refresh_mhz: Refresh rate in thousandths of a hertz: 60000 is 60 Hz.
    """

    width: int
    height: int
    refresh_mhz: int = 60_000

    @classmethod
    def parse(cls, text: str) -> Self:
        """The mode that a text like "1024x768", "1024x768@60" or "1280x720@59.94" means.

        Raises:
            BadInput: The text has another form, or a number out of range; the message quotes the text.
        """
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise BadInput(f'mode "{text}" is not of the form WIDTHxHEIGHT@HZ, as in 1024x768@60')
        width, height, hertz, thousandths = match.groups()
        refresh_mhz = 60_000 if hertz is None else 1000 * int(hertz) + int((thousandths or "").ljust(3, "0"))
        mode = cls(int(width), int(height), refresh_mhz)
        try:
            mode.check()
        except BadInput as error:
            raise BadInput(f'mode "{text}": {error}') from None
        return mode

    def check(self) -> None:
        """Hold the numbers to their limits.

        Raises:
            BadInput: One is out of range.
        """
        for name, size in (("width", self.width), ("height", self.height)):
            if not MIN_SIZE <= size <= MAX_SIZE:
                raise BadInput(f"{name} {size} is not in {MIN_SIZE} to {MAX_SIZE}")
        if not 1000 <= self.refresh_mhz <= MAX_REFRESH_MHZ:
            raise BadInput(
                f"refresh rate {self.refresh_mhz / 1000:g} is not in 1 to {MAX_REFRESH_MHZ // 1000} Hz"
            )

    @property
    def rect(self) -> Rect:
        """All pixels."""
        return Rect(0, 0, self.width, self.height)

    @property
    def period_ns(self) -> int:
        """Time from one refresh to the next, to the nearest nanosecond."""
        return (10**12 + self.refresh_mhz // 2) // self.refresh_mhz

    def __str__(self) -> str:
        whole, thousandths = divmod(self.refresh_mhz, 1000)
        fraction = f".{thousandths:03}".rstrip("0") if thousandths else ""
        return f"{self.width}x{self.height}@{whole}{fraction}"


@dataclass(frozen=True, slots=True)
class OutputState:
    """What an output is set to, beside its scene.

    Attributes:
        mode: Size and refresh rate.
        background: 0xRRGGBB where no surface is.
        linear_light: Whether surfaces are blended by amounts of light (`compositor.render.linear`), not
            by the codes of colours as displays' hardware commonly does.
    """

    mode: Mode
    background: int = 0
    linear_light: bool = False

    def check(self) -> None:
        """The one validity check, of `test` and of `commit`.

        Raises:
            BadInput: A property is out of range; the message names it.
        """
        self.mode.check()
        if not isinstance(self.background, int):
            raise BadInput(f"background {self.background!r} is no number, as in 0x336699")
        if not 0 <= self.background <= 0xFFFFFF:
            raise BadInput(f"background {self.background:#x} is not in 0x000000 to 0xffffff")
