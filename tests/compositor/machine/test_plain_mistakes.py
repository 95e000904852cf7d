"""What a user gets wrong is answered at once, by the project's error, which says what is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compositor import Machine, Output, Placement
from compositor.errors import BadInput, Misuse, ScanoutError
from guest import CommandedGuest, ProcessGuest, QemuGuest, SimulatedGuest, UmlGuest

Make = Callable[[], object]
Use = Callable[[Any], object]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Machine(outputs="64x64@60"), r"outputs='64x64@60': a list is needed, as \['64x64@60'\]"),
        (lambda: Machine(outputs=Output("64x64")), r"outputs=<output .*>: a list is needed"),  # type: ignore[arg-type]
        (lambda: Machine(outputs=[3]), "outputs=3: an Output, or a mode, in each place is needed"),  # type: ignore[list-item]
        (lambda: Machine(clock="fast"), "clock='fast': there are virtual, real"),  # type: ignore[arg-type]
        (lambda: Machine(repaint="often"), "repaint='often': there are vblank, flush, recorded"),  # type: ignore[arg-type]
        (lambda: Machine(renderer="gpu"), "renderer='gpu': there are cpu, gl, auto"),  # type: ignore[arg-type]
        (lambda: Machine(seed="x"), "seed='x': a whole number is needed"),  # type: ignore[arg-type]
        (lambda: Machine(repaint_delay_ns=-1), "repaint_delay_ns=-1: a whole number, 0 or more, is needed"),
        (lambda: Machine(timing={}), "timing={}: a TimingModel is needed"),  # type: ignore[arg-type]
        (lambda: Machine(patience_s=-1), "patience_s=-1: a number of seconds, 0 or more, is needed"),
        (lambda: Output(3), 'mode "3" is not of the form'),  # type: ignore[arg-type]
        (lambda: Output("64x64", background="red"), "background 'red' is no number"),  # type: ignore[arg-type]
        (lambda: Output("64x64", position=3), r"position 3 is not of the form \(x, y\)"),  # type: ignore[arg-type]
        (lambda: Output("64x64", name=3), "an output's name is a text, and 3 is none"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", size="64x48"), r"size='64x48': \(width, height\) in pixels,"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", size=(64, 0)), r"size=\(64, 0\): \(width, height\)"),
        (lambda: SimulatedGuest("gears", size=(64, 4.5)), r"size=\(64, 4.5\): \(width, height\)"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", frames=-1), "frames=-1: a whole number, 0 or more, is needed"),
        (lambda: SimulatedGuest("gears", frames="all"), "frames='all': a whole number, 0 or more,"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", seed="x"), "seed='x': a whole number, or None, is needed"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", memory="lots"), "memory='lots': a whole number, 1 or more,"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", memory=0), "memory=0: a whole number, 1 or more, is needed"),
        (lambda: SimulatedGuest("gears", buffers=-1), "buffers=-1: a whole number, 0 or more, is needed"),
        (lambda: SimulatedGuest("gears", buffers=True), "buffers=True: a whole number, 0 or more,"),
        (lambda: SimulatedGuest("gears", render_ns=0.5), "render_ns=0.5: a whole number, 0 or more,"),  # type: ignore[arg-type]
        (lambda: SimulatedGuest("gears", name=3), "name=3: a text is needed"),  # type: ignore[arg-type]
        (lambda: CommandedGuest(seed="x"), "seed='x': a whole number, or None, is needed"),  # type: ignore[arg-type]
        (
            lambda: ProcessGuest("gears", colour="red"),
            "ProcessGuest has no option 'colour'; there are name",
        ),
        (lambda: ProcessGuest("gears", socket="/x"), "ProcessGuest has no option 'socket'; there are name"),
        (lambda: ProcessGuest("gears", frames="all"), "frames='all': a whole number, 0 or more,"),
        (lambda: ProcessGuest("gears", memory="lots"), "memory='lots': a whole number, 1 or more,"),
        (lambda: ProcessGuest("gears", seed="x"), "seed='x': a whole number, or None, is needed"),  # type: ignore[arg-type]
        (lambda: ProcessGuest("gears", patience_s=-1), "patience_s=-1: a number of seconds, 0 or more,"),
        (lambda: ProcessGuest("banana"), "there is no workload 'banana'"),
        (lambda: ProcessGuest(3), "int cannot cross to another process: give a workload's name, "),  # type: ignore[arg-type]
        (lambda: UmlGuest(memory="lots"), "memory='lots': a whole number, 1 or more, is needed"),  # type: ignore[arg-type]
        (lambda: UmlGuest("pageflip", memory=0), "memory=0: a whole number, 1 or more, is needed"),
        (lambda: UmlGuest(kernel="linux"), "kernel='linux': a Path is needed"),  # type: ignore[arg-type]
        (lambda: UmlGuest(root="/"), "root='/': a Path is needed"),  # type: ignore[arg-type]
        (lambda: UmlGuest(command="ls -l"), "command='ls -l': a list of texts is needed"),
        (lambda: UmlGuest(host_programs=["ls"]), r"host_programs=\['ls'\]: a list of Path is needed"),  # type: ignore[list-item]
        (lambda: QemuGuest(architecture="vax"), "architecture='vax': there are x86_64, aarch64"),
        (lambda: QemuGuest(qemu_arguments="-s"), "qemu_arguments='-s': a list of texts is needed"),
    ],
)
def test_what_cannot_be_made(make: Make, said: str) -> None:
    with pytest.raises(ScanoutError, match=said):
        make()


@pytest.mark.parametrize(
    ("guest", "places", "said"),
    [
        ("gears", None, r"guest='gears': a guest, as SimulatedGuest\(...\), is needed"),
        (SimulatedGuest, None, "guest=<class .*: a guest, as"),
        ("plasma", Placement(), r"places=Placement\(.*: a list of Placement is needed, one for each scanout"),
        ("plasma", ["left"], r"places=\['left'\]: a list of Placement"),
        ("plasma", [], r"places=\[\]: a list of Placement"),
        ("plasma", [Placement(x="a")], "guest plasma: x='a': a whole number is needed"),  # type: ignore[arg-type]
        ("plasma", [Placement(output="left")], "guest plasma: output='left': a whole number"),  # type: ignore[arg-type]
        ("plasma", [Placement(clip=(1, 2))], r"guest plasma: clip=\(1, 2\): \(x, y, width, height\)"),  # type: ignore[arg-type]
        ("plasma", [Placement(mirrors=1)], "guest plasma: mirrors=1: a tuple of whole numbers"),  # type: ignore[arg-type]
        ("plasma", [Placement(opacity="half")], "guest plasma: opacity='half': a number from 0 to 1"),  # type: ignore[arg-type]
        ("plasma", [Placement(transform="upside")], "upside"),
    ],
)
async def test_what_cannot_be_attached(guest: Any, places: Any, said: str) -> None:
    async with Machine(outputs=["64x48@60"]) as machine:
        with pytest.raises(ScanoutError, match=said):
            await machine.attach(SimulatedGuest(guest) if guest == "plasma" else guest, places)
        assert machine.guests == []
        await machine.attach(SimulatedGuest("plasma"))
        assert (await machine.next_frame()).commit_seq == 1


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (lambda machine: machine.screenshot(99), BadInput, "no output 99; there are output-0"),
        (lambda machine: machine.screenshot("left"), BadInput, "no output left; there are output-0"),
        (lambda machine: machine.screenshot(-1), BadInput, "no output -1"),
        (lambda machine: machine.set_mode(0, 3), BadInput, 'mode "3" is not of the form'),
        (lambda machine: machine.listen(0, 3), Misuse, "listener=3: a function that takes a frame is needed"),
        (lambda machine: machine.stop("now"), Misuse, "reason='now': a StopReason is needed"),
        (lambda machine: machine.guests[0].put(0, 3), Misuse, "guest plasma: place=3: a Placement is needed"),
        (lambda machine: machine.guests[0].put(Placement(), 0), Misuse, "guest plasma: scanout=Placement"),
    ],
)
async def test_what_cannot_be_done(use: Use, error: type[ScanoutError], said: str) -> None:
    async with Machine(outputs=["64x48@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        with pytest.raises(error, match=said):
            use(machine)
        assert (await machine.next_frame()).commit_seq == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda machine: machine.plug(Output("64x64")),
        lambda machine: machine.set_mode(0, "64x64"),
        lambda machine: machine.unplug(0),
        lambda machine: machine.serve("/nowhere/socket"),
        lambda machine: machine.stats(),
    ],
)
async def test_what_needs_a_machine_that_runs(use: Use) -> None:
    machine = Machine()
    with pytest.raises(Misuse, match="the machine is not running: use it as `async with"):
        use(machine)
    with pytest.raises(Misuse, match="the machine is not running"):
        await machine.attach(SimulatedGuest("gears"))


async def test_public_objects_say_in_a_line_what_they_are() -> None:
    machine = Machine(outputs=["64x48@60"])
    assert repr(machine) == "<machine not running of the virtual clock: output-0 64x48@60; no guests>"
    async with machine:
        attachment = await machine.attach(SimulatedGuest("plasma"))
        frame = await machine.next_frame()
        assert repr(frame) == "<frame 1 of output-0 at 0.016667 s, 64x48, showing plasma 0>"
        assert repr(machine.outputs[0]) == "<output output-0 64x48@60: 1 frames presented>"
        assert repr(machine) == "<machine at 0.016667 s of the virtual clock: output-0 64x48@60; plasma>"
        assert repr(machine.clock) == "<calendar at 0.016667 s>"
        said = [
            machine.pictures,
            attachment,
            attachment.display,
            ProcessGuest("gears"),
            SimulatedGuest("gears"),
        ]
        layers = [layer.layer for layer in machine.outputs[0].layers if layer.buffer is not None]
        buffers = [layer.buffer for layer in machine.outputs[0].layers]
        for thing in (*said, *layers, *buffers, attachment.display.heads[0].flips.image):
            assert "array" not in repr(thing)
            assert "object at 0x" not in repr(thing)[:40]
    assert repr(machine).startswith("<machine closed")
