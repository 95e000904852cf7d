"""The outputs of a run, as the options have them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from compositor.commands.output_options import OutputOptions
from compositor.errors import BadInput
from compositor.output.output import Output
from compositor.output.pacing import Pacing
from compositor.output.panel import VariableRefresh
from compositor.output.plane import PlaneBudget
from compositor.scene_file.keys import at_key
from compositor.scene_file.outputs import check_pacing

_RATES = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)-([0-9]{1,4}(?:\.[0-9]{1,3})?)")


def monitors(options: OutputOptions, scene: Sequence[Output] | None = None) -> list[Output]:
    """The outputs of a run, with everything that the options say.

    Args:
        options: Theirs.
        scene: Fresh outputs to set up, instead of those of `--outputs`.

    Raises:
        BadInput: An option says something that cannot be; the message names it.
    """
    outputs = [Output(mode) for mode in options.modes] if scene is None else list(scene)
    for output in outputs:
        if options.variable_refresh is not None:
            with at_key(f"--variable-refresh {options.variable_refresh}"):
                output.variable_refresh = _variable_refresh(options.variable_refresh)
        if options.pacing is not None:
            with at_key("--pacing"):
                output.pacing = Pacing.parse(options.pacing)
        if options.overlays is not None:
            with at_key(f"--overlays {options.overlays}"):
                output.planes = PlaneBudget.of_counts(options.overlays)
        if options.linear_light:
            output.set_linear_light(True)
        with at_key(f"--pacing {options.pacing}" if options.pacing else output.name or str(output.mode)):
            check_pacing(output)
    return outputs


def _variable_refresh(text: str) -> VariableRefresh:
    """The panel that "48-144" means, in hertz."""
    rates = _RATES.fullmatch(text)
    if rates is None:
        raise BadInput("not of the form HZ-HZ, as in 48-144")
    return VariableRefresh(*(round(float(rate) * 1000) for rate in rates.groups()))
