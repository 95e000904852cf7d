"""Plays checks against a target, one after the other, whatever becomes of the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from compositor.conform.check import Check
from compositor.conform.rig import Rig
from compositor.conform.target import Target
from compositor.conform.verdict import Failed, Skipped
from compositor.errors import RunFailed

Outcome = Literal["pass", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended.

    Attributes:
        check: Which.
        outcome: "pass", "fail" or "skip".
        reason: The evidence of a failure, the reason of a skip; empty when it passed.
        seconds: Real time that it took.
    """

    check: Check
    outcome: Outcome
    reason: str
    seconds: float

    @property
    def breaks(self) -> bool:
        """A failure that decides the exit status."""
        return self.outcome == "fail" and self.check.level == "must"


def play(checks: Iterable[Check], target: Target, seconds: float) -> Iterator[Verdict]:
    """Play checks, each with a deadline of its own.

    A device that failed is replaced by a fresh one where that can be had, so that one failure is no cause of
    the next.

    Args:
        checks: Which, in order.
        target: The device.
        seconds: Each check's deadline, in real time.
    """
    for check in checks:
        start = time.monotonic()
        try:
            target.ready()
        except RunFailed as error:
            yield Verdict(check, "fail", str(error), 0.0)
            continue
        outcome, reason = _play(check, target, seconds)
        yield Verdict(check, outcome, reason, time.monotonic() - start)


def _play(check: Check, target: Target, seconds: float) -> tuple[Outcome, str]:
    rig = Rig(target, seconds)
    try:
        outcome, reason = _judge(lambda: check.play(rig))
    finally:
        rig.close()
    death = target.death(provoked=rig.provoked)
    if death is not None:
        outcome, reason = "fail", f"{reason}; {death}" if reason else death
    if outcome == "fail":
        target.discard()
    return outcome, reason


def _judge(step: Callable[[], None]) -> tuple[Outcome, str]:
    try:
        step()
    except Skipped as skipped:
        return "skip", str(skipped)
    except Failed as failed:
        return "fail", str(failed)
    return "pass", ""
