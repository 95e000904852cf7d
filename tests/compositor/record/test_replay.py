"""A recording of any guest, replayed: the same frames at the same times, and nothing but them."""

import asyncio
import gc
import io
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine
from compositor.adapter.display import Placement
from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput, Misuse
from compositor.machine.replay import Player
from compositor.machine.run import StopReason
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.output.plane import PlaneBudget
from compositor.record.container import ChunkReader, ChunkWriter, pack
from compositor.record.recording import Recording
from compositor.record.records import Kind, Record, decode
from guest import SimulatedGuest
from guest.driver import GpuDriver
from guest.driver.framebuffer import Framebuffer
from virtio.gpu.device import GpuDevice
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    BlobFlag,
    BlobMem,
    Command,
    Rect,
    ResourceCreateBlob,
    ResourceMapBlob,
    ResourceUnmapBlob,
)

MODE = "96x64@60"
SCREEN = Rect(0, 0, 96, 64)
Play = Callable[[Machine], Awaitable[Any]]
pytestmark = pytest.mark.usefixtures("nothing_left")


def held() -> tuple[int, list[str]]:
    gc.collect()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len(list(Path("/proc/self/fd").iterdir())), [line for line in maps if "memfd:" in line]


@pytest.fixture
def nothing_left() -> Iterator[None]:
    before = held()
    yield
    assert held() == before


async def recorded(path: Path, play: Play, *, outputs: tuple[str | Output, ...] = (MODE,), **how: Any) -> str:
    """Run a machine and record it; its digest."""
    async with Machine(outputs=outputs, record=path, **how) as machine:
        await play(machine)
        return str(machine.stats()["digest"])


async def replayed(path: Path) -> tuple[str, Player, dict[str, Any]]:
    """Replay it: digest, the player, statistics."""
    with Recording(path) as recording:
        async with Machine(outputs=recording.outputs, repaint="recorded") as machine:
            player = machine.replay(recording)
            assert await machine.run() is StopReason.RECORDING
            stats = machine.stats()
            return stats["digest"], player, stats


async def check(path: Path, play: Play, **how: Any) -> dict[str, Any]:
    """Record, replay, compare; the replay's statistics."""
    digest = await recorded(path, play, **how)
    again, player, stats = await replayed(path)
    assert player.differences == []
    assert again == digest
    return stats


