"""What the GPU's work costs: the model behind every time that the engine takes.

A command costs its decoding, and then as long as the slowest of three things that go on at once: shading its
pixels, moving its bytes in VRAM, and moving its bytes over the bus (a roofline). The defaults are those of a
small discrete GPU on four lanes of PCIe 4; they are a model's parameters, not a measurement.

`MIGRATION_BYTES_PER_S` is fitted to one published pair of figures: with the drm/xe series for mappings from
peer to peer (v4, dri-devel, September 2025) a 1080p60 guest went from 44 to 59 frames per second when its
framebuffer was no longer copied to system memory. Taken as the rates of a loop that draws, with and without
a copy after it, a frame's copy took 1/44 s - 1/59 s = 5.78 ms: 1.436 GB/s. That is a fit of one parameter to
one difference: what it says of other sizes is a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

NANOSECONDS = 1_000_000_000
_FRAME_BYTES = 1920 * 1080 * 4
MIGRATION_BYTES_PER_S = round(_FRAME_BYTES / (1 / 44 - 1 / 59))
"""Of a framebuffer, out of VRAM into system memory; see the module."""


class Work(NamedTuple):
    """What one command asks of the GPU.

    Attributes:
        cycles: Shader cycles, over all pixels.
        vram_bytes: Read and written in VRAM.
        bus_bytes: Read and written in system memory.
        migrated_bytes: Moved out of VRAM for a host that does not reach it there.
        extra_ns: Time that no rate explains.
    """

    cycles: int = 0
    vram_bytes: int = 0
    bus_bytes: int = 0
    migrated_bytes: int = 0
    extra_ns: int = 0


@dataclass(frozen=True, slots=True)
class CostModel:
    """Rates and delays of one GPU.

    Attributes:
        clock_hz: Of the shaders.
        lanes: Shader cycles that are worked off in one clock: pixels of a plain fill.
        vram_bytes_per_s: Bandwidth of local memory.
        bus_bytes_per_s: Bandwidth to system memory.
        migration_bytes_per_s: Of a migration, which allocates and clears besides it copies.
        command_ns: To fetch and decode a command.
        doorbell_ns: From the doorbell to the first command.
        switch_ns: From one context to another.
        spin_ns: A jump backwards takes so long: a batch that loops costs the simulation an event a turn.
        reset_ns: An engine reset.
        hang_ns: A batch that has run for so long, or waited, hangs. (drm_sched's default in xe is 5 s.)
        queue_depth: Jobs that fit into a command ring.
    """

    clock_hz: int = 1_500_000_000
    lanes: int = 16
    vram_bytes_per_s: int = 200 * NANOSECONDS
    bus_bytes_per_s: int = 7 * NANOSECONDS
    migration_bytes_per_s: int = MIGRATION_BYTES_PER_S
    command_ns: int = 250
    doorbell_ns: int = 2_000
    switch_ns: int = 10_000
    spin_ns: int = 100_000
    reset_ns: int = 2_000_000
    hang_ns: int = 500_000_000
    queue_depth: int = 64

    def duration_ns(self, work: Work) -> int:
        """Time of one command, nanoseconds, rounded up."""
        bounds = (
            (work.cycles, self.clock_hz * self.lanes),
            (work.vram_bytes, self.vram_bytes_per_s),
            (work.bus_bytes, self.bus_bytes_per_s),
            (work.migrated_bytes, self.migration_bytes_per_s),
        )
        slowest = max(-(-amount * NANOSECONDS // rate) for amount, rate in bounds)
        return self.command_ns + slowest + work.extra_ns
