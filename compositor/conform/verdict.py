"""How a check ends when it does not pass."""

from __future__ import annotations


class Failed(Exception):
    """The device does not do what the check asks for; the message is the evidence."""


class Overdue(Failed):
    """The device did not do something before the check's deadline."""


class Gone(Failed):
    """The device closed the connection, or refused a new one."""


class Skipped(Exception):
    """The check does not apply; the message says why."""


def require(condition: bool, evidence: str) -> None:
    """Fail unless `condition` holds.

    Raises:
        Failed: It does not.
    """
    if not condition:
        raise Failed(evidence)


def need(condition: bool, reason: str) -> None:
    """Skip unless `condition` holds.

    Raises:
        Skipped: It does not.
    """
    if not condition:
        raise Skipped(reason)
