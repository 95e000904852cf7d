from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guest.driver import DriverState
from guest.faults import FAULTS, Fault
from guest.simulated import SimulatedGuest
from guest.workloads import read_stamp
from virtio.gpu.device import GpuDevice
from virtio.gpu.wire import Response
from virtio.inproc import InProcessTransport

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_the_device_answers_as_expected_and_serves_the_next_guest(
    fault: Fault, display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    reasons: list[str] = []
    with SimulatedGuest("gears", size=(64, 64)) as guest:
        guest.attach(device)
        assert isinstance(guest.transport, InProcessTransport)
        guest.transport.on_fault = device.on_fault = reasons.append
        guest.start()
        guest.frame_tick()
        answers = fault.apply(guest.driver)
        broken = fault.expected is None
        assert answers == ([] if broken else [fault.expected])
        assert guest.driver.state is (DriverState.LOST if broken else DriverState.RUNNING)
        assert fault.reason in "".join(reasons)
        assert bool(fault.reason) is broken, "an answer says it; a broken ring is silent"
        assert len(reasons) == (fault.expected is not Response.OK_NODATA)
        assert guest.frame_tick() is not broken
        guest.start()
        assert guest.frame_tick()
        assert read_stamp(display.frames[-1]).frame_id == guest.frames_submitted - 1


def test_a_resource_that_is_unreferenced_leaves_the_screen_dark(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    with SimulatedGuest("gears", size=(64, 64)) as guest:
        guest.attach(device)
        guest.start()
        guest.frame_tick()
        FAULTS["unref-of-scanned-out-resource"].apply(guest.driver)
        assert display.images[0] is None


def test_every_fault_has_a_name_and_says_what_it_is() -> None:
    assert all(name == fault.name and fault.description.endswith(".") for name, fault in FAULTS.items())
    assert all("\n" not in fault.description for fault in FAULTS.values())
