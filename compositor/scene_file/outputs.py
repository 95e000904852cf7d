"""The outputs of a scene file, and how its other tables name them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from compositor.errors import BadInput
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.output.pacing import Pacing
from compositor.output.panel import VariableRefresh, VblankGrid
from compositor.output.plane import PlaneBudget
from compositor.scene.layout import Monitor, check_monitors
from compositor.scene_file.keys import at_key
from compositor.scene_file.schema import OutputTable

MOST = 16
_COLOUR = re.compile(r"#([0-9A-Fa-f]{6})")


def make_outputs(tables: Sequence[OutputTable]) -> list[Output]:
    """Fresh outputs, as the tables have them.

    Raises:
        BadInput: One of them is impossible, or they overlap; the message names the key.
    """
    with at_key("outputs"):
        if not 1 <= len(tables) <= MOST:
            raise BadInput(f"{len(tables)} outputs: a machine has 1 to {MOST}")
    outputs = [_make_output(table, index) for index, table in enumerate(tables)]
    with at_key("outputs"):
        check_monitors([Monitor.of(output) for output in outputs])
    return outputs


def _make_output(table: OutputTable, index: int) -> Output:
    key = f"outputs[{index}]"
    mode, modes = _modes(table, key)
    background = _background(table, key)
    with at_key(f"{key}.variable_refresh"):
        variable_refresh = _variable_refresh(table)
    planes = _planes(table, key)
    with at_key(f"{key}.pacing"):
        pacing = None if table.pacing is None else Pacing.parse(table.pacing)
    with at_key(f"{key}.mode"):
        output = Output(
            mode,
            name=table.name or f"output-{index}",
            background=background,
            planes=planes,
            direct_scanout=table.direct_scanout,
            pacing=pacing,
            variable_refresh=variable_refresh,
            position=table.position,
            plugged=table.plugged,
            modes=modes,
            linear_light=table.linear_light,
        )
    with at_key(f"{key}.pacing"):
        check_pacing(output)
    return output


def _background(table: OutputTable, key: str) -> int:
    with at_key(f"{key}.background"):
        colour = _COLOUR.fullmatch(table.background)
        if colour is None:
            raise BadInput(f'"{table.background}" is not a colour of the form #rrggbb')
        return int(colour[1], 16)


def _modes(table: OutputTable, key: str) -> tuple[Mode, list[Mode]]:
    """The mode that it starts with, and all that it has."""
    with at_key(f"{key}.mode"):
        mode = Mode.parse(table.mode)
    modes = []
    for number, text in enumerate(table.modes):
        with at_key(f"{key}.modes[{number}]"):
            modes.append(Mode.parse(text))
    return mode, modes


def _variable_refresh(table: OutputTable) -> VariableRefresh | None:
    if table.variable_refresh is None:
        return None
    if not all(math.isfinite(rate) for rate in table.variable_refresh):
        raise BadInput(f"{list(table.variable_refresh)} are no rates")
    lowest, highest = (round(1000 * rate) for rate in table.variable_refresh)
    return VariableRefresh(lowest, highest)


def _planes(table: OutputTable, key: str) -> PlaneBudget:
    with at_key(f"{key}.cursor_size"):
        if table.cursor_size < 0:
            raise BadInput(f"{table.cursor_size} is below 0")
    with at_key(f"{key}.overlays"):
        return PlaneBudget.of_counts(table.overlays, cursor=table.cursor_size or None)


def check_pacing(output: Output) -> None:
    """Whether the output's monitor has time for its pacing.

    Raises:
        BadInput: It has not.
    """
    if output.pacing is not None:
        grid = VblankGrid(output.mode.refresh_mhz)
        output.pacing.check(output.variable_refresh or grid)


def find_output(name: str, outputs: Sequence[Output]) -> int:
    """The number of the output of that name.

    Raises:
        BadInput: There is none.
    """
    for index, output in enumerate(outputs):
        if output.name == name:
            return index
    raise BadInput(f'there is no output "{name}"; there are {", ".join(output.name for output in outputs)}')
