"""`virtio.features`: who may accept what, and that faults name the bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import DriverFault, Misuse
from virtio.features import SPLIT_RING, RingFeature, names, negotiate

VERSION_1 = RingFeature.VERSION_1
masks = st.integers(0, (1 << 64) - 1)


def test_bits_are_those_of_the_specification() -> None:
    numbers = {flag.name: flag.value.bit_length() - 1 for flag in RingFeature}
    assert numbers["INDIRECT_DESC"] == 28
    assert numbers["EVENT_IDX"] == 29
    assert numbers["VERSION_1"] == 32
    assert numbers["RING_RESET"] == 40
    assert all(flag.value.bit_count() == 1 for flag in RingFeature)


def test_a_split_ring_offers_what_this_device_can() -> None:
    assert SPLIT_RING == 1 << 28 | 1 << 29 | 1 << 32


@given(masks, masks)
def test_a_subset_with_version_1_is_negotiated_and_nothing_else(offered: int, accepted: int) -> None:
    offered |= VERSION_1
    if accepted & ~offered or not accepted & VERSION_1:
        with pytest.raises(DriverFault):
            negotiate(offered, accepted)
    else:
        assert negotiate(offered, accepted) == accepted


@given(masks, masks)
def test_any_subset_may_be_chosen(offered: int, mask: int) -> None:
    accepted = offered & mask | VERSION_1
    assert negotiate(offered | VERSION_1, accepted) == accepted


def test_bits_that_were_not_offered_are_named_also_those_of_no_name() -> None:
    with pytest.raises(DriverFault, match=r"not offered: bit 5, EVENT_IDX, RING_PACKED, bit 63$"):
        negotiate(VERSION_1 | 2, VERSION_1 | 1 << 5 | 1 << 29 | 1 << 34 | 1 << 63)


def test_a_legacy_driver_is_refused() -> None:
    with pytest.raises(DriverFault, match="did not accept VERSION_1"):
        negotiate(SPLIT_RING, SPLIT_RING & ~VERSION_1)


def test_a_device_must_offer_version_1() -> None:
    with pytest.raises(Misuse, match="without VERSION_1"):
        negotiate(2, 2)


def test_no_features_have_no_names() -> None:
    assert names(0) == ""
