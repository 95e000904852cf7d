"""What an output is set to, beside its scene."""

from __future__ import annotations

from dataclasses import dataclass

from compositor.errors import BadInput
from compositor.output.mode import Mode


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
        if not 0 <= self.background <= 0xFFFFFF:
            raise BadInput(f"background {self.background:#x} is not in 0x000000 to 0xffffff")
