"""A device against the smallest model of its resources, scanouts and fences, in any order of commands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.virtio.gpu.conftest import Machine
from virtio.fence import Fence
from virtio.gpu.display import DisplayMode, Rect
from virtio.gpu.parking import Timelines
from virtio.gpu.scanout import Scanouts
from virtio.gpu.wire import (
    Command,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    Response,
    SetScanout,
)

SCREEN = Rect(0, 0, 32, 32)
ids = st.integers(1, 3)
NO_SUCH = Response.ERR_INVALID_RESOURCE_ID
# Of a fenced command: the global timeline, or a ring of a context.
lines = st.sampled_from([None, (0, 0), (0, 1), (1, 0)])
Line = tuple[int, int] | None


class Waiting:
    """A command whose answer waits, for fences of the display or behind others of its line."""

    def __init__(self, head: int, response: Response, fences: list[Fence]) -> None:
        self.head, self.response, self.fences = head, response, fences

    @property
    def done(self) -> bool:
        return all(fence.signaled for fence in self.fences)


class Driver(RuleBasedStateMachine):
    """Sends legal and illegal commands, fenced and not, while the display takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine([DisplayMode(64, 64)] * 2)
        self.display = self.machine.display
        self.display.hold = True
        self.backed: dict[int, bool] = {}
        self.bound = [0, 0]
        self.lines: dict[Any, list[Waiting]] = {}  # by line; of a command without a fence, one of its own

    @initialize()
    def begins(self) -> None:
        """A driver's life: two pictures, of which one is shown on both monitors."""
        for resource in (1, 2):
            self.creates(resource)
            self.attaches(resource)
        self.shows(0, 1)
        self.shows(1, 1)
        self.flushes(1, None)

    def send(
        self, command: Command, body: Any, expected: Response, runs: Any = (), line: Any = "none"
    ) -> None:
        """Send a command; its answer comes at once, unless its line has to wait."""
        before = len(self.display.fences)
        fields = {"flags": 1} if line is None else {}
        if isinstance(line, tuple):
            fields = {"flags": 3, "ctx_id": line[0], "ring_idx": line[1]}
        head = self.machine.post(self.machine.request(command, body, runs, **fields))
        fences = self.display.fences[before:] if line != "none" else []
        key = line if line != "none" else ("none", head)
        self.lines.setdefault(key, []).append(Waiting(head, expected, fences))
        self.collect()

    def collect(self) -> None:
        """Answers that have come are those whose turn it is, line by line, and no other."""
        due: dict[int, Response] = {}
        for key in list(self.lines):
            line = self.lines[key]
            while line and line[0].done:
                first = line.pop(0)
                due[first.head] = first.response
            if not line:
                del self.lines[key]
        assert {head: reply.response for head, reply in self.machine.reap().items()} == due

    @rule(resource=ids)
    def creates(self, resource: int) -> None:
        expected = NO_SUCH if resource in self.backed else Response.OK_NODATA
        self.backed.setdefault(resource, False)
        self.send(Command.RESOURCE_CREATE_2D, ResourceCreate2d(resource, 2, 32, 32), expected)

    @rule(resource=ids, line=lines)
    def unrefs(self, resource: int, line: Line) -> None:
        expected = Response.OK_NODATA if resource in self.backed else NO_SUCH
        self.backed.pop(resource, None)
        self.bound = [0 if bound == resource else bound for bound in self.bound]
        self.send(Command.RESOURCE_UNREF, ResourceUnref(resource), expected, line=line)

    @rule(resource=ids)
    def attaches(self, resource: int) -> None:
        if resource not in self.backed:
            expected = NO_SUCH
        else:
            expected = Response.ERR_UNSPEC if self.backed[resource] else Response.OK_NODATA
            self.backed[resource] = True
        body = ResourceAttachBacking(resource, 1)
        self.send(Command.RESOURCE_ATTACH_BACKING, body, expected, self.machine.pages(resource))

    @rule(resource=ids)
    def detaches(self, resource: int) -> None:
        if resource not in self.backed:
            expected = NO_SUCH
        else:
            expected = Response.OK_NODATA if self.backed[resource] else Response.ERR_UNSPEC
            self.backed[resource] = False
        self.send(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(resource), expected)

    @rule(screen=st.sampled_from([0, 0, 1, 1, 2]), resource=st.integers(0, 3))
    def shows(self, screen: int, resource: int) -> None:
        if screen > 1:
            expected = Response.ERR_INVALID_SCANOUT_ID
        elif resource and resource not in self.backed:
            expected = NO_SUCH
        elif resource and not self.backed[resource]:
            expected = Response.ERR_UNSPEC
        else:
            expected = Response.OK_NODATA
            self.bound[screen] = resource
        self.send(Command.SET_SCANOUT, SetScanout(SCREEN, screen, resource), expected)

    @precondition(lambda self: sum(map(len, self.lines.values())) < 20)
    @rule(resource=ids, line=lines)
    def flushes(self, resource: int, line: Line) -> None:
        before = len(self.display.flushes)
        expected = Response.OK_NODATA if resource in self.backed else NO_SUCH
        self.send(Command.RESOURCE_FLUSH, ResourceFlush(SCREEN, resource), expected, line=line)
        told = [screen for screen, _ in self.display.flushes[before:]]
        assert told == [screen for screen, bound in enumerate(self.bound) if bound == resource]
        assert all(self.display.images[screen] is not None for screen in told)

    @precondition(lambda self: any(not fence.signaled for fence in self.display.fences))
    @rule(data=st.data())
    def display_is_done(self, data: st.DataObject) -> None:
        waiting = [fence for fence in self.display.fences if not fence.signaled]
        waiting[data.draw(st.integers(0, len(waiting) - 1))].signal()
        self.collect()

    @rule()
    def reboots(self) -> None:
        self.machine.device.reset()
        self.backed.clear()
        self.bound = [0, 0]
        self.lines.clear()
        for fence in self.display.fences:
            if not fence.signaled:
                fence.signal()
        assert self.machine.reap() == {}
        self.machine.start()
        self.begins()

    @invariant()
    def a_scanout_without_a_resource_is_dark(self) -> None:
        for screen, bound in enumerate(self.bound):
            assert bound or self.display.images.get(screen) is None

    @invariant()
    def the_device_counts_what_there_is(self) -> None:
        assert self.machine.device.parked == sum(map(len, self.lines.values()))
        assert self.machine.device.host_memory_bytes == 4 * 32 * 32 * len(self.backed)

    def teardown(self) -> None:
        self.machine.close()


TestDriver = Driver.TestCase
TestDriver.settings = settings(max_examples=100, stateful_step_count=50)


def _waits_for_its_own(_self: Timelines, _line: Line, pending: list[Fence]) -> bool:
    return any(not fence.signaled for fence in pending)


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (Timelines, "must_wait", _waits_for_its_own),
        (Timelines, "clear", lambda self: None),
        (Scanouts, "forget", lambda self, resource: None),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, fault: Any
) -> None:
    monkeypatch.setattr(owner, name, fault)
    looking = settings(TestDriver.settings, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Driver, settings=looking)
