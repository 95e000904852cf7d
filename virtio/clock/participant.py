"""A participant of virtual time: a guest with a time of its own, such as a kernel in another process.

A participant either runs or waits. It runs from when the calendar resumes it until it says that it waits, and
holds the calendar meanwhile; so one participant runs at a time, and what several do at one moment has an
order. While it waits it has asked for at most one time at which to go on. That is an event like all
others in the calendar, at the place where it was asked for.

While it runs it may let its own time pass without asking, up to a bound: the next event of the others. What
it does can bring a new event before that bound (it kicks a device). Then it is *confined*: told
of the nearer bound, and not let go on before it has confirmed that.

A participant's clock starts at 0 when it joins, whenever that is. Its first turn is entered in the calendar
then, not when its process has come: participants that join at one moment run in the order of joining.

              join                  START: waits
    (held) JOINING ─────────────────► WAITING ◄──── wait ──── RUNNING (held)
                                         └─── the calendar ─────►┘
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from virtio.clock.calendar import Calendar, Event, Hold, Routine
from virtio.errors import ProtocolFault

# A participant is heard of again after this time of its own at the latest. A second of it took a kernel on a
# loaded host 3 to 30 s of real time, in which it could not be told from one that hangs.
FREE_RUN_NS = 20_000_000

_END_NS = (1 << 63) - 1  # a kernel that wants nothing more asks for this time (S64_MAX)


class Turn(Enum):
    """Whether a participant lets time pass."""

    JOINING = "is starting"
    WAITING = "waits"
    RUNNING = "runs"
    GONE = "has left"


class Participant:
    """One participant. All times are its own, which began with it; `base_ns` is when that was.

    Attributes:
        name: For messages.
        turn: Whether it runs.
        bound_ns: Up to here it was let run.
        free_run_ns: How long it may let its time pass without a word, if no event of others comes before.
    """

    def __init__(
        self,
        calendar: Calendar,
        name: str,
        *,
        resume: Callable[[int, int], None],
        confine: Callable[[int], None],
    ) -> None:
        """Join the calendar, which stands still until the participant first waits or leaves.

        Args:
            calendar: Whose time to share.
            name: For messages.
            resume: Lets it run, with the time and the bound.
            confine: Tells it, while it runs, of a nearer bound.
        """
        self.name = name
        self.turn = Turn.JOINING
        self.base_ns = calendar.now_ns()
        self.bound_ns = 0
        self.free_run_ns = FREE_RUN_NS
        self._calendar = calendar
        self._resume = resume
        self._confine = confine
        # Its first turn has its place from now on: which of several processes comes first is chance.
        self._request: Event | None = calendar.call_at(self.base_ns, self._run)
        self._hold: Hold | None = calendar.hold(f"{name} {self.turn.value}")

    def be_patient(self, *, patient: bool) -> None:
        """Say whether it may take as long as it likes with what it does now; at first it may not."""
        if self._hold is not None:
            self._hold.patient = patient

    @property
    def horizon_ns(self) -> int:
        """The calendar's time from which on the participant can be spoken to.

        One that waits has let its time pass up to its bound, perhaps, and did not say so.
        """
        return max(self._calendar.now_ns(), self.base_ns + self.bound_ns)

    def now_ns(self) -> int:
        """The calendar's time, in the participant's."""
        return self._calendar.now_ns() - self.base_ns

    def request(self, when_ns: int) -> None:
        """It wants to go on at `when_ns`; this replaces what it wanted before.

        What lies behind the end of the calendar's time (292 years) never comes.

        Raises:
            ProtocolFault: That is in the past.
        """
        self._check(when_ns, "asks to run at")
        if self._request is not None:
            self._request.cancel()
        self._request = None
        if self.base_ns + when_ns <= _END_NS:
            self._request = self._calendar.call_at(self.base_ns + when_ns, Routine(self._run))

    def wait(self) -> None:
        """It has nothing to do until its turn comes.

        Raises:
            ProtocolFault: It waits already.
        """
        if self.turn is not Turn.RUNNING and self.turn is not Turn.JOINING:
            raise ProtocolFault(f"{self.name}: waits, but it {self.turn.value} already")
        self.turn = Turn.WAITING
        self._let_go()

    def update(self, when_ns: int) -> None:
        """It has let its time pass to `when_ns`, and the calendar follows.

        Raises:
            ProtocolFault: Backwards, past the bound or what it has asked for, or though it does not run.
        """
        self._check(when_ns, "says that it is at")
        if when_ns == self.now_ns():
            return
        if self.turn is not Turn.RUNNING:
            raise ProtocolFault(f"{self.name}: lets time pass, but it {self.turn.value}")
        if when_ns > self.bound_ns:
            raise ProtocolFault(f"{self.name}: ran to {when_ns} ns, but only to {self.bound_ns} ns it may")
        following = self._calendar.next_ns()
        if following is not None and following < self.base_ns + when_ns:
            due = following - self.base_ns
            raise ProtocolFault(f"{self.name}: ran to {when_ns} ns, past what happens at {due} ns")
        self._calendar.advance_to(self.base_ns + when_ns)

    def tighten(self) -> bool:
        """Confine it if an event before its bound has come since it was let run.

        Returns:
            Whether it was told so and has yet to confirm.
        """
        if self.turn is not Turn.RUNNING:
            return False
        bound_ns = self._next_bound()
        if bound_ns >= self.bound_ns:
            return False
        self.bound_ns = bound_ns
        self._confine(bound_ns)
        return True

    def leave(self) -> None:
        """It takes part no longer; once more does nothing."""
        self.turn = Turn.GONE
        if self._request is not None:
            self._request.cancel()
        self._let_go()

    def _run(self) -> None:
        self._request = None
        self.turn = Turn.RUNNING
        self._hold = self._calendar.hold(f"{self.name} {self.turn.value}")
        self.bound_ns = self._next_bound()
        self._resume(self.now_ns(), self.bound_ns)

    def _next_bound(self) -> int:
        calendar = self._calendar
        bound = calendar.now_ns() + self.free_run_ns
        following = calendar.next_ns()
        if following is not None:
            bound = min(bound, following)
        if calendar.limit_ns is not None:
            bound = min(bound, calendar.limit_ns + 1)  # what happens at the limit still happens
        return max(bound, calendar.now_ns()) - self.base_ns

    def _let_go(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.release()

    def _check(self, when_ns: int, what: str) -> None:
        if when_ns < self.now_ns():
            raise ProtocolFault(
                f"{self.name}: went back in time: it {what} {when_ns} ns, and {self.now_ns()} ns have passed"
            )
