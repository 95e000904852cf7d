"""Whether a script of faults can happen: names that exist, numbers that make sense."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from compositor.errors import BadInput
from compositor.faults.script import (
    AnyFault,
    DropVblanks,
    Hotplug,
    KickFault,
    NeedReset,
    Reboot,
    Scribble,
    ScriptedFault,
)
from compositor.output.mode import Mode
from compositor.output.output import Output
from virtio.gpu.wire import Command

KINDS: Mapping[str, type[ScriptedFault]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyFault)
}
"""The faults, by their names in a scene file."""

_COMMANDS = tuple(command.name for command in Command)
_OF_SIMULATED_GUESTS = KickFault | Reboot | NeedReset | Scribble
_LONGEST_MS = 1e9
_MOST = 1 << 31


def check_fault(
    fault: AnyFault, outputs: Sequence[Output], guests: Mapping[str, str], key: str = "fault"
) -> None:
    """Refuse a fault that cannot happen.

    Args:
        fault: The fault.
        outputs: The machine's.
        guests: The kinds of its guests, by their names.
        key: What the message begins with.

    Raises:
        BadInput: It cannot; the message names the key.
    """
    _check_numbers(fault, key)
    _check_moment(fault, [output.name for output in outputs], guests, key)
    if isinstance(fault, DropVblanks | Hotplug):
        _known(fault.output, [output.name for output in outputs], "output", f"{key}.output")
        if isinstance(fault, Hotplug) and fault.mode is not None:
            _check_mode(fault.mode, next(o for o in outputs if o.name == fault.output), key)
        return
    _known(fault.guest, guests, "guest", f"{key}.guest")
    if isinstance(fault, _OF_SIMULATED_GUESTS) and guests[fault.guest] != "simulated":
        raise BadInput(f"{key}.guest: {fault.guest} is no simulated guest, and has a driver of its own")


def _check_numbers(fault: ScriptedFault, key: str) -> None:
    if not math.isfinite(fault.at) or fault.at < 0:
        raise BadInput(f"{key}.at: {fault.at} is no time of a run; it begins at 0")
    ms = getattr(fault, "ms", 0.0)
    if not 0 <= ms <= _LONGEST_MS:
        raise BadInput(f"{key}.ms: {ms} is not in 0 to {_LONGEST_MS:.0f}")
    for name in ("frame", "commit", "nth", "count"):
        number = getattr(fault, name, None)
        if number is not None and not 1 <= number <= _MOST:
            raise BadInput(f"{key}.{name}: {number} is not in 1 to {_MOST}")


def _check_moment(fault: ScriptedFault, outputs: Sequence[str], guests: Mapping[str, str], key: str) -> None:
    moments = [name for name in ("frame", "commit", "command") if getattr(fault, name) is not None]
    if len(moments) > 1:
        raise BadInput(f"{key}.{moments[1]}: a fault has one moment; leave this or {moments[0]} out")
    if fault.command is not None:
        _known(fault.command, _COMMANDS, "command", f"{key}.command")
        if not guests:
            raise BadInput(f"{key}.command: there is no guest that could send it")
    if fault.of and not moments:
        raise BadInput(f"{key}.of: of which moment? give frame, commit or command")
    if fault.of:
        names, what = (guests, "guest") if fault.command is not None else (outputs, "output")
        _known(fault.of, list(names), what, f"{key}.of")


def _known(name: str, names: Sequence[str] | Mapping[str, str], what: str, key: str) -> None:
    if name not in names:
        raise BadInput(f'{key}: there is no {what} "{name}"; there are {", ".join(names)}')


def _check_mode(mode: str, output: Output, key: str) -> None:
    try:
        output.check_mode(Mode.parse(mode))
    except BadInput as error:
        raise BadInput(f"{key}.mode: {error}") from None
