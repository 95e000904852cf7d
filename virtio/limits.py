"""What guests may use of their host: one table, of what each may and of what all together may.

A guest asks for things by the thousand at no cost to itself, so whatever it makes the host spend is counted
against a limit, and given back with the thing. The same table says what happens beyond a limit, and is what
`--limit`, scene files and the documents read. What the protocols themselves fix (bytes of a message, memory
regions, descriptors of a chain) stands with the protocols.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar

from virtio.errors import Misuse

_MOST = 1 << 62


def _limit(default: int, unit: str, meaning: str, beyond: str, *, least: int = 0, most: int = _MOST) -> Any:
    return field(
        default=default,
        metadata={"unit": unit, "meaning": meaning, "beyond": beyond, "least": least, "most": most},
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one guest, whole numbers; `TABLE` has units and meanings.

    Raises:
        Misuse: One is below or above what makes sense; the message names it.
    """

    host_memory: int = _limit(
        1 << 30,
        "bytes",
        "Host memory for 2D images, host blobs, and copies of what cannot be mapped",
        "ERR_OUT_OF_MEMORY",
    )
    resources: int = _limit(
        4096, "resources", "Live resources; Linux was seen with 70 at once", "ERR_OUT_OF_MEMORY"
    )
    entries: int = _limit(
        16_384,
        "entries",
        "Memory entries of one resource: QEMU's limit, a 64 MiB buffer of single pages",
        "ERR_UNSPEC",
        most=1 << 20,
    )
    # Displays have to show pictures of this size in every way that they offer.
    dimension: int = _limit(
        16_384,
        "pixels",
        "A side of a 2D resource, and of what a scanout shows of a blob",
        "ERR_INVALID_PARAMETER",
        least=16,
        most=16_384,
    )
    # The kernel grants a process 65530 of them (vm.max_map_count).
    mappings: int = _limit(
        16_384, "mappings", "Kernel mappings (pieces) for all backings", "copied instead of mapped"
    )
    # They are taken back in one call, 4 ms for so many, which nothing interrupts.
    backing_mappings: int = _limit(
        4096,
        "mappings",
        "Kernel mappings of one backing; Linux was seen with 512",
        "copied instead of mapped",
    )
    # A driver can name one page in many entries, so the size of its memory is no bound.
    mapped: int = _limit(
        1 << 36, "bytes", "Address space for all backings together", "copied instead of mapped"
    )
    # The kernel grants a process 128 TiB, and sparse files cost a VMM nothing.
    address_space: int = _limit(
        1 << 42,
        "bytes",
        "Address space for the guest's memory (twice while its table is replaced) and all backings",
        "memory table refused; backings are copied instead of mapped",
    )
    # A flush may wait until the next one shows another buffer: two for each of 16 scanouts, at least.
    fences: int = _limit(
        1024,
        "answers",
        "Answers that wait for the display, outstanding fences",
        "the queues wait until one is given",
        least=32,
    )
    descriptors: int = _limit(
        128,
        "descriptors",
        "File descriptors that a front end's messages leave here: memory, kicks, calls",
        "the message is refused",
        least=8,
    )
    connections: int = _limit(
        16,
        "connections",
        "Connections to its socket that have said nothing yet",
        "the oldest is closed",
        least=1,
    )
    first_message: int = _limit(
        30, "s", "Real time in which a connection has to say something", "it is closed"
    )
    lines: int = _limit(32, "lines", "Different lines about one connection", "not told")
    turn: int = _limit(
        2000,
        "us",
        "Time that its device works before the others have their turn, on the real clock",
        "it waits for as many rounds as pay for what it took",
        least=100,
    )

    def __post_init__(self) -> None:
        _check(self, "")


