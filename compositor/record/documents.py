"""The records that are JSON documents: their keys, each with its type.

A recording is a file that came from anywhere, so what does not fit is refused before any of it is used.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from compositor.adapter.placement import Placement
from compositor.errors import BadInput
from compositor.record.records import Record


class MonitorDocument(Struct, frozen=True):
    """An output, and the payload of a PLUG record.

    Attributes:
        name: Its own.
        mode: As `Mode.parse` reads it.
        background: 0xRRGGBB.
        position: (x, y) in the layout of outputs; None: to the right of those before it.
        plugged: Whether there was a monitor.
        linear_light: Whether guests were blended by amounts of light.
        direct_scanout: Whether a buffer that filled the screen was scanned out as it was.
    """

    name: str
    mode: str
    background: int
    position: tuple[int, int] | None = None
    plugged: bool = True
    linear_light: bool = False
    direct_scanout: bool = True


class MachineDocument(Struct, frozen=True):
    """The payload of the MACHINE record.

    Attributes:
        clock: What the run was recorded on.
        outputs: Its outputs.
    """

    clock: Literal["virtual", "real"]
    outputs: list[MonitorDocument]


class GuestDocument(Struct, frozen=True):
    """The payload of a GUEST record.

    Attributes:
        name: Its own.
        kind: As `Attachment.kind`.
        places: Where its scanouts appear.
        exact_damage: As `compositor.adapter.display.GuestDisplay.exact_damage`.
    """

    name: str
    kind: str
    places: list[Placement]
    exact_damage: bool = False


class PlaceDocument(Struct, frozen=True):
    """The payload of a PLACE record.

    Attributes:
        scanout: Which scanout of the guest.
        place: Where it appears from now on.
    """

    scanout: int
    place: Placement


Document = TypeVar("Document", bound=Struct)


def read_document(record: Record, kind: type[Document]) -> Document:
    """A record's payload, as a document of that kind.

    Raises:
        BadInput: It is none.
    """
    try:
        return msgspec.json.decode(record.payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"a recording whose {record.kind.name} record makes no sense: {error}") from None
