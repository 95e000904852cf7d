"""A drawing of a machine's last frames: when each output presented, and which guests' frames it showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_LAST = 120  # frames that are drawn: more are lines without gaps
_LEFT, _WIDTH, _ROW, _TOP = 130, 1000, 30, 22
_TICK = 8

Entry = Mapping[str, Any]


def draw_frames(timeline: Sequence[Entry], outputs: Sequence[str]) -> str:
    """The drawing, as SVG for a page.

    Each output has a row of frames, by the time at which they were presented: filled where a guest's buffer
    was scanned out as it is, hollow where the frame was composed. Below it each guest has a row: a dot where
    a frame of the guest's appeared, a cross where the output showed the one before once more.

    Args:
        timeline: Frames, oldest first, as `compositor.testing.evidence.Timeline` has them.
        outputs: The outputs' names, in their order.
    """
    shown = timeline[-_LAST:]
    times: list[int] = [entry["present_time_ns"] for entry in shown]
    begin, end = min(times), max(times)
    rows = _rows(shown, outputs)
    height = _TOP + _ROW * len(rows) + 6
    scale = (_WIDTH - _LEFT - 40) / max(end - begin, 1)

    def x_of(entry: Entry) -> float:
        time_ns: int = entry["present_time_ns"]
        return round(_LEFT + (time_ns - begin) * scale, 1)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="the last {len(shown)} frames">',
        *_axis(begin, end, height, scale),
    ]
    for index, (output, surface) in enumerate(rows):
        y = _TOP + _ROW * index + _ROW // 2
        label = output if surface is None else f"  {surface}"
        parts.append(f'<text x="0" y="{y + 4}" xml:space="preserve">{escape(label)}</text>')
        parts.append(f'<line class="axis" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - 20}" y2="{y}"/>')
        entries = [entry for entry in shown if entry["output"] == output]
        marks = (
            (_frame(entry, x_of(entry), y) for entry in entries)
            if surface is None
            else _guest_frames(entries, surface, [x_of(entry) for entry in entries], y)
        )
        parts.extend(marks)
    return "".join([*parts, "</svg>"])


def _rows(shown: Sequence[Entry], outputs: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each output, and below it the surfaces that it showed."""
    surfaces: dict[str, dict[str, None]] = {output: {} for output in outputs}
    for entry in shown:
        surfaces[entry["output"]].update(dict.fromkeys(entry["guest_frames"]))
    return [(output, surface) for output, names in surfaces.items() for surface in (None, *names)]


def _axis(begin: int, end: int, height: int, scale: float) -> Iterator[str]:
    yield '<text x="0" y="14">present time</text>'
    for part in range(_TICK + 1):
        time_ns = begin + (end - begin) * part // _TICK
        x = round(_LEFT + (time_ns - begin) * scale, 1)
        yield f'<line class="axis" x1="{x}" y1="{_TOP - 4}" x2="{x}" y2="{height}" opacity=".4"/>'
        yield f'<text x="{x}" y="14" text-anchor="middle">{time_ns / 1e6:.1f} ms</text>'


def _frame(entry: Entry, x: float, y: int) -> str:
    composed = sum(entry["composed_bytes"].values())
    how = "scanned out as it is" if entry["direct"] else f"{composed:,} bytes composed"
    title = f"frame {entry['commit']} at {entry['present_time_ns'] / 1e6:.3f} ms, {how}"
    kind = "shown" if entry["direct"] else "made"
    place = f'x="{x - 2.5}" y="{y - 8}" width="5" height="16" rx="1"'
    return f'<rect class="{kind}" {place}><title>{title}</title></rect>'


def _guest_frames(entries: Sequence[Entry], surface: str, places: Sequence[float], y: int) -> Iterator[str]:
    before: object = None
    for entry, x in zip(entries, places, strict=True):
        if surface not in entry["guest_frames"]:
            before = None
            continue
        number = entry["guest_frames"][surface]
        if number is None or number != before:
            title = f"{surface}: frame {number}" if number is not None else surface
            yield f'<circle class="shown" cx="{x}" cy="{y}" r="3.5"><title>{escape(title)}</title></circle>'
        else:
            yield (
                f'<path class="again" d="M{x - 3} {y - 3}l6 6m0 -6l-6 6"><title>{escape(surface)}: '
                f"frame {number} once more</title></path>"
            )
        before = number
