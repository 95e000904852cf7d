"""Feature bits of the transport and the rings, and their negotiation (virtio 1.3, 2.2 and 6).

The bits of the GPU itself (0 to 23) belong to `virtio.gpu`.
"""

from __future__ import annotations

from enum import IntEnum

from virtio.errors import DriverFault, Misuse


class RingFeature(IntEnum):
    """Reserved feature bits (virtio 1.3, 6), as masks.

    No `IntFlag`: what is combined of these must stay a plain integer, for `~` of a flag loses every bit that
    the flag's class does not know, such as those of the device.
    """

    INDIRECT_DESC = 1 << 28
    EVENT_IDX = 1 << 29
    VERSION_1 = 1 << 32
    ACCESS_PLATFORM = 1 << 33
    RING_PACKED = 1 << 34
    IN_ORDER = 1 << 35
    ORDER_PLATFORM = 1 << 36
    SR_IOV = 1 << 37
    NOTIFICATION_DATA = 1 << 38
    NOTIF_CONFIG_DATA = 1 << 39
    RING_RESET = 1 << 40


SPLIT_RING = RingFeature.VERSION_1 | RingFeature.INDIRECT_DESC | RingFeature.EVENT_IDX
"""What every transport here offers beside the device's own bits."""


def negotiate(offered: int, accepted: int) -> int:
    """Check the driver's choice.

    Args:
        offered: Bits that the device offers.
        accepted: Bits that the driver wrote back.

    Returns:
        The negotiated bits, which are those accepted.

    Raises:
        DriverFault: A bit was accepted that was not offered, or VERSION_1 was not accepted: there is no
            legacy interface (2.2.3).
        Misuse: VERSION_1 is not even offered.
    """
    if not offered & RingFeature.VERSION_1:
        raise Misuse("a device without VERSION_1 is offered; it has no legacy interface")
    if extra := accepted & ~offered:
        raise DriverFault(f"the driver accepted features that were not offered: {names(extra)}")
    if not accepted & RingFeature.VERSION_1:
        raise DriverFault("the driver did not accept VERSION_1; there is no legacy interface")
    return accepted


def names(features: int) -> str:
    """Features in words, for messages: `EVENT_IDX, bit 5`."""
    known = {flag.value: flag.name for flag in RingFeature}
    bits = [bit for bit in range(features.bit_length()) if features >> bit & 1]
    return ", ".join(known.get(1 << bit) or f"bit {bit}" for bit in bits)
