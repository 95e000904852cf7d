"""File descriptors that arrive from a peer: whoever receives one owns it, and nobody may lose it."""

from __future__ import annotations

import os
from collections.abc import Iterable


def close_fds(fds: Iterable[int]) -> None:
    """Close descriptors that nobody wants."""
    for fd in fds:
        os.close(fd)
