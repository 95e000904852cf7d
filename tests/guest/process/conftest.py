"""A host and the guest's transport on one loop: the guest waits, and the host works meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guest.driver import GpuDriver, GuestRam
from guest.process.reactor import Reactor
from guest.process.transport import VhostUserTransport
from virtio.gpu.device import GpuDevice
from virtio.vhost_user.frontend import VhostUserFrontend
from virtio.vhost_user.server import VhostUserServer

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay


@dataclass
class Host:
    """A device that listens."""

    reactor: Reactor
    server: VhostUserServer
    display: RecordingDisplay
    devices: list[GpuDevice]
    errors: list[str]

    @property
    def device(self) -> GpuDevice:
        """The one of the guest that is connected."""
        return self.devices[-1]

    def connect(self, ram: GuestRam) -> VhostUserTransport:
        frontend = self.reactor.wait(VhostUserFrontend.connect(self.server.path))
        return VhostUserTransport(frontend, ram.memory, self.reactor)


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    with Reactor() as reactor:
        yield reactor


@pytest.fixture
def host(reactor: Reactor, display: RecordingDisplay, tmp_path: Path) -> Iterator[Host]:
    devices: list[GpuDevice] = []
    errors: list[str] = []

    def make() -> GpuDevice:
        devices.append(GpuDevice(display))
        return devices[-1]

    server = VhostUserServer(tmp_path / "gpu", make, on_error=errors.append)
    reactor.wait(server.__aenter__())
    yield Host(reactor, server, display, devices, errors)
    server.close()


@dataclass
class Driven:
    """A driver over that transport."""

    ram: GuestRam
    transport: VhostUserTransport
    driver: GpuDriver
    reactor: Reactor

    def until(self, condition: object) -> None:
        """Deliver what the device says until `condition()` holds."""
        while not condition():  # type: ignore[operator]
            self.reactor.sleep()
            self.transport.poll()


@pytest.fixture
def driven(host: Host) -> Iterator[Driven]:
    with GuestRam(32 << 20, seed=3) as ram:
        transport = host.connect(ram)
        yield Driven(ram, transport, GpuDriver(transport, ram), host.reactor)
        transport.close()
