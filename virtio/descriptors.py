"""File descriptors that arrive from a peer: the receiver owns them, and must not lose one."""

from __future__ import annotations

import os
from collections.abc import Iterable


def close_fds(fds: Iterable[int]) -> None:
    """Close descriptors that are not wanted."""
    for fd in fds:
        os.close(fd)
