"""The benchmark's parts, at a size where they cost nothing; no test holds what they measure."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from compositor.bench.guests import Session
from compositor.bench.handover import pixels_through_a_socket, shared_memory_and_queue
from compositor.errors import RunFailed
from guest import SimulatedGuest

SIZE = (64, 48)


@pytest.mark.parametrize("make", [shared_memory_and_queue, pixels_through_a_socket])
def test_the_peers_hand_frames_over(make: object) -> None:
    with closing(make("desktop", SIZE)) as peer:  # type: ignore[operator]
        assert peer.milliseconds(3) > 0


def test_a_session_is_held_to_zero_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner() as runner, closing(Session(runner, SIZE)) as session:
        session.attach(SimulatedGuest("desktop"))
        assert session.milliseconds(2) > 0
        session.check_zero_copy()
        stats = session._machine.stats()
        stats["guests"][0]["bytes"]["compose"] = 4
        monkeypatch.setattr(session._machine, "stats", lambda: stats)
        with pytest.raises(RunFailed, match="desktop: bytes were copied"):
            session.check_zero_copy()
