"""The checks, by subject. Importing a module enters its checks into the register."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "protocol",
    "acknowledgements",
    "memory_table",
    "ring_states",
    "config_space",
    "features",
    "split_ring",
    "notifications",
    "packed_ring",
    "requests",
    "fences",
    "displays",
    "resources",
    "scanouts",
    "blobs",
    "cursors",
    "errors",
    "pictures",
    "reset",
    "robustness",
)


def load() -> None:
    """Enter all checks, in the order of the modules; once more does nothing."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
