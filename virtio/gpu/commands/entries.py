"""The memory entries that follow a request."""

from __future__ import annotations

import struct

from virtio.gpu.errors import unspecified
from virtio.gpu.session import Session
from virtio.gpu.wire import HEADER_SIZE, sizeof, unpack_entries
from virtio.memory import Run


def read_entries(session: Session, request: bytes, structure: type, count: int) -> list[Run]:
    """The (guest address, bytes) runs behind a request of the given structure.

    Raises:
        CommandFault: There are more than the guest may send, or fewer than it says (ERR_UNSPEC).
    """
    ledger = session.ledger
    if count > ledger.limits.entries:
        what = f"{count} memory entries are more than {ledger.limits.entries}"
        raise unspecified(ledger.reached("entries", what))
    try:
        return unpack_entries(request, HEADER_SIZE + sizeof(structure), count)
    except struct.error as error:
        raise unspecified(str(error)) from None
