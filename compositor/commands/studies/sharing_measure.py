"""What `scanout run sharing-study` measures: guests that draw as fast as they may, on one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from compositor.adapter.placement import Placement
from compositor.commands.studies.study import frame_rate
from compositor.machine import Machine
from guest.driver.render import RenderDriver
from guest.faults.render import RENDER_FAULTS
from guest.gpu import FramebufferMemory, Gpu
from guest.gpu.address_space import BAR
from guest.memory import GuestRam
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat
from virtio.clock import Calendar

GUESTS = 4  # where more than one can share
OUTPUT = "960x540@60"
CYCLES = 184  # a pixel: 4 ms a frame, as 1080p with 46 a pixel
DRAWS = 60  # a frame
MEMORY = 16 << 20  # of a guest, bytes
WEIGHTS = (1, 2, 4)
TOLERANCE = 0.05  # of a weight's share
_SLICE_S = 0.1
_MIB = 1 << 20


class Rates(NamedTuple):
    """What some guests, all drawing, had of one GPU.

    Attributes:
        fps: Each guest's frames per second.
        busy_ms: The engine's time for each guest.
        traps: Each guest's traps; `measure` leaves out the mapping of its memory at the beginning.
        copied_bytes: The bytes that were copied for each guest.
        latency_p50_ms: The time from the submission of a frame to its fence, median over the guests.
        latency_p99_ms: The same time, its 99th percentile for the guest that waits longest.
        frames: The frames that each presented.
    """

    fps: list[float]
    busy_ms: list[float]
    traps: list[int]
    copied_bytes: list[int]
    latency_p50_ms: float
    latency_p99_ms: float
    frames: list[int]


def machine_for(guests: int, seed: int, output: str = OUTPUT) -> Machine:
    """An output for each guest, repainted as soon as its guest flushes."""
    return Machine(outputs=[output] * guests, repaint="flush", seed=seed, digest=False)


def study_guest(gpu: Gpu, name: str, weight: int = 1, *, sync: str = "release") -> SimulatedGuest:
    """A guest that begins a frame when the last one is shown; with "queue" the GPU never waits for it."""
    slot = gpu.slot(weight=weight, cycles=CYCLES, draws=DRAWS)
    return SimulatedGuest(Flat(), name=name, gpu=slot, sync=sync, memory=MEMORY)


async def measure(
    mode: str, weights: Sequence[int], *, idle: int = 0, seconds: float = 1.0, seed: int = 0
) -> Rates:
    """Let guests draw for a while.

    Args:
        mode: How they share the GPU.
        weights: The weight of each guest.
        idle: How many further guests have a place at the GPU and draw nothing.
        seconds: How long they draw.
        seed: The seed of all that is random.
    """
    gpu = Gpu(mode)
    with ExitStack() as stack:
        async with machine_for(len(weights), seed) as machine:
            for index in range(idle):
                ram = stack.enter_context(GuestRam(MEMORY))
                stack.callback(gpu.detach, gpu.attach(f"idle-{index}", ram.memory, machine.clock))
            for index, weight in enumerate(weights):
                await machine.attach(study_guest(gpu, f"guest-{index}", weight), [Placement(output=index)])
            setting_up = rates(machine, seconds).traps
            await machine.run(seconds=seconds)
            found = rates(machine, seconds)
            traps = [total - before for total, before in zip(found.traps, setting_up, strict=True)]
            return found._replace(traps=traps)


def rates(machine: Machine, seconds: float) -> Rates:
    """What a machine's guests have had so far."""
    guests = machine.stats()["guests"]
    gpus = [guest["gpu"] for guest in guests]
    frames = [guest["frames"]["presented"] for guest in guests]
    return Rates(
        [count / seconds for count in frames],
        [gpu["busy_ms"] for gpu in gpus],
        [sum(gpu["traps"].values()) for gpu in gpus],
        [gpu["copied_bytes"] for gpu in gpus],
        median(gpu["job_ms"]["p50"] for gpu in gpus),
        max(gpu["job_ms"]["p99"] for gpu in gpus),
        frames,
    )


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all are equal, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


class Isolation(NamedTuple):
    """What became of attempts to reach another guest's memory.

    Attributes:
        attempts: How many kinds were tried.
        caught: How many were named as what they are.
        harmed: Whether the other guest's memory changed.
    """

    attempts: int
    caught: int
    harmed: bool


