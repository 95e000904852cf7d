"""Which guest may use the engine next: the interface, and the simplest answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guest.gpu.context import Client, Context
from virtio.clock import Clock


class Schedulable(Protocol):
    """What an arbiter sees of the engine."""

    @property
    def busy(self) -> bool:
        """Whether a job has begun and not ended."""

    def has_work(self, client: Client) -> bool:
        """Whether a client has anything that could run now."""

    def dispatch(self) -> None:
        """Ask the arbiter again, if there is nothing to do meanwhile."""


class Arbiter(Protocol):
    """Shares one engine's time.

    Attributes:
        preempts: Ask before every command; otherwise only between jobs.
    """

    preempts: bool

    def bind(self, clock: Clock, engine: Schedulable) -> None:
        """Work for this engine; called once, before anything else."""

    def join(self, client: Client) -> None:
        """One more to share with."""

    def leave(self, client: Client) -> None:
        """One less."""

    def pick(self, ready: Sequence[Context]) -> Context | None:
        """The context to run now, out of those that could; None: let the engine idle until `dispatch`."""


def oldest(contexts: Sequence[Context]) -> Context | None:
    """Of several contexts, the one whose job came first."""
    return min(contexts, key=lambda context: context.queued, default=None)


class InOrder:
    """Job after job, in the order in which they came, from any guest."""

    preempts = False

    def bind(self, clock: Clock, engine: Schedulable) -> None:
        """Needs neither."""

    def join(self, client: Client) -> None:
        """Makes no difference."""

    def leave(self, client: Client) -> None:
        """Makes no difference."""

    def pick(self, ready: Sequence[Context]) -> Context | None:
        """The oldest."""
        return oldest(ready)
