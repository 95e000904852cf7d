"""What a machine promises in a scene in which a guest breaks the specification, and whether it keeps that.

Each fault is answered as the specification has it, and refused for the reason that it has. The guests that
break nothing do not notice: no error, no torn frame, no end, no frame that is never shown. And when all is
over, nothing is held for any guest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from compositor.errors import RunFailed
from compositor.machine.attachment import Attachment, SimulatedAttachment
from compositor.output.submission import Feedback, Presented
from guest.faults import Fault
from guest.simulated import SimulatedGuest
from virtio.gpu.wire import Response

_LATE_NS = 1_000_000_000  # so long an answer, or a frame, may wait for a screen
_ON_THE_WAY = 2  # frames that were submitted, and may not be shown yet when the run ends


class _Committed(NamedTuple):
    """A fault that a guest's driver committed, and what came of it."""

    guest: str
    fault: Fault
    answers: Sequence[Response]
    said: str
    at_ns: int

    def line(self) -> str:
        """What the device made of it."""
        if self.answers:
            found = self.answers[0].name
        else:
            found = "the device needs a reset" if self.said else "not answered yet"
        return f"{self.guest}: {self.fault.name}: {found}{': ' if self.said else ''}{self.said}"

    def complaint(self, now_ns: int) -> str:
        """What is wrong with that; empty when nothing is, or the answer may still come."""
        expected = self.fault.expected
        if not self.answers and not self.said and now_ns - self.at_ns < _LATE_NS:
            return ""
        if list(self.answers) != ([] if expected is None else [expected]):
            wanted = "a device that needs a reset" if expected is None else expected.name
            return f"{self.line()}; the specification wants {wanted}"
        if self.fault.reason not in self.said:
            return f'{self.line()}; the reason should be "{self.fault.reason}"'
        return ""


class Promises:
    """The promises of one run."""

    def __init__(self) -> None:
        self._guests: Mapping[str, Attachment] = {}
        self._hostile: set[str] = set()
        self._shown_ns: dict[str, int] = {}  # when a guest that breaks nothing was shown last
        self._committed: list[_Committed] = []
        self._broken: list[str] = []

    def begin(self, guests: Mapping[str, Attachment], hostile: set[str]) -> None:
        """The run begins.

        Args:
            guests: All guests, by name.
            hostile: The names of those whose drivers commit faults.
        """
        self._guests, self._hostile = guests, hostile
        for name in guests.keys() - hostile if hostile else ():
            guests[name].display.listeners.append(partial(self._hear, name))

    def _hear(self, name: str, _scanout: str, feedback: Feedback) -> None:
        if isinstance(feedback, Presented):
            self._shown_ns[name] = feedback.time_ns

    def committed(self, guest: str, fault: Fault, answers: Sequence[Response], said: str, now_ns: int) -> str:
        """A guest's driver committed a fault, now; a line about it.

        Args:
            guest: Its name.
            fault: What it did.
            answers: What the device has answered; what it answers later is added.
            said: Why it refused.
            now_ns: On the run's clock.
        """
        self._committed.append(_Committed(guest, fault, answers, said, now_ns))
        return self._committed[-1].line()

    def look(self, now_ns: int) -> None:
        """At the end of the run, while the guests are there: all is answered, and the others are well."""
        self._broken += [complaint for one in self._committed if (complaint := one.complaint(now_ns))]
        for name, guest in self._guests.items():
            if self._hostile and name not in self._hostile:
                self._look_at(name, guest, now_ns)

    def _look_at(self, name: str, guest: Attachment, now_ns: int) -> None:
        frames = guest.statistics().as_dict()["frames"]
        errors = guest.statistics().errors
        # Those that its device never took count, too, where the driver can be asked.
        inside = guest.guest if isinstance(guest, SimulatedAttachment) else None
        drawn = inside.frames_submitted if isinstance(inside, SimulatedGuest) else 0
        missing = max(drawn, frames["submitted"]) - frames["presented"] - frames["discarded"]
        late = now_ns - self._shown_ns.get(name, 0) > _LATE_NS
        for what, is_broken in (
            (f"{errors.total()} of its commands were refused", bool(errors)),
            (f"{frames['torn']} of its frames were torn", frames["torn"] > 0),
            (f"{missing} of its frames were never shown", missing > (0 if late else _ON_THE_WAY)),
            ("it showed nothing", not frames["presented"]),
            ("it was ended", guest.failure is not None),
        ):
            if is_broken:
                self._broken.append(f"{name}, which broke nothing: {what}")

    def check(self) -> None:
        """After the run, when all guests have gone.

        Raises:
            RunFailed: A promise was broken.
        """
        for name, guest in self._guests.items() if self._hostile else ():
            held = guest.ledger.held()
            if held:
                self._broken.append(f"{name}: {held} are still held for it")
        if self._broken:
            raise RunFailed(f"broken promises: {'; '.join(self._broken)}")