def isolation(mode: str) -> Isolation | None:
    """Let one guest reach for another's VRAM in every way of the catalogue; None: there is no other."""
    gpu, calendar = Gpu(mode), Calendar()
    if gpu.sharing.most_guests == 1:
        return None
    attempts = [fault for fault in RENDER_FAULTS.values() if fault.against_others]
    with ExitStack() as stack:
        drivers = []
        for name in ("victim", "intruder"):
            ram = stack.enter_context(GuestRam(MEMORY))
            function = gpu.attach(name, ram.memory, calendar)
            stack.callback(gpu.detach, function)
            drivers.append(RenderDriver(function, ram, name))
            stack.callback(drivers[-1].close)
        victim, intruder = drivers
        page = victim.allocate_vram(4096, visible=True)
        partition = intruder.function.partition
        # Where guests count from 0, the victim has no address; the first that is not the intruder's own will
        # do.
        foreign = partition.size if partition.relative else page.runs[0][0] - BAR
        before = page.memory.read(*page.runs[0])
        for fault in attempts:
            fault.apply(intruder, (foreign, 4096))
            while calendar.run_next():
                pass
        harmed = page.memory.read(*page.runs[0]) != before
        return Isolation(len(attempts), intruder.function.statistics.violations, harmed)


class Convergence(NamedTuple):
    """How the engine's time came to be shared by weight.

    Attributes:
        weights: The guests' weights.
        shares: The guests' shares of the engine's time since the beginning, at the end of every 100 ms.
        converged_ms: When all were within 5 % of their weights' shares and stayed there; None: not by the
            end.
    """

    weights: tuple[int, ...]
    shares: list[list[float]]
    converged_ms: float | None


async def convergence(mode: str, *, seed: int = 0) -> Convergence:
    """The first second of guests of different weights."""
    gpu = Gpu(mode)
    shares = []
    async with machine_for(len(WEIGHTS), seed) as machine:
        for index, weight in enumerate(WEIGHTS):
            await machine.attach(
                study_guest(gpu, f"weight-{weight}", weight, sync="queue"), [Placement(output=index)]
            )
        for _ in range(round(1 / _SLICE_S)):
            await machine.run(seconds=_SLICE_S)
            busy = rates(machine, 1.0).busy_ms
            shares.append([round(time / sum(busy), 4) for time in busy])
    wanted = [weight / sum(WEIGHTS) for weight in WEIGHTS]
    off = [
        any(abs(share - due) > TOLERANCE * due for share, due in zip(row, wanted, strict=True))
        for row in shares
    ]
    last_off = max((index + 1 for index, is_off in enumerate(off) if is_off), default=0)
    converged_ms = None if last_off == len(off) else round((last_off + 1) * _SLICE_S * 1e3, 1)
    return Convergence(WEIGHTS, shares, converged_ms)


async def newcomer_stall_ms(mode: str, *, seed: int = 0) -> float:
    """The longest wait for a frame of a guest that was busy alone for a second, when a second one comes."""
    gpu = Gpu(mode)
    async with machine_for(2, seed) as machine:
        await machine.attach(study_guest(gpu, "busy", sync="queue"), [Placement(output=0)])
        await machine.run(seconds=1.05)
        await machine.attach(study_guest(gpu, "newcomer", sync="queue"), [Placement(output=1)])
        await machine.run(seconds=1.5)
        stall: float = machine.stats()["guests"][0]["gpu"]["job_ms"]["max"]
        return stall


class Placed(NamedTuple):
    """A guest whose framebuffers lie somewhere.

    Attributes:
        size: The size of its picture, such as "1920x1080".
        placement: Where its framebuffers lie.
        fps: Frames per second.
        migrated_per_frame: Bytes copied out of VRAM for a frame.
    """

    size: str
    placement: str
    fps: float
    migrated_per_frame: int


async def placed(size: str, placement: FramebufferMemory, *, frames: int = 30, seed: int = 0) -> Placed:
    """A guest whose shader makes 59 frames of 1080p a second; see `guest.gpu.cost` for what is fitted."""
    guest = SimulatedGuest(
        Flat(), gpu=Gpu().slot(placement=placement, cycles=196), sync="queue", memory=256 * _MIB
    )
    async with machine_for(1, seed, f"{size}@60") as machine:
        await machine.attach(guest)
        await machine.run(frames=2)
        fps = await frame_rate(machine, frames)
        (stats,) = machine.stats()["guests"]
    migrated = stats["gpu"]["migrated_bytes"] // stats["frames"]["submitted"]
    return Placed(size, str(placement), round(fps, 1), migrated)
