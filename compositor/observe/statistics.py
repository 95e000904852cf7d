"""What a run did, in numbers: collectors for outputs and guests, and the JSON of `--stats`.

The collectors take bounded memory however long a run is. Bytes are counted per hop: every place that
copies or writes pixels has a counter of its own, so that "zero-copy" is something to read off.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from compositor.files import write_atomically
from compositor.observe.histogram import Histogram
from compositor.output.frame import Frame
from compositor.output.plane_assignment import Grant

_FINDINGS = 16  # of each kind that are kept in detail
_LAYERS = 256  # with their planes; guests that come and go in a storm cannot make more


class OutputStatistics:
    """One output.

    Attributes:
        name: The output's.
        mode: As `str(Mode)` has it; set it anew when the mode changes.
        frames: Presented frames.
        direct: Those of them that were a guest's buffer as it is.
        missed_vblanks: Vblanks that showed nothing new though a frame had been asked for before them.
        compose_bytes: What the renderer wrote.
        upload_bytes: What a screen copied into a texture.
        readback_bytes: What looks at the picture have written: planes put together, snapshots, and what a
            digest converts before its checksum.
        intervals: Time from one presented frame to the next.
        planes: How many frames each layer was on which plane, or on none, and why.
    """

    def __init__(self, name: str, mode: str) -> None:
        self.name = name
        self.mode = mode
        self.frames = self.direct = self.missed_vblanks = 0
        self.compose_bytes = self.upload_bytes = self.readback_bytes = 0
        self.intervals = Histogram()
        self.planes: Counter[tuple[str, Grant]] = Counter()
        self._last_ns: int | None = None

    def start_over(self) -> None:
        """Count from 0."""
        vars(self).update(vars(OutputStatistics(self.name, self.mode)))

    def presented(self, frame: Frame) -> None:
        """Count a frame."""
        self.frames += 1
        self.direct += frame.direct
        self.compose_bytes += frame.compose_bytes
        for layer in frame.grants.items():
            if layer in self.planes or len(self.planes) < _LAYERS:
                self.planes[layer] += 1
        if self._last_ns is not None:
            self.intervals.add(frame.present_time_ns - self._last_ns)
        self._last_ns = frame.present_time_ns

    def as_dict(self) -> dict[str, Any]:
        """One element of "outputs"."""
        return {
            "name": self.name,
            "mode": self.mode,
            "presented": self.frames,
            "direct_scanout": self.direct,
            "missed_vblanks": self.missed_vblanks,
            "interval_ms": self.intervals.summary(with_max=True),
            "bytes": {
                "compose": self.compose_bytes,
                "upload": self.upload_bytes,
                "readback": self.readback_bytes,
            },
            "planes": [
                {
                    "layer": layer,
                    "plane": grant.plane and grant.plane.name,
                    "why": str(grant.why),
                    "frames": n,
                }
                for (layer, grant), n in self.planes.items()
            ],
        }


class GuestStatistics:
    """One guest.

    Attributes:
        name: The guest's.
        kind: "simulated", "uml", "qemu" or "vhost-user".
        frames: Counts of "submitted", "presented", "discarded", "torn" and "early_reuse" frames: the last
            were drawn over while the host still had them.
        early_reuse: The first of those, in detail.
        late_fences: Flushes that were out for longer than the guest waits for them.
        flips_outstanding: Most images that the host had at a time and was not through with.
        latencies: Time from the flush of a frame to its presentation.
        fence_waits: Time that the guest's fences took to signal.
        bytes: Copied or written pixels' bytes by hop: "transfer", "compose", "upload", "readback".
        commands: Commands of the guest by name.
        errors: Error responses by name.
        host_memory_bytes: Memory that the host holds for the guest.
        gpu: What its simulated GPU says of itself; None where it has none.
        gpu_jobs: Time from the submission of the GPU's jobs to their fences.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.frames = {"submitted": 0, "presented": 0, "discarded": 0, "torn": 0, "early_reuse": 0}
        self.early_reuse: list[Mapping[str, object]] = []
        self.late_fences = 0
        self.flips_outstanding = 0
        self.latencies = Histogram()
        self.fence_waits = Histogram()
        self.bytes = {"transfer": 0, "cursor": 0, "compose": 0, "upload": 0, "readback": 0}
        self.commands: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.host_memory_bytes = 0
        self.gpu: Mapping[str, object] | None = None
        self.gpu_jobs = Histogram()

    def start_over(self) -> None:
        """Count from 0."""
        vars(self).update(vars(GuestStatistics(self.name, self.kind)))

    def submitted(self) -> None:
        """The guest flushed a frame."""
        self.frames["submitted"] += 1

    def presented(self, latency_ns: int, *, torn: bool = False) -> None:
        """A frame is on the screen, so long after its flush; `torn` when it mixes two frames."""
        self.frames["presented"] += 1
        self.frames["torn"] += torn
        self.latencies.add(latency_ns)

    def discarded(self) -> None:
        """A frame will never be on the screen."""
        self.frames["discarded"] += 1

    def reused_early(self, finding: Mapping[str, object]) -> None:
        """A frame was drawn over while the host still had it."""
        self.frames["early_reuse"] += 1
        if len(self.early_reuse) < _FINDINGS:
            self.early_reuse.append(finding)

    def outstanding(self, flips: int) -> None:
        """The host has so many images that it is not through with."""
        self.flips_outstanding = max(self.flips_outstanding, flips)

    def fence_waited(self, wait_ns: int) -> None:
        """A fence of the guest signalled, so long after it was made."""
        self.fence_waits.add(wait_ns)

    def as_dict(self) -> dict[str, Any]:
        """One element of "guests"."""
        presented = self.frames["presented"]
        gpu = (
            {} if self.gpu is None else {"gpu": {**self.gpu, "job_ms": self.gpu_jobs.summary(with_max=True)}}
        )
        return {
            "name": self.name,
            "kind": self.kind,
            "frames": dict(self.frames),
            "latency_ms": self.latencies.summary(),
            "bytes": dict(self.bytes),
            "bytes_per_frame": round(sum(self.bytes.values()) / presented, 1) if presented else 0.0,
            "fence_wait_ms": self.fence_waits.summary(),
            "late_fences": self.late_fences,
            "flips_outstanding": self.flips_outstanding,
            "early_reuse": list(self.early_reuse),
            "commands": dict(sorted(self.commands.items())),
            "errors": dict(sorted(self.errors.items())),
            "host_memory_bytes": self.host_memory_bytes,
            **gpu,
        }


