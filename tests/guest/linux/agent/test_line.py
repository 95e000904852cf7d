import asyncio
import socket
from collections.abc import Iterator

import pytest

from guest.linux.agent import AgentLine
from guest.linux.agent.frames import Frame, Kind


@pytest.fixture
def line() -> Iterator[AgentLine]:
    line = AgentLine()
    yield line
    line.close()


@pytest.fixture
def agent(line: AgentLine) -> socket.socket:
    """The guest's end."""
    line.guest_end.setblocking(False)
    return line.guest_end


def test_what_is_read_is_heard_later(line: AgentLine, agent: socket.socket) -> None:
    assert not line.read()
    agent.send(Frame(Kind.READY, 0).pack())
    assert line.read()
    assert not line.conversation.greeting.ended
    line.hear()
    assert line.conversation.greeting.ended


def test_what_is_said_goes_at_once_or_when_the_owner_says_so(line: AgentLine, agent: socket.socket) -> None:
    line.conversation.reset()
    assert agent.recv(100) == Frame(Kind.RESET, 1).pack()
    agent.send(Frame(Kind.TAKEN, 1).pack())
    line.read()
    line.hear()
    asked: list[int] = []
    line.on_outbox = lambda: asked.append(1)
    line.conversation.reset()
    with pytest.raises(BlockingIOError):
        agent.recv(100)
    line.flush()
    assert (asked, agent.recv(100)) == ([1], Frame(Kind.RESET, 2).pack())


async def test_on_the_real_clock_it_is_heard_as_it_comes(line: AgentLine, agent: socket.socket) -> None:
    line.listen()
    heard = asyncio.Event()
    line.conversation.greeting.on_end = heard.set
    agent.send(Frame(Kind.READY, 0).pack())
    await heard.wait()


async def test_a_guest_that_goes_ends_what_is_waited_for(line: AgentLine, agent: socket.socket) -> None:
    line.listen()
    heard = asyncio.Event()
    line.conversation.reset().on_end = heard.set
    agent.close()
    await heard.wait()
    assert line.conversation.reset().problem == "the guest has ended"


def test_nonsense_ends_the_line_and_is_named(line: AgentLine, agent: socket.socket) -> None:
    job = line.conversation.reset()
    agent.send(b"\xff" * 12)
    line.read()
    line.hear()
    assert job.problem is not None
    assert "frame of kind 4294967295" in job.problem


def test_a_guest_that_has_gone_cannot_be_told_anything(line: AgentLine, agent: socket.socket) -> None:
    agent.close()
    assert line.conversation.reset().problem == "the guest has ended"
