"""What the fixtures of one test share, and how its machines come to be closed.

A machine has to be closed in the event loop in which it ran. Which plugin gives a test its loop, and when it
takes that away, differs; but all of them call the test's coroutine function when the test is called. So that
function is wrapped for the call: `harness.running` puts a coroutine around it that closes the machines last.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from compositor.testing.evidence import Evidence
from compositor.testing.leftovers import Look, leftovers, look
from compositor.testing.results import keep

if TYPE_CHECKING:
    from compositor.testing.machines import Opening
    from compositor.testing.session import Session

_PATIENCE_S = 5.0  # real seconds for a cancelled task to end


class Harness:
    """The fixtures' common ground, for one run of one test.

    Args:
        session: Of this process.
        item: The test.

    Attributes:
        session: As given.
        item: As given.
        openings: Machines that the test made, in order.
        goldens: Golden pictures that it used so far, absolute paths.
        evidence: What is kept when the test fails.
    """

    def __init__(self, session: Session, item: pytest.Function) -> None:
        self.session = session
        self.item = item
        self.openings: list[Opening] = []
        self.goldens: list[str] = []
        self.evidence = Evidence()
        self._left: list[str] = []  # names of tasks

    @contextmanager
    def running(self) -> Iterator[None]:
        """The test runs within: it ends with its machines closed and nothing left, or fails.

        Raises:
            pytest.fail.Exception: The test left something behind.
        """
        __tracebackhide__ = True
        before = look() if self._looks_for_leftovers() else None
        with self._wrapped():
            try:
                yield
            except Exception as error:
                self.failed(error)
                raise
            finally:
                self._close_elsewhere()
        self._check(before)

    def _looks_for_leftovers(self) -> bool:
        marker = self.item.get_closest_marker("scanout")
        return marker is None or bool(marker.kwargs.get("leftovers", True))

    def _check(self, before: Look | None) -> None:
        __tracebackhide__ = True
        if before is None:
            return
        if look().since(before):
            for opening in self.openings:  # a test may keep a machine, which keeps its last pictures
                opening.settle()
        left = [*self._left, *leftovers(before)]
        if left:
            pytest.fail(f"{self.item.name} left behind: {'; '.join(left)}", pytrace=False)

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        """Have every plugin that looks for the test's coroutine function find the wrapped one.

        Hypothesis hides it, and calls it once for each example.
        """
        owner, name = self.item, "obj"
        hypothesis = getattr(self.item.obj, "hypothesis", None)
        if hypothesis is not None:
            owner, name = hypothesis, "inner_test"
        function = getattr(owner, name)
        if not inspect.iscoroutinefunction(function):
            yield
            return
        setattr(owner, name, self._closing(function))
        try:
            yield
        finally:
            setattr(owner, name, function)

    def _closing(self, function: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[None]]:
        """A coroutine function that runs another, and closes this test's machines in the same loop."""

        @functools.wraps(function)
        async def test(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            before = self._tasks()
            try:
                await function(*args, **kwargs)
            except Exception as error:
                self.failed(error)
                raise
            finally:
                await self._close()
                await self._end_tasks(before)

        return test

    def failed(self, error: Exception) -> None:
        """Keep what the machines show now; whatever fails in that must not hide why the test failed."""
        if self.evidence.collected:
            return
        try:
            self.evidence.collect(self.openings)
        except Exception as another:
            error.add_note(f"scanout: the machines' state could not be kept: {another!r}")

    @staticmethod
    def _tasks() -> set[asyncio.Task[Any]]:
        try:
            return asyncio.all_tasks()
        except RuntimeError:  # another library's loop
            return set()

    async def _close(self) -> None:
        """Close the machines, the last one first; the first error is raised when all are closed."""
        errors = []
        for opening in reversed(self.openings):
            try:
                await opening.close()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    async def _end_tasks(self, before: set[asyncio.Task[Any]]) -> None:
        """Cancel what the test left running, and remember its name."""
        tasks = self._tasks() - before
        if not tasks:
            return
        self._left += [f"task {task.get_name()}: {_source(task)}" for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_PATIENCE_S)

    def _close_elsewhere(self) -> None:
        """Close what a test without a coroutine left open; its loop is gone.

        Raises:
            pytest.fail.Exception: There was something; it is closed all the same, as far as that can be.
        """
        left = [opening for opening in self.openings if opening.is_open]
        for opening in left:
            asyncio.run(opening.close())
        if left:
            count = "a machine" if len(left) == 1 else f"{len(left)} machines"
            pytest.fail(
                f"{self.item.name} left {count} open in a loop that is gone: in a test that is no coroutine, "
                "write `async with machine(...) as m`",
                pytrace=False,
            )

    def finish(self) -> None:
        """The test and its fixtures are through: nothing of it is kept alive."""
        self.openings.clear()
        self.evidence.clear()

    def reported(self, report: pytest.TestReport) -> None:
        """Give the report what the run's end needs to know; keep the evidence of a failure in files."""
        report.scanout = note = {  # type: ignore[attr-defined]
            "test": report.nodeid,
            "outcome": report.outcome,
            "file": str(self.item.path),
            "goldens": self.goldens,
            "of": self.session.tests_in(self.item),
        }
        if report.failed:
            note["result"] = keep(self, report)
        else:
            self.evidence.drop_recordings()


def _source(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", repr(coroutine))
