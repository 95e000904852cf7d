"""`scanout replay`: a recording, fed to real devices again."""

from __future__ import annotations

from pathlib import Path

from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.errors import BadInput, RunFailed
from compositor.machine import Machine
from compositor.machine.replay import Player
from compositor.record.recording import Recording


def replay(path: Path, run: RunOptions) -> None:
    """Replay a recording on outputs like those that it was made on.

    Raises:
        BadInput: It is no recording, of another version or damaged; or it was to be replayed on other
            outputs, or recorded onto itself.
        RunFailed: What came out is not what was recorded.
    """
    if run.given_outputs():
        raise BadInput(f"{run.given_outputs()[0]}: a replay has the outputs of its recording")
    if run.record is not None and run.record.exists() and run.record.samefile(path):
        raise BadInput(f"--record {run.record}: that is the recording to replay; name another file")
    players: list[Player] = []
    with Recording(path) as recording:

        async def start(machine: Machine) -> None:
            players.append(machine.replay(recording))

        run_session(
            run,
            start,
            clock="real" if run.window else "virtual",
            repaint="recorded",
            outputs=recording.outputs,
        )
    if players[0].differences:
        raise RunFailed(f"{path}: {'; '.join(players[0].differences)}")
