"""Feature bits: 2.2, 6 and 5.7.3."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.rig import Rig
from compositor.conform.verdict import require
from virtio.features import RingFeature
from virtio.gpu.wire import Feature

_GROUP = Group("features")
check = _GROUP.check

_BLOB_ALIGNMENT = 5
_LARGEST_OWN = 23
# Legacy and vhost bits: NOTIFY_ON_EMPTY, VHOST_F_LOG_ALL, ANY_LAYOUT, PROTOCOL_FEATURES.
_LEGACY = frozenset({24, 26, 27, 30})


def _bits(features: int) -> set[int]:
    return {bit for bit in range(64) if features >> bit & 1}


@check("6.1")
def version_1_is_offered(rig: Rig) -> None:
    """A device offers VERSION_1."""
    features, _ = rig.wire().hello()
    require(bool(features & RingFeature.VERSION_1), f"the features are {features:#x}")


@check("2.2.2")
def features_come_with_what_they_require(rig: Rig) -> None:
    """CONTEXT_INIT is offered with VIRGL only, BLOB_ALIGNMENT with RESOURCE_BLOB only."""
    features, _ = rig.wire().hello()
    bits = _bits(features)
    for bit, name, needed in (
        (Feature.CONTEXT_INIT, "CONTEXT_INIT", Feature.VIRGL),
        (_BLOB_ALIGNMENT, "BLOB_ALIGNMENT", Feature.RESOURCE_BLOB),
    ):
        require(bit not in bits or needed in bits, f"{name} is offered without {needed.name}")


@check("2.2.2")
def bits_without_meaning_are_not_offered(rig: Rig) -> None:
    """No bit is offered that the specification does not describe, for a GPU or for all devices."""
    features, _ = rig.wire().hello()
    known = {*Feature, _BLOB_ALIGNMENT, *_LEGACY}
    known |= {flag.bit_length() - 1 for flag in RingFeature} | set(range(41, 50))
    extra = sorted(_bits(features) - known)
    require(not extra, f"bits {extra} are offered")


@check("2.2.2", "should")
def a_driver_may_accept_few(rig: Rig) -> None:
    """A driver that accepts VERSION_1 alone is served."""
    guest = rig.guest(features=RingFeature.VERSION_1)
    guest.do_display_info()


@check("2.2.2", "should")
def each_feature_may_be_accepted_alone(rig: Rig) -> None:
    """A driver that accepts one of the GPU's features, and no other, is served."""
    guest = rig.stranger()
    guest.negotiate(features=RingFeature.VERSION_1)
    for bit in sorted(_bits(guest.offered)):
        if bit <= _LARGEST_OWN and bit not in {Feature.VIRGL, Feature.CONTEXT_INIT, _BLOB_ALIGNMENT}:
            guest.set_features(RingFeature.VERSION_1 | 1 << bit)
    guest.start()
    guest.do_display_info()