async def test_a_simulated_guest(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(frames=5)

    stats = await check(tmp_path / "f", play)
    assert stats["guests"][0]["frames"] == {
        "submitted": 5,
        "presented": 5,
        "discarded": 0,
        "torn": 0,
        "early_reuse": 0,
    }
    assert stats["guests"][0]["kind"] == "simulated"


@pytest.mark.parametrize("policy", list(SyncPolicy))
async def test_every_sync_policy_and_a_switch_while_running(tmp_path: Path, policy: SyncPolicy) -> None:
    async def play(machine: Machine) -> None:
        guest = await machine.attach(SimulatedGuest("gears", sync=policy.value))
        await machine.run(frames=4)
        guest.set_sync(SyncPolicy.QUEUE)
        await machine.run(frames=4)

    await check(tmp_path / "f", play)


@pytest.mark.parametrize("repaint", ["vblank", "flush"])
async def test_several_guests_on_several_outputs(tmp_path: Path, repaint: str) -> None:
    async def play(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("plasma"), [Placement(output=1)])
        await machine.attach(SimulatedGuest("gears"), [Placement(x=8, y=8, width=48, height=32)])
        await machine.attach(SimulatedGuest("gears"), [Placement(x=30, y=20, width=48, height=32)])
        await machine.run(seconds=0.1)

    stats = await check(tmp_path / "f", play, outputs=(MODE, "64x48@30"), repaint=repaint)
    assert stats["duration_s"] == 0.1


async def test_what_is_blended_as_light_is_replayed_so(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("gears"), [Placement(opacity=0.5)])
        await machine.run(frames=2)

    light = Output(MODE, linear_light=True, background=0xFFFFFF, planes=PlaneBudget.of_counts(2))
    await check(tmp_path / "f", play, outputs=(light,))


async def test_a_run_on_the_real_clock_gives_its_digest_on_the_virtual_one(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(frames=3)

    await check(tmp_path / "f", play, clock="real", repaint="flush")


async def test_a_mode_switch_and_a_guest_that_goes(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        gone = await machine.attach(SimulatedGuest("gears"), [Placement(width=48, height=32)])
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=2)
        machine.set_mode(0, "64x64@50")
        await machine.run(frames=2)
        await gone.close()
        machine.guests.remove(gone)
        await machine.run(frames=2)

    stats = await check(tmp_path / "f", play)
    assert stats["outputs"][0]["mode"] == "64x64@50"


async def test_a_reboot_and_a_picture_that_is_switched_off(tmp_path: Path) -> None:
    guest = SimulatedGuest("gears")

    async def play(machine: Machine) -> None:
        await machine.attach(guest)
        await machine.run(frames=2)
        guest.start()
        await machine.run(frames=2)

    await check(tmp_path / "f", play)


async def quiet_guest(machine: Machine) -> SimulatedGuest:
    """A guest that has shown one frame and draws no more: a test can use its driver."""
    guest = SimulatedGuest(Painter(), size=(96, 64), frames=1)
    await machine.attach(guest)
    await machine.run(frames=1)
    await machine.run(seconds=0.1)
    return guest


class Painter:
    """A workload for those who look at something else."""

    name, opaque = "painter", True

    def draw(self, frame: int, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        pixels[:] = 40


async def test_2d_resources_cursors_and_moving_buffers(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        driver = (await quiet_guest(machine)).driver
        framebuffer = Framebuffer(driver, (96, 64), Format.B8G8R8X8)
        image, cursor = driver.new_resource_id(), driver.new_resource_id()
        driver.create_2d(image, (96, 64), Format.R8G8B8A8)
        driver.attach_backing(image, framebuffer.runs)
        driver.create_2d(cursor, (64, 64), Format.B8G8R8A8)
        driver.attach_backing(cursor, framebuffer.runs)
        framebuffer.pixels[:] = np.arange(96, dtype=np.uint8)[None, :, None]
        driver.transfer(image, SCREEN)
        driver.transfer(cursor, Rect(0, 0, 64, 64))
        driver.set_scanout(0, image, SCREEN)
        driver.flush(image, SCREEN)
        driver.update_cursor(0, cursor, (10, 12), (0, 0))
        driver.notify()
        await machine.run(seconds=0.05)
        # A rectangle whose rows come from elsewhere in the backing than they go to.
        framebuffer.pixels[20:30] = 200
        driver.transfer(image, Rect(4, 5, 30, 6), 20 * 96 * 4)
        driver.flush(image, Rect(4, 5, 30, 6))
        driver.move_cursor(0, (-20, 3))
        driver.unref(999, lambda: None)
        driver.notify()
        await machine.run(seconds=0.05)
        driver.detach_backing(image)
        driver.attach_backing(image, framebuffer.runs)
        driver.transfer(image, Rect(0, 0, 96, 1))
        driver.flush(image, SCREEN)
        driver.notify()
        await machine.run(seconds=0.05)

    stats = await check(tmp_path / "f", play)
    assert stats["guests"][0]["errors"] == {"ERR_INVALID_RESOURCE_ID": 1}
    assert stats["guests"][0]["commands"]["UPDATE_CURSOR"] == 1


async def test_a_guest_that_paints_after_its_flush_is_replayed_as_it_was_presented(tmp_path: Path) -> None:
    pictures: list[int] = []

    async def play(machine: Machine) -> None:
        guest = await quiet_guest(machine)
        framebuffer = Framebuffer(guest.driver, (96, 64), Format.B8G8R8X8)
        framebuffer.show(0)
        guest.driver.notify()
        framebuffer.pixels[:] = 77

        def see(frame: Frame) -> None:
            pictures.append(int(frame.pixels[0, 0, 0]))

        machine.listen(0, see)
        await machine.run(frames=1)

    await check(tmp_path / "f", play)
    assert pictures == [77]


class HostBlob:
    """A blob of host memory, which the guest sees in the host-visible region while it is mapped."""

    def __init__(self, device: GpuDevice, driver: GpuDriver, offset: int) -> None:
        self._device, self._driver, self._offset = device, driver, offset
        self.id, self.size = driver.new_resource_id(), SCREEN.width * SCREEN.height * 4
        body = ResourceCreateBlob(self.id, BlobMem.HOST3D, BlobFlag.USE_MAPPABLE, 0, 0, self.size)
        driver.submit(Command.RESOURCE_CREATE_BLOB, body)
        self.map()

    def map(self) -> None:
        self._driver.submit(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(self.id, offset=self._offset))
        self._driver.notify()

    def unmap(self) -> None:
        self._driver.submit(Command.RESOURCE_UNMAP_BLOB, ResourceUnmapBlob(self.id))
        self._driver.notify()

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The guest's view."""
        region = self._device.host_visible
        assert region is not None
        return region.view(self._offset, self.size).reshape(SCREEN.height, SCREEN.width, 4)

    def show(self) -> None:
        self._driver.set_scanout_blob(
            0, self.id, (SCREEN.width, SCREEN.height), Format.B8G8R8X8, SCREEN.width * 4
        )
        self.flush()

    def flush(self) -> None:
        self._driver.flush(self.id, SCREEN)
        self._driver.notify()


async def test_host_blobs(tmp_path: Path) -> None:
    pictures: list[int] = []

    async def play(machine: Machine) -> None:
        guest = await quiet_guest(machine)
        device = machine.guests[0]._device
        assert device is not None
        blobs = [HostBlob(device, guest.driver, offset) for offset in (0, 1 << 20)]
        await machine.run(seconds=0.01)
        machine.listen(0, lambda frame: pictures.append(int(frame.pixels[0, 0, 0])))
        for turn in range(4):
            blob = blobs[turn % 2]
            blob.pixels[:] = 10 + turn
            blob.pixels[turn:, ::3] = 200
            blob.show()
            await machine.run(frames=1)
        # Painted after the flush; then painted, and mapped no more when the host looks.
        blob.flush()
        blob.pixels[:] = 77
        await machine.run(frames=1)
        blob.pixels[:] = 88
        blob.unmap()
        blob.flush()
        await machine.run(frames=1)
        # Memory of the host comes back as zeros, also under a number that was used.
        guest.driver.unref(blob.id, lambda: None)
        guest.driver.new_resource_id = lambda: blob.id  # type: ignore[method-assign]
        again = HostBlob(device, guest.driver, 2 << 20)
        await machine.run(seconds=0.01)
        again.pixels[1] = 99
        again.show()
        await machine.run(frames=1)

    await check(tmp_path / "f", play)
    assert pictures == [200, 11, 12, 13, 77, 88, 0]


async def test_a_cursor_of_host_memory(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        guest = await quiet_guest(machine)
        device = machine.guests[0]._device
        assert device is not None
        blob = HostBlob(device, guest.driver, 0)
        await machine.run(seconds=0)
        blob.pixels[:] = np.arange(96, dtype=np.uint8)[None, :, None]
        guest.driver.update_cursor(0, blob.id, (5, 6), (0, 0))
        guest.driver.notify()
        await machine.run(frames=1)

    await check(tmp_path / "f", play)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("record") / "f"

    async def play(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(seconds=1.0)

    with ThreadPoolExecutor(1) as elsewhere:  # the tests' own loop runs here
        elsewhere.submit(asyncio.run, recorded(path, play, outputs=("48x32@60",))).result()
    return path.read_bytes()


@pytest.mark.parametrize("percent", [2, 13, 35, 61, 88, 99])
async def test_a_file_that_was_cut_off_is_replayed_up_to_its_end(
    whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], percent: int
) -> None:
    path = tmp_path / "cut"
    path.write_bytes(whole[: len(whole) * percent // 100])
    _, player, stats = await replayed(path)
    assert player.differences == []
    assert stats["outputs"][0]["presented"] <= 60
    assert capsys.readouterr().err == f"scanout: {path}: cut off; replayed up to its end\n"


@pytest.mark.parametrize("percent", [0, 2, 13, 35, 61, 88, 99])
async def test_damage_is_one_line_and_what_came_before_it_ran(
    whole: bytes, tmp_path: Path, percent: int
) -> None:
    path = tmp_path / "damaged"
    damaged = bytearray(whole)
    damaged[len(whole) * percent // 100] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises(BadInput) as caught:
        await replayed(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def rewritten(path: Path, change: Callable[[Record], Record]) -> None:
    """A recording whose records say something else, all checksums right."""
    file = io.BytesIO()
    writer = ChunkWriter(file)
    chunks = list(ChunkReader(io.BytesIO(path.read_bytes()), "f"))
    for number, chunk in enumerate(chunks):
        parts = [part for record in decode(chunk) for part in change(record).encode()]
        writer.add(pack(b"".join(parts)), last=number == len(chunks) - 1)
    path.write_bytes(file.getvalue())


async def test_a_frame_that_comes_out_otherwise_is_named(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(whole)

    def without_pixels(record: Record) -> Record:
        empty = record._replace(payload=record.payload[:4] + bytes(4))
        return empty if record.kind is Kind.CONTENT else record

    rewritten(path, without_pixels)
    _, player, _ = await replayed(path)
    assert player.differences == ["frame 1 of output-0 is another one than recorded"]


async def test_an_answer_that_comes_out_otherwise_is_named(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(whole)

    def other_answer(record: Record) -> Record:
        first = record.kind is Kind.COMMAND and record.time_ns == 0
        return record._replace(payload=record.payload[:-1] + b"\x55") if first else record

    rewritten(path, other_answer)
    _, player, _ = await replayed(path)
    assert player.differences == ["the command at 0.000000 s got another answer than recorded"]


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.MACHINE, Kind.END}))
async def test_records_that_make_no_sense_are_bad_input(whole: bytes, tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "f"
    path.write_bytes(whole)
    rewritten(path, lambda r: Record(kind, 900, 5, b"\xff") if r.kind is Kind.COMMAND else r)
    with pytest.raises(BadInput, match="cannot be replayed beyond") as caught:
        await replayed(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("policy", [policy for policy in SyncPolicy if policy is not SyncPolicy.NONE])
@pytest.mark.parametrize("render_ms", [3, 11])
async def test_frames_that_are_committed_before_they_are_presented(
    tmp_path: Path, policy: SyncPolicy, render_ms: int
) -> None:
    async def play(machine: Machine) -> None:
        for workload in ("gears", "plasma"):
            guest = SimulatedGuest(workload, size=(60, 40), render_ns=render_ms * 1_000_000, sync=policy)
            await machine.attach(guest, [Placement(x=20 * (workload == "plasma"))])
        await machine.run(seconds=0.5)

    stats = await check(tmp_path / "f", play, repaint_delay_ns=9_000_000)
    assert stats["outputs"][0]["presented"] >= 14


async def test_a_machine_that_repaints_by_itself_cannot_replay(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(whole)
    with Recording(path) as recording:
        async with Machine() as machine:
            with pytest.raises(Misuse, match="recorded"):
                machine.replay(recording)