def document(
    *,
    version: str,
    clock: str,
    duration_ns: int,
    wall_ns: int,
    digest: str | None,
    outputs: Sequence[OutputStatistics],
    guests: Sequence[GuestStatistics],
) -> dict[str, Any]:
    """The statistics of a run, in the shape that `--stats` writes.

    Args:
        version: Of this program.
        clock: "virtual" or "real".
        duration_ns: How long the run was on its own clock.
        wall_ns: How long it took.
        digest: `str` of the run's `Digest`; None where none was made.
        outputs: In the machine's order.
        guests: In the order of their attachment.
    """
    return {
        "scanout": version,
        "clock": clock,
        "duration_s": round(duration_ns / 1e9, 9),
        "wall_s": round(wall_ns / 1e9, 3),
        "digest": digest,
        "outputs": [output.as_dict() for output in outputs],
        "guests": [guest.as_dict() for guest in guests],
    }


def to_json(statistics: dict[str, Any]) -> str:
    """`document` as text, ending in a newline."""
    return json.dumps(statistics, indent=2) + "\n"


def write_json(path: str | os.PathLike[str], statistics: dict[str, Any]) -> None:
    """Write `document` to a file, which appears whole or not at all.

    Raises:
        BadInput: `path` cannot be written.
    """
    with write_atomically(path) as file:
        file.write(to_json(statistics).encode())
