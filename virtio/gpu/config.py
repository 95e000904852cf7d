"""The device's config space (virtio 1.3, 5.7.4)."""

from __future__ import annotations

from virtio.gpu.wire import Config, Event, layout_of, pack

_EVENTS_CLEAR = next(field for field in layout_of(Config).fields if field.name == "events_clear")


class ConfigSpace:
    """Sixteen bytes: pending events, and the number of scanouts."""

    def __init__(self, num_scanouts: int) -> None:
        self._num_scanouts = num_scanouts
        self._events = 0

    def raise_event(self, event: Event) -> None:
        """Tell the driver about something, until it clears the event."""
        self._events |= event

    def clear_events(self) -> None:
        """Forget the events that no driver has seen."""
        self._events = 0

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the space; beyond its end there are zeros."""
        data = pack(Config(events_read=self._events, num_scanouts=self._num_scanouts))
        return data[offset : offset + length].ljust(length, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """A driver's write: ones in `events_clear` clear events, all else is read-only and ignored."""
        written = data[max(_EVENTS_CLEAR.offset - offset, 0) :]
        shift = max(offset - _EVENTS_CLEAR.offset, 0)
        if shift < _EVENTS_CLEAR.size:
            bits = int.from_bytes(written[: _EVENTS_CLEAR.size - shift], "little") << 8 * shift
            self._events &= ~bits
