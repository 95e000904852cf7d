"""What a device counts over its whole life, across resets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Statistics:
    """Counters of one device.

    Attributes:
        commands: How often each command came, by its name; `UNKNOWN` for numbers that mean nothing.
        errors: How often each error was answered, by its name; also where the driver gave no room for it.
        transfer_bytes: Bytes copied from guest memory: by TRANSFER_TO_HOST_2D, and by flushes of blobs
            that cannot be mapped.
        cursor_bytes: Bytes copied for cursor pictures.
    """

    commands: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    transfer_bytes: int = 0
    cursor_bytes: int = 0
