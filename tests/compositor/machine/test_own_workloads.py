"""Workloads of one's own on a machine: their formats, their damage, and their mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from compositor import Machine, Output
from compositor.errors import GuestFailed
from compositor.output.frame import Frame
from guest import Kms, Picture, ProcessGuest, ScriptedGuest, SimulatedGuest
from guest.workloads import WORKLOADS
from tests.guest.workloads.samples import own
from virtio.errors import Misuse

OWN = "tests.guest.workloads.samples.own"
MODE = "96x64@60"


async def damages(guest: SimulatedGuest | ProcessGuest, **options: Any) -> tuple[list[Any], dict[str, Any]]:
    """The damage of five frames, which is held to the pixels, and the statistics."""
    found: list[Any] = []
    followed = np.zeros((64, 96, 4), np.uint8)

    def follow(frame: Frame) -> None:
        found.append([tuple(rect) for rect in frame.damage])
        for rect in frame.damage:
            place = slice(rect.y, rect.bottom), slice(rect.x, rect.right)
            followed[place] = frame.snapshot()[place]
        assert np.array_equal(followed, frame.snapshot())

    async with Machine(outputs=[Output(MODE, **options)]) as machine:
        machine.listen(0, follow)
        await machine.attach(guest)
        await machine.run(frames=5)
        return found, machine.stats()


TRUE = [[(0, 0, 96, 64)], *([(left - 1, 10, 11, 10)] for left in range(1, 5))]


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("make", [SimulatedGuest, ProcessGuest])
async def test_frames_carry_the_damage_that_a_workload_says(make: Any, direct: bool) -> None:
    found, stats = await damages(make(f"{OWN}:Bar", seed=0), direct_scanout=direct)
    assert found == TRUE
    assert stats["guests"][0]["bytes"]["transfer"] == 0
    assert stats["guests"][0]["frames"]["presented"] == 5


async def test_a_guest_that_takes_its_time_says_the_same() -> None:
    assert (await damages(SimulatedGuest(f"{OWN}:Bar", seed=0, render_ns=9_000_000)))[0] == TRUE


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_workloads_that_ship_say_that_everything_changes(workload: str) -> None:
    assert (await damages(SimulatedGuest(workload)))[0] == [[(0, 0, 96, 64)]] * 5


async def test_a_function_draws_on_what_it_drew_before() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = SimulatedGuest(own.paint)
        attachment = await machine.attach(guest)
        await machine.run(frames=5)
        shot = machine.screenshot()
        assert attachment.name == "paint"
        assert (shot[0, :5] == (10, 20, 30, 255)).all()
        assert not shot[0, 5:, :3].any()


async def test_a_frame_in_which_nothing_changes_has_next_to_no_damage() -> None:
    def still(frame: int, canvas: NDArray[np.uint8]) -> list[Any]:
        return []

    found, stats = await damages(SimulatedGuest(still))
    assert found == [[(0, 0, 96, 64)], *[[(0, 0, 1, 1)]] * 4]
    assert stats["guests"][0]["frames"]["submitted"] == 5


async def test_a_workload_has_the_order_of_bytes_that_it_says() -> None:
    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(SimulatedGuest(own.Red))
        await machine.run(frames=2)
        assert (machine.screenshot() == (255, 0, 0, 255)).all()


@pytest.mark.parametrize("sync", ["none", "blocking", "release", "out-fence", "queue"])
@pytest.mark.parametrize("render_ns", [1_000_000, 3_000_000, 20_000_000])
async def test_damage_is_never_lost_under_any_policy_and_pace(sync: str, render_ns: int) -> None:
    guest = SimulatedGuest(f"{OWN}:Bar", seed=0, sync=sync, render_ns=render_ns)
    found, _ = await damages(guest, direct_scanout=False)
    assert len(found) == 5


@pytest.mark.parametrize("sync", ["none", "release", "queue"])
async def test_the_damage_of_flips_that_are_given_up_is_in_the_next_frame(sync: str) -> None:
    """More commits than the host lets wait: each changes a bar in a buffer of its own."""
    picture = np.zeros((64, 96, 3), np.uint8)

    async def script(kms: Kms) -> None:
        kms.crtc().depth = 8
        await kms.wait(kms.commit(kms.framebuffer(Picture(picture))).out)
        for number in range(6):
            picture[10 * number : 10 * number + 5, 4:9] = 100 + number
            kms.commit(kms.framebuffer(Picture(picture)), damage=[(4, 10 * number, 5, 5)])

    followed = np.zeros((64, 96, 4), np.uint8)

    def follow(frame: Frame) -> None:
        for rect in frame.damage:
            place = slice(rect.y, rect.bottom), slice(rect.x, rect.right)
            followed[place] = frame.snapshot()[place]

    async with Machine(outputs=[Output(MODE, direct_scanout=False)]) as machine:
        machine.listen(0, follow)
        await machine.attach(ScriptedGuest(script, sync=sync))
        await machine.run(seconds=0.3)
        assert machine.stats()["guests"][0]["frames"]["discarded"] > 0
        assert np.array_equal(machine.screenshot()[..., :3], picture)
        assert np.array_equal(followed[..., :3], picture)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([(0, 0, 97, 1)], r"frame 0: damage \(0, 0, 97, 1\) is empty or not inside of 96x64 pixels"),
        ("all", "frame 0: damage 'all': give a list of"),
        (True, "frame 0: damage True: give a list of"),
    ],
)
async def test_damage_that_is_none_ends_the_guest_in_one_line(returned: Any, message: str) -> None:
    def wrong(frame: int, canvas: NDArray[np.uint8]) -> Any:
        return returned

    async with Machine(outputs=[MODE], report=lambda _line: None) as machine:
        await machine.attach(SimulatedGuest(wrong))
        with pytest.raises(GuestFailed, match=f"wrong was ended: {message}"):
            await machine.run(seconds=0.1)


# In a process of its own.


async def test_a_class_with_arguments_crosses_to_another_process_and_gives_the_same_digest() -> None:
    digests = []
    for make in (SimulatedGuest, ProcessGuest):
        async with Machine(outputs=[MODE], seed=11) as machine:
            await machine.attach(make(f"{OWN}:Bar", arguments={"grey": 77}))
            await machine.run(seconds=0.2)
            assert (machine.screenshot()[..., 0] == 77).sum() == 100
            digests.append(machine.stats()["digest"])
    assert digests[0] == digests[1]


async def test_a_png_crosses_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.random.default_rng(4).integers(0, 256, (64, 96, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "logo.png")
    monkeypatch.chdir(tmp_path)
    for resource, copied in (("blob", 0), ("2d", 4 * 96 * 64)):
        guest = ProcessGuest("logo.png", arguments={"resource": resource})
        assert guest.name == "logo"
        async with Machine(outputs=[MODE]) as machine:
            await machine.attach(guest)
            await machine.run(seconds=0.1)
            assert np.array_equal(machine.screenshot()[..., :3], rgb)
            assert machine.stats()["guests"][0]["bytes"]["transfer"] == copied


@pytest.mark.parametrize(
    ("shown", "options", "message"),
    [
        (Picture(np.zeros((16, 16), np.uint8)), {}, "^Picture cannot cross to another process: give a workl"),
        (own.paint, {}, "^function cannot cross to another process"),
        (own.Bar(), {}, "^Bar cannot cross to another process"),
        (f"{OWN}:Bar", {"arguments": {"grey": object()}}, "its arguments cannot cross to another process"),
        (f"{OWN}:PICTURE", {"frames": 3}, "nine: a picture is drawn once, and again when it changes"),
        (f"{OWN}:Missing", {}, "has no 'Missing'"),
    ],
)
def test_what_cannot_cross_is_refused_before_there_is_a_process(
    shown: Any, options: Any, message: str
) -> None:
    with pytest.raises(Misuse, match=message):
        ProcessGuest(shown, **options)
