"""The guests of a scene file: what each table asks for, as something that a machine can attach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from compositor.adapter.placement import Placement
from compositor.adapter.sync_policy import FOR_ANY_GUEST, SyncPolicy
from compositor.errors import BadInput
from compositor.machine.guests import unique_name
from compositor.output.output import Output
from compositor.scene.layout import check_name
from compositor.scene_file.keys import at_key
from compositor.scene_file.places import make_placement
from compositor.scene_file.schema import AnyGuest, PlaceTable, QemuTable, SimulatedTable, UmlTable
from guest.memory import DEFAULT_SIZE
from guest.real import LinuxGuest, QemuGuest, UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads.find import short_name
from virtio.limits import Limits, changed

_MILLISECOND = 1_000_000
_MIB = 1 << 20
_LARGEST_MIB = 1 << 20
_LONGEST_MS = 1e9
_MOST_GUESTS = 256
_MOST_PLACES = 16  # of a guest: as many scanouts as a device can have
_LINUX_MIB = 64  # the least that a kernel boots with


class SceneGuest(NamedTuple):
    """A guest of a scene.

    Attributes:
        table: What the file says of it.
        guest: The guest, as a machine attaches it.
        places: Where its scanouts appear.
    """

    table: AnyGuest
    guest: SimulatedGuest | LinuxGuest
    places: Sequence[Placement]


def make_guests(tables: Sequence[AnyGuest], outputs: Sequence[Output]) -> dict[str, SceneGuest]:
    """The guests that the tables describe, by name: its own, or its workload's or kind's, numbered.

    Raises:
        BadInput: One of them is impossible, two have one name, or there are more than 256; the message names
            the key.
    """
    if len(tables) > _MOST_GUESTS:
        raise BadInput(f"guests: {len(tables)} of them: a scene has at most {_MOST_GUESTS}")
    made: dict[str, SceneGuest] = {}
    for index, table in enumerate(tables):
        key = f"guests[{index}]"
        if table.name in made:
            raise BadInput(f'{key}.name: another guest is called "{table.name}"')
        with at_key(f"{key}.name"):
            check_name(table.name)
        name = table.name or unique_name(_kind(table), made)
        made[name] = SceneGuest(
            table, _make_guest(table, name, key), _make_placements(table, outputs, name, key)
        )
        with at_key(f"{key}.limits"):
            changed(Limits(), table.limits)
    return made


def _kind(table: AnyGuest) -> str:
    if isinstance(table, SimulatedTable):
        return short_name(table.workload)
    return "uml" if isinstance(table, UmlTable) else "qemu"


def _make_guest(table: AnyGuest, name: str, key: str) -> SimulatedGuest | LinuxGuest:
    with at_key(f"{key}.sync"):
        SyncPolicy.parse(table.sync, policies(table), name)
    memory = _memory(table, key)
    if isinstance(table, SimulatedTable):
        return _simulated(table, name, memory, key)
    root = table.root if isinstance(table, UmlTable) else None
    if not (table.program or table.command or table.initrd or root):
        raise BadInput(f"{key}.program: nothing to run; give program, command, initrd or, for uml, root")
    kernel, initrd = _path(table.kernel), _path(table.initrd)
    with at_key(f"{key}.program"):
        if isinstance(table, UmlTable):
            return UmlGuest(
                table.program,
                command=table.command,
                kernel=kernel,
                initrd=initrd,
                root=_path(root),
                memory=memory,
                name=name,
            )
        return QemuGuest(
            table.program,
            command=table.command,
            kernel=kernel,
            initrd=initrd,
            memory=memory,
            name=name,
            architecture=table.arch,
            qemu_arguments=table.arguments,
        )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _simulated(table: SimulatedTable, name: str, memory: int, key: str) -> SimulatedGuest:
    render_ns = nanoseconds(table.render_ms, f"{key}.render_ms")
    patience_ns = None if table.patience_ms is None else nanoseconds(table.patience_ms, f"{key}.patience_ms")
    check_seed(table.seed or 0, f"{key}.seed")
    with at_key(f"{key}.workload"):
        return SimulatedGuest(
            table.workload,
            arguments=table.arguments,
            seed=table.seed,
            name=name,
            sync=table.sync,
            memory=memory,
            render_ns=render_ns,
            patience_ns=patience_ns,
        )


def _memory(table: AnyGuest, key: str) -> int:
    """Bytes of a simulated guest, MiB of a real one."""
    simulated = isinstance(table, SimulatedTable)
    least = 1 if simulated else _LINUX_MIB
    if table.memory is not None and not least <= table.memory <= _LARGEST_MIB:
        raise BadInput(f"{key}.memory: {table.memory} is not in {least} to {_LARGEST_MIB} MiB")
    if simulated:
        return DEFAULT_SIZE if table.memory is None else table.memory * _MIB
    return table.memory or (QemuGuest if isinstance(table, QemuTable) else UmlGuest).memory


def policies(table: AnyGuest) -> Sequence[SyncPolicy]:
    """The sync policies that a guest of this kind can live with."""
    return tuple(SyncPolicy) if isinstance(table, SimulatedTable) else FOR_ANY_GUEST


def _make_placements(table: AnyGuest, outputs: Sequence[Output], name: str, key: str) -> list[Placement]:
    """Where a guest's scanouts appear; by default on the first output."""
    places = table.places or [PlaceTable()]
    if len(places) > _MOST_PLACES:
        raise BadInput(f"{key}.places: {len(places)} of them: a guest has at most {_MOST_PLACES} scanouts")
    return [
        make_placement(place, outputs, name, f"{key}.places[{number}]") for number, place in enumerate(places)
    ]


def nanoseconds(milliseconds: float, key: str) -> int:
    """A duration of a file, in nanoseconds.

    Raises:
        BadInput: It is negative or absurd.
    """
    if not math.isfinite(milliseconds) or not 0 <= milliseconds <= _LONGEST_MS:
        raise BadInput(f"{key}: {milliseconds} is not in 0 to {_LONGEST_MS:.0f}")
    return round(milliseconds * _MILLISECOND)


def check_seed(seed: int, key: str) -> None:
    """Refuse a seed that is no non-negative 63-bit number.

    Raises:
        BadInput: It is none.
    """
    if not 0 <= seed < 1 << 63:
        raise BadInput(f"{key}: {seed} is not in 0 to 2**63 - 1")
