"""What every party to a run is about, for the message of a wait that failed: a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compositor.machine.attachment import Attachment
from compositor.machine.run import Wait
from compositor.output.output import Output
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS


def parties(
    waits: Sequence[Wait], outputs: Sequence[Output], guests: Sequence[Attachment], clock: Clock
) -> list[str]:
    """The tasks that wait, the outputs, the guests with their fences, and what keeps the time."""
    return [
        *(_task(wait) for wait in waits),
        *(_output(output, guests) for output in outputs),
        *(line for guest in guests for line in _guest(guest, clock.now_ns())),
        _time(clock),
    ]


def _task(wait: Wait) -> str:
    until = "" if wait.end_ns is None else f", until {_seconds(wait.end_ns)} at the latest"
    return f"task {wait.task}: waits for {wait.what}{until}"


def _output(output: Output, guests: Sequence[Attachment]) -> str:
    state = f"{output.presented_seq} frames were presented"
    if not output.plugged:
        state += "; no monitor is plugged in"
    elif output.frame_is_due:
        state += "; a frame is due"
    elif not any(guest.display.reaches(output) for guest in guests):
        state += "; no guest can be seen on it"
    return f"output {output.name}: {state}"


def _guest(guest: Attachment, now_ns: int) -> Iterator[str]:
    frames, last = guest.frames, guest.last_command
    line = (
        f"guest {guest.name} ({guest.kind}): {frames['presented']} of {frames['submitted']} frames presented"
        f"; {f'its last command was {last}' if last else 'it has sent no command'}"
    )
    if guest.last_fault is not None:
        line += f"; refused: {guest.last_fault}"
    if guest.closed or guest.has_ended:
        line += f"; {guest.how_it_ended}"
    yield line
    for fence, since_ns in guest.awaited:
        owner = fence.producer.owner if fence.producer else ""
        holder = f"held by {owner or 'an unknown owner'}, for {(now_ns - since_ns) / 1e6:g} ms"
        yield f"guest {guest.name}: waits for {fence.describe()}, {holder}"
    if guest.last_words:
        yield f"guest {guest.name}: its console says: {guest.last_words}"


def _time(clock: Clock) -> str:
    now = f"time: {_seconds(clock.now_ns())}"
    if not isinstance(clock, Calendar):
        return f"{now} of the real clock"
    if clock.held:
        return f"{now} of the virtual clock, held: {' and '.join(clock.held_by)}"
    following = clock.next_ns()
    planned = "nothing is planned" if following is None else f"the next event is at {_seconds(following)}"
    return f"{now} of the virtual clock; {planned}"


def _seconds(time_ns: int) -> str:
    return f"{time_ns / NANOSECONDS:.6f} s"
