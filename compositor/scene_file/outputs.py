"""The outputs of a scene file, and how its other tables name them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from compositor.errors import BadInput
from compositor.output.mode import Mode
from compositor.output.output import Output
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
    with at_key(f"{key}.mode"):
        mode = Mode.parse(table.mode)
    modes = []
    for number, text in enumerate(table.modes):
        with at_key(f"{key}.modes[{number}]"):
            modes.append(Mode.parse(text))
    with at_key(f"{key}.background"):
        colour = _COLOUR.fullmatch(table.background)
        if colour is None:
            raise BadInput(f'"{table.background}" is not a colour of the form #rrggbb')
    with at_key(f"{key}.mode"):
        return Output(
            mode,
            name=table.name or f"output-{index}",
            background=int(colour[1], 16),
            direct_scanout=table.direct_scanout,
            position=table.position,
            plugged=table.plugged,
            modes=modes,
        )


def find_output(name: str, outputs: Sequence[Output]) -> int:
    """The number of the output of that name.

    Raises:
        BadInput: There is none.
    """
    for index, output in enumerate(outputs):
        if output.name == name:
            return index
    raise BadInput(f'there is no output "{name}"; there are {", ".join(output.name for output in outputs)}')
