"""The composition root: outputs, a clock and the guests attached to them, as one async context manager."""

from compositor.machine.machine import Machine

__all__ = ["Machine"]
