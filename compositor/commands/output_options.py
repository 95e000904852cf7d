"""The options that say which monitors there are, what they can do and who composes what they show."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from compositor.screen import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """The monitors; what is said beside `outputs` holds for all of them, those of a scene too."""

    outputs: Annotated[str, typer.Option(help="The monitors, 1 to 16.")] = "1024x768@60"
    pacing: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="When frames are begun: delay=MS, window=MS, adaptive or triple."),
    ] = None
    variable_refresh: Annotated[
        str | None, typer.Option(metavar="HZ-HZ", help="Monitors that wait for a frame, as in 48-144.")
    ] = None
    overlays: Annotated[
        int | None, typer.Option(metavar="N", help="Overlay planes of each monitor, 0 to 16.")
    ] = None
    linear_light: Annotated[
        bool, typer.Option("--linear-light", help="Blend amounts of light, not codes of colours.")
    ] = False
    renderer: Annotated[
        Renderer, typer.Option(help="Who composes what windows show; auto: the faster one, measured.")
    ] = "auto"

    @property
    def modes(self) -> list[str]:
        """The outputs' mode strings."""
        return [text.strip() for text in self.outputs.split(",")]

    def check_outputs(self) -> None:
        """Refuse what no monitor can do.

        Raises:
            BadInput: An option that makes no sense; the message names it.
        """
        from compositor.commands.monitors import monitors  # noqa: PLC0415 - `scanout --help` is quick

        monitors(self)

    def given_outputs(self) -> list[str]:
        """Those of these options that were given and say what monitors are, as on the command line."""
        plain = OutputOptions()
        names = [field.name for field in fields(OutputOptions) if field.name != "renderer"]
        return [
            f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != getattr(plain, name)
        ]
