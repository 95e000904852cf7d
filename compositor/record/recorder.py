"""Writes a recording while a machine runs: taps its devices, and listens to its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compositor.adapter.display import Placement
from compositor.observe.digest import Digest
from compositor.output.frame import Frame
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.record.journal import Journal
from compositor.record.recording import describe_output
from compositor.record.records import FrameRecord, Kind
from compositor.record.tap import GuestTap


class Recorder:
    """One recording in the making.

    Args:
        path: The file; overwritten.
        now_ns: The run's clock.
        report: Gets one line when the file cannot be written any more.
        clock: "virtual" or "real", as the file says.
        outputs: The machine's, with their names.

    Raises:
        BadInput: The file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        now_ns: Callable[[], int],
        report: Callable[[str], None],
        *,
        clock: str,
        outputs: Sequence[Output],
    ) -> None:
        self._journal = Journal(path, now_ns, report)
        self._digest = Digest()
        self._taps: list[GuestTap] = []
        monitors = [describe_output(output) for output in outputs]
        self._write_json(Kind.MACHINE, 0, {"clock": clock, "outputs": monitors})

    @property
    def written(self) -> int:
        """Bytes of the file so far."""
        return self._journal.written

    def guest(
        self, name: str, kind: str, places: Sequence[Placement], *, exact_damage: bool = False
    ) -> GuestTap:
        """A guest is attached; its devices get the tap that is returned."""
        tap = GuestTap(self._journal, len(self._taps), [place.outputs for place in places])
        self._taps.append(tap)
        document: dict[str, Any] = {"name": name, "kind": kind, "places": [asdict(place) for place in places]}
        if exact_damage:
            document["exact_damage"] = True
        self._write_json(Kind.GUEST, tap.guest, document)
        return tap

    def mode_set(self, output: int, mode: str) -> None:
        """An output switches to another mode."""
        self._journal.write(Kind.MODE, output, mode.encode())

    def plugged(self, index: int, output: Output, mode: Mode) -> None:
        """An output is plugged in, with this mode."""
        self._write_json(Kind.PLUG, index, {**describe_output(output), "mode": str(mode), "plugged": True})

    def unplugged(self, index: int) -> None:
        """An output is unplugged."""
        self._journal.write(Kind.UNPLUG, index)

    def committed(self, output: int, _frame: Frame) -> None:
        """An output commits a frame that it presents later; the guests have not heard of it."""
        if not self._journal.recording:
            return
        for tap in self._taps:
            tap.look(output)
        self._journal.write(Kind.COMMIT, output)

    def presented(self, output: int, frame: Frame) -> None:
        """An output presents a frame, which is not released yet."""
        if not self._journal.recording:
            return
        for tap in self._taps:
            tap.look(output)
        height, width = frame.pixels.shape[:2]
        checksum = frame.checksum
        if checksum is None:
            checksum = self._digest.checksum(frame.pixels, frame.format)
        payload = FrameRecord(frame.commit_seq, width, height, checksum).encode()
        self._journal.write(Kind.FRAME, output, payload, time_ns=frame.present_time_ns)

    def close(self) -> None:
        """End the recording; whatever happens afterwards is not recorded. Once more does nothing."""
        self._journal.close()

    def _write_json(self, kind: Kind, subject: int, document: Mapping[str, Any]) -> None:
        self._journal.write(kind, subject, json.dumps(document).encode())
