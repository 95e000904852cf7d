"""A front end that says anything at all, in any order."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtio.errors import DriverFault
from virtio.memory import PAGE
from virtio.vhost_user.messages import FLAG_NEED_REPLY, FLAG_REPLY, VERSION, Message, Request
from virtio.vhost_user.payloads import (
    ConfigAccess,
    RegionDescription,
    VringAddress,
    VringState,
    pack_memory_table,
    pack_region,
    pack_u64,
)

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest, RecordingHost

index = st.sampled_from([0, 0, 0, 1, 2, 255])
number = st.sampled_from([0, 1, 2, 3, 16, 256, 300, 65536, 2**32 - 1])
place = st.sampled_from([0, PAGE, 2 * PAGE, 3 * PAGE, 5, 2**40, 2**64 - 1])
regions = st.builds(RegionDescription, place, st.sampled_from([0, PAGE, 8 * PAGE, 2**40]), place, place)
sane = RegionDescription(0, 8 * PAGE, 8 * PAGE, 0)
inside = st.sampled_from([8 * PAGE, 9 * PAGE, 10 * PAGE, 11 * PAGE])
payloads = st.one_of(
    st.just(b""),
    st.binary(max_size=80),
    st.builds(pack_u64, st.one_of(index, st.sampled_from([0x100, 0x229, 0x4029, 1 << 32, 1 << 34]))),
    st.builds(lambda i, n: VringState(i, n).pack(), index, number),
    st.builds(lambda i, d, u, a: VringAddress(i, 0, d, u, a, 0).pack(), index, inside, inside, inside),
    st.lists(st.one_of(regions, st.just(sane)), max_size=3).map(pack_memory_table),
    st.one_of(regions, st.just(sane)).map(pack_region),
    st.builds(lambda o, s: ConfigAccess(o, s, 0, bytes(s)).pack(), number, st.integers(0, 40)),
)
messages = st.tuples(
    st.one_of(st.sampled_from(Request), st.integers(0, 60)),
    payloads,
    st.lists(st.sampled_from(["memory", "event", "path"]), max_size=2),
    st.sampled_from([0, 0, FLAG_NEED_REPLY, FLAG_REPLY]),
)


@given(st.lists(messages, max_size=40), st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_front_end_can_say_anything_and_breaks_nothing_but_its_own_connection(
    guest: Guest, host: RecordingHost, said: list[tuple[int, bytes, list[str], int]], inband: bool
) -> None:
    kinds: dict[str, Callable[[], int]] = {
        "memory": lambda: os.dup(guest.handle.fd),
        "event": lambda: os.eventfd(0),
        "path": lambda: os.open("/", os.O_PATH),
    }
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    device: EchoDevice = type(host.device)()
    hostile = type(host)(device, inband=inband)
    with suppress(DriverFault):
        for request, payload, fds, flags in said:
            hostile.backend.handle(
                Message(request, payload, flags=VERSION | flags, fds=[kinds[kind]() for kind in fds])
            )
            hostile.run()
            device.config_changed()
            device.notify(0)
    hostile.backend.close()
    assert device.events[-1] == "reset"
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
