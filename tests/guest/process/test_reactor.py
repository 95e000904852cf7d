from __future__ import annotations

import asyncio
import os
import signal

from guest.process.reactor import Reactor


def test_it_waits_for_what_a_coroutine_returns(reactor: Reactor) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert reactor.wait(answer()) == 42


def test_what_was_noticed_before_the_sleep_ends_it_at_once(reactor: Reactor) -> None:
    reactor.notice()
    reactor.notice()
    reactor.sleep()


def test_a_sleep_ends_with_what_happens_in_the_loop(reactor: Reactor) -> None:
    reactor.loop.call_soon(reactor.notice)
    reactor.sleep()
    reactor.loop.call_soon(reactor.notice)
    reactor.sleep(1000)


def test_a_sleep_ends_when_its_time_is_up(reactor: Reactor) -> None:
    reactor.sleep(0)


def test_signals_ask_for_the_end() -> None:
    with Reactor() as reactor:
        reactor.stop_on_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        reactor.sleep()
        assert reactor.stopped