@dataclass(frozen=True, slots=True)
class Totals:
    """The limits of all guests of a machine together, as `Limits`."""

    host_memory: int = _limit(8 << 30, "bytes", "As host-memory", "ERR_OUT_OF_MEMORY")
    resources: int = _limit(1 << 16, "resources", "As resources", "ERR_OUT_OF_MEMORY")
    # Half of what the kernel grants a process: without the rest, `malloc` itself fails.
    mappings: int = _limit(65_530 // 2, "mappings", "As mappings", "copied instead of mapped")
    address_space: int = _limit(
        1 << 46, "bytes", "As address-space", "memory table refused; backings are copied instead of mapped"
    )
    fences: int = _limit(
        1 << 14, "answers", "As fences", "the queues wait until one is given, of any guest", least=32
    )
    descriptors: int = _limit(768, "descriptors", "As descriptors", "the message is refused", least=8)
    connections: int = _limit(64, "connections", "As connections", "the new one is closed", least=1)
    lines: int = _limit(1000, "lines", "Lines about guests in one run", "not told, after a line that says so")

    def __post_init__(self) -> None:
        _check(self, "total-")


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        name: On the command line; in files and in Python with underscores.
        default: Unless it is said otherwise.
        unit: Of the number: "bytes" and "us" may be given in larger units.
        meaning: What is counted.
        beyond: What happens beyond it.
    """

    name: str
    default: int
    unit: str
    meaning: str
    beyond: str


def _check(values: Limits | Totals, prefix: str) -> None:
    for one in fields(values):
        value, least, most = getattr(values, one.name), one.metadata["least"], one.metadata["most"]
        if type(value) is not int or not least <= value <= most:
            allowed = f"{least} or more" if most == _MOST else f"{least} to {most}"
            name = prefix + one.name.replace("_", "-")
            raise Misuse(
                f"limit {name}: {value!r} is not a whole number of {one.metadata['unit']}, {allowed}"
            )


def _row(one: Field[Any], prefix: str) -> Row:
    said = one.metadata
    name, default = prefix + one.name.replace("_", "-"), one.default
    assert isinstance(default, int)
    return Row(name, default, said["unit"], said["meaning"], said["beyond"])


TABLE: tuple[Row, ...] = (
    *(_row(one, "") for one in fields(Limits)),
    *(_row(one, "total-") for one in fields(Totals)),
)
"""Every limit, those of one guest first."""

_UNITS = {row.name: row.unit for row in TABLE}
_TOTAL = "total-"
_SUFFIXES: Mapping[str, Mapping[str, int]] = {
    "bytes": {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40},
    "us": {"": 1, "us": 1, "ms": 1000, "s": 1_000_000},
    "s": {"": 1, "s": 1},
}
_VALUE = re.compile(r"(\d{1,20})([A-Za-z]*)", re.ASCII)

Values = Mapping[str, int | str]
"""Names of limits, with dashes or underscores, and what they shall be: 64, "64", "256M", "5ms"."""

NO_VALUES: Values = {}

_Kind = TypeVar("_Kind", Limits, Totals)


def changed(limits: Limits, values: Values) -> Limits:
    """The same limits of one guest, but for those that `values` names.

    Raises:
        Misuse: There is no such limit of one guest, or it cannot be that; the message names it.
    """
    own, total = _split(values)
    if total:
        raise Misuse(f"limit {_TOTAL}{next(iter(total))}: it is one of all guests together")
    return _replaced(limits, own, "")


def changed_all(limits: Limits, totals: Totals, values: Values) -> tuple[Limits, Totals]:
    """As `changed`, those of all guests together included.

    Raises:
        Misuse: As for `changed`.
    """
    own, total = _split(values)
    return _replaced(limits, own, ""), _replaced(totals, total, _TOTAL)


def normal(values: Values) -> dict[str, int | str]:
    """The same with dashes alone."""
    return {name.replace("_", "-"): value for name, value in values.items()}


def _split(values: Values) -> tuple[dict[str, int | str], dict[str, int | str]]:
    own: dict[str, int | str] = {}
    total: dict[str, int | str] = {}
    for name, value in normal(values).items():
        if name not in _UNITS:
            raise Misuse(f"there is no limit {name!r}; there are: {', '.join(_UNITS)}")
        (total if name.startswith(_TOTAL) else own)[name.removeprefix(_TOTAL)] = value
    return own, total


def _replaced(limits: _Kind, values: Values, prefix: str) -> _Kind:
    numbers = {name.replace("-", "_"): number(prefix + name, value) for name, value in values.items()}
    return replace(limits, **numbers)


def number(name: str, value: int | str) -> int:
    """What a limit shall be, in its unit.

    Raises:
        Misuse: It is no number, or its unit is not the limit's.
    """
    if isinstance(value, int):
        return value
    units = _SUFFIXES.get(_UNITS[name], {"": 1})
    found = _VALUE.fullmatch(value)
    if found is None or found[2] not in units:
        ends = f", perhaps with one of {' '.join(units)[1:]} behind it" if len(units) > 1 else ""
        raise Misuse(f"limit {name}: {value!r} is no number of {_UNITS[name]}{ends}")
    return int(found[1]) * units[found[2]]
