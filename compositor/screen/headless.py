"""Screens: what frames are shown on. Here the one without a display, and what all have in common."""

from __future__ import annotations

from typing import Protocol

from compositor.output.frame import Frame
from compositor.output.output import Output


class Screen(Protocol):
    """Shows the frames of one output.

    Attributes:
        realtime: Whether a user watches: frames make sense in real time only. A screen never waits
            for a vblank of its own; the machine's clock says when a frame is due.
        one_plane: Whether it shows one picture and has no planes.
        composes: Whether it composes the layers of frames itself (`Output.screen_composes`).
    """

    realtime: bool
    one_plane: bool

    @property
    def composes(self) -> bool:
        """See the attribute."""

    @property
    def upload_bytes(self) -> int:
        """Pixels' bytes copied to show frames, so far."""

    def show(self, output: Output, frame: Frame) -> None:
        """Show a frame; its pixels are not needed any more when this returns.

        Raises:
            ScreenError: The display or its driver refuses.
        """

    def close(self) -> None:
        """Give back what the screen holds; closing twice is fine."""


class HeadlessScreen:
    """Shows nothing and costs nothing: pictures are in the frames."""

    realtime = False
    one_plane = False
    composes = False
    upload_bytes = 0

    def show(self, output: Output, frame: Frame) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to give back."""
