"""What a back end offers to a front end, and what it refuses to have agreed on."""

from __future__ import annotations

from virtio.errors import ProtocolFault
from virtio.features import RingFeature, names
from virtio.vhost_user.messages import ProtocolFeature

_OFFERED = sum(
    feature.mask
    for feature in ProtocolFeature
    if feature is not ProtocolFeature.INBAND_NOTIFICATIONS  # for simulation only, see `inband`
)
_INBAND_NEEDS = ProtocolFeature.BACKEND_REQ.mask | ProtocolFeature.REPLY_ACK.mask

# QEMU's vhost-user-gpu never compares with what its back end offers (it does not call vhost_get_features),
# and lets the driver negotiate all that QEMU itself knows. These cannot be served.
_UNSUPPORTED = {
    RingFeature.RING_PACKED: "packed=off",
    RingFeature.ACCESS_PLATFORM: "iommu_platform=off",
    RingFeature.IN_ORDER: "in_order=off",
}


def offered_protocol(*, inband: bool) -> int:
    """Protocol features as bits, with in-band notifications or without."""
    return _OFFERED | (ProtocolFeature.INBAND_NOTIFICATIONS.mask if inband else 0)


def check_features(features: int) -> None:
    """Refuse virtio features that were never offered, and cannot be served.

    Raises:
        ProtocolFault: One of them is among `features`; the message says how to do without.
    """
    for feature, remedy in _UNSUPPORTED.items():
        if features & feature:
            name = names(feature)
            raise ProtocolFault(f"{name} was negotiated but never offered: give QEMU's device {remedy}")


def check_protocol(features: int, offered: int) -> None:
    """Refuse protocol features that were not offered, or do not go together.

    Raises:
        ProtocolFault: It names them.
    """
    if extra := features & ~offered:
        raise ProtocolFault(f"protocol features {extra:#x} were negotiated, but are not offered")
    inband = features & ProtocolFeature.INBAND_NOTIFICATIONS.mask
    if inband and features & _INBAND_NEEDS != _INBAND_NEEDS:
        raise ProtocolFault("in-band notifications were negotiated without BACKEND_REQ and REPLY_ACK")
