"""Time as an input: one interface, a virtual and a real implementation.

Cores never read a clock. They are given `now_ns`, or a `Clock` to schedule on.
"""

from virtio.clock.calendar import Calendar, Cancellable, Clock, Event

__all__ = ["Calendar", "Cancellable", "Clock", "Event"]
