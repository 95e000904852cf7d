"""A machine that tells of itself from a moment on, as if nothing had been before."""

import pytest

from compositor import Machine, Output
from compositor.errors import Misuse
from compositor.observe.digest import Digest
from guest import SimulatedGuest


async def test_everything_is_counted_from_here() -> None:
    # Composed, so that every counter of bytes counts.
    async with Machine(outputs=[Output("160x120@60", direct_scanout=False)]) as machine:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(frames=20)
        whole = machine.stats()
        machine.start_over()
        nothing = machine.stats()
        await machine.run(frames=20)
        again = machine.stats()
    assert nothing["digest"] == str(Digest())
    (output,), (guest,) = nothing["outputs"], nothing["guests"]
    assert (output["presented"], output["missed_vblanks"], set(output["bytes"].values())) == (0, 0, {0})
    assert (guest["commands"], guest["errors"], set(guest["bytes"].values())) == ({}, {}, {0})
    assert set(guest["frames"].values()) == {0}
    assert nothing["duration_s"] == 0
    assert again["outputs"][0]["presented"] == whole["outputs"][0]["presented"] == 20
    assert again["outputs"][0]["bytes"] == whole["outputs"][0]["bytes"]
    assert again["outputs"][0]["bytes"]["compose"] > 0
    assert again["guests"][0]["commands"]["RESOURCE_FLUSH"] == 20
    assert "RESOURCE_CREATE_BLOB" not in again["guests"][0]["commands"]
    assert again["guests"][0]["frames"]["presented"] == 20
    assert again["digest"] not in (whole["digest"], nothing["digest"])


async def test_there_is_no_picture_until_one_is_presented() -> None:
    async with Machine(outputs=["160x120@60"]) as machine:
        await machine.attach(SimulatedGuest("gears"))
        await machine.next_frame()
        machine.screenshot()
        machine.start_over()
        with pytest.raises(Misuse, match="there is no picture"):
            machine.screenshot()
        await machine.next_frame()
        machine.screenshot()


async def test_the_second_part_is_the_same_in_every_run() -> None:
    digests = set()
    for _ in range(2):
        async with Machine(outputs=["160x120@60"]) as machine:
            await machine.attach(SimulatedGuest("gears"))
            await machine.run(frames=7)
            machine.start_over()
            await machine.run(frames=5)
            digests.add(machine.stats()["digest"])
    assert len(digests) == 1
