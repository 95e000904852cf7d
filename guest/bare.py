"""A virtual machine in this process: memory, a virtio-gpu driver, and nothing that it shows by itself.

What it shows is added on top: a workload (`guest.simulated`), a script (`guest.script`), or single commands
(`guest.commanded`).
"""

from __future__ import annotations

from collections.abc import Callable

from guest.driver import GpuDriver, GuestRam
from guest.driver.transport import Transport
from guest.flips import known_sync
from virtio.arguments import check_type, check_whole
from virtio.clock import Clock
from virtio.closing import Closing
from virtio.device import Device
from virtio.errors import Misuse
from virtio.inproc import InProcessTransport
from virtio.memory import GuestMemory


class BareGuest(Closing):
    """One virtual machine with a virtio-gpu driver; context manager.

    `attach` plugs a device in, `start` boots; `close` takes everything back.

    Args:
        name: For people and statistics.
        sync: What the host's flushes wait for.
        seed: Of where its pages lie; None takes what `attach` is given.
        memory: Guest memory in bytes; what is not used costs nothing.

    Raises:
        Misuse: There is no such kind of synchronisation, or an argument is of another type or too small.

    Attributes:
        kind: "simulated".
        name: As given.
        sync: As given.
        exact_damage: Whether the damage of a flush is all that differs from the flush before.
        on_fault: Called with one line for what goes wrong inside, and is dealt with there.
    """

    kind = "simulated"
    exact_damage = False

    def __init__(self, name: str, *, sync: str, seed: int | None, memory: int) -> None:
        check_type("name", name, str, "a text")
        if seed is not None:
            check_type("seed", seed, int, "a whole number, or None,")
        check_whole("memory", memory, least=1)
        self.name, self.sync = name, known_sync(sync)
        self.on_fault: Callable[[str], None] = lambda _line: None
        self._seed, self._memory = seed, memory
        self._parts: tuple[GuestRam, Transport, GpuDriver] | None = None

    @property
    def driver(self) -> GpuDriver:
        """Its virtio-gpu driver: command counts, errors, state.

        Raises:
            Misuse: No device is attached.
        """
        return self._attached()[2]

    @property
    def transport(self) -> Transport:
        """What its device is plugged into.

        Raises:
            Misuse: No device is attached.
        """
        return self._attached()[1]

    def set_sync(self, sync: str) -> None:
        """What the host's flushes wait for from now on; the host has to change its policy before that."""
        self.sync = known_sync(sync)

    def attach(self, device: Device, *, default_seed: int = 0, clock: Clock | None = None) -> None:
        """Give the guest its memory, and plug `device` in, which is in this process.

        Args:
            device: No driver drives it yet.
            default_seed: For a guest that was given none of its own.
            clock: The run's, which delivers what guest and device say to each other; None: it is delivered
                when the driver polls (`transport.poll`). A guest with a GPU or a script needs one.

        Raises:
            Misuse: It has a device already, or needs a clock, or its GPU has no room for it.
        """
        self.plug(
            lambda memory: InProcessTransport(device, memory, clock), default_seed=default_seed, clock=clock
        )

    def plug(
        self,
        connect: Callable[[GuestMemory], Transport],
        *,
        default_seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Give the guest its memory, and a device over any transport.

        Args:
            connect: Makes the transport, given the memory; the guest closes it.
            default_seed: For a guest that was given none of its own.
            clock: The run's; a guest with a GPU or a script needs it.

        Raises:
            Misuse: As `attach`.
        """
        if self._parts is not None:
            raise Misuse(f"guest {self.name} has a device already; close it first")
        seed = default_seed if self._seed is None else self._seed
        ram = GuestRam(self._memory, seed=seed, name=self.name)
        try:
            transport = connect(self._prepare(ram, seed, clock))
        except BaseException:
            self._clear()
            ram.close()
            raise
        driver = GpuDriver(transport, ram)
        self._drive(driver)
        self._parts = ram, transport, driver

    def start(self) -> None:
        """Boot: the driver probes the device, and sets its display's mode when that has answered.

        A device in this process has answered when the call returns. Once more reboots.

        Raises:
            Misuse: No device is attached.
            DeviceFault: The device refuses to be driven.
        """
        self.driver.close()  # first of all, for the device may still look at the buffers
        self._drop()
        self.driver.probe()
        self.transport.poll()

    def close(self) -> None:
        """Switch it off: device reset, memory given back. Once more does nothing."""
        if self._parts is None:
            return
        ram, transport, driver = self._parts
        driver.close()
        self._drop()
        self._clear()
        transport.close()
        ram.close()
        self._parts = None

    def _attached(self) -> tuple[GuestRam, Transport, GpuDriver]:
        if self._parts is None:
            raise Misuse(f"guest {self.name} has no device; attach one first")
        return self._parts

    # What kinds of guest add.

    def _prepare(self, ram: GuestRam, _seed: int, _clock: Clock | None) -> GuestMemory:
        """Make ready what it needs beside a display; returns the memory that devices reach."""
        return ram.memory

    def _drive(self, driver: GpuDriver) -> None:
        """Take a driver that has not probed its device yet."""

    def _drop(self) -> None:
        """Show nothing any more; the driver has reset its device."""

    def _clear(self) -> None:
        """Give back what `_prepare` has made."""
