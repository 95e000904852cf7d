"""GET_DISPLAY_INFO and GET_EDID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtio.gpu.display import DisplayMode
from virtio.gpu.edid import make_edid
from virtio.gpu.wire import Command, DisplayOne, GetEdid, Rect, RespDisplayInfo, RespEdid, unpack

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import MakeMachine

MODES = [
    DisplayMode(1920, 1080),
    DisplayMode(1024, 768, x=1920, y=100, name="right"),
    DisplayMode(640, 480, enabled=False),
]


def test_every_scanout_has_its_mode_and_place_and_the_rest_is_off(make_machine: MakeMachine) -> None:
    reply = make_machine(MODES).ok(Command.GET_DISPLAY_INFO)
    off = DisplayOne(Rect(0, 0, 0, 0), enabled=0)
    assert reply.length == 408
    assert unpack(RespDisplayInfo, reply.body).pmodes == (
        DisplayOne(Rect(0, 0, 1920, 1080), enabled=1),
        DisplayOne(Rect(1920, 100, 1024, 768), enabled=1),
        *[off] * 14,
    )


def test_sixteen_scanouts_are_the_most(make_machine: MakeMachine) -> None:
    machine = make_machine([DisplayMode(640 + index, 480) for index in range(16)])
    modes = unpack(RespDisplayInfo, machine.ok(Command.GET_DISPLAY_INFO).body).pmodes
    assert [mode.rect.width for mode in modes] == list(range(640, 656))
    for index in range(16):
        machine.ok(Command.GET_EDID, GetEdid(index))


def test_each_scanout_has_its_own_edid(make_machine: MakeMachine) -> None:
    machine = make_machine(MODES)
    for index, mode in enumerate(MODES):
        reply = machine.ok(Command.GET_EDID, GetEdid(index))
        edid = unpack(RespEdid, reply.body)
        assert reply.length == 1056
        assert edid.edid[: edid.size] == make_edid(mode, index)


def test_a_changed_mode_is_told_when_it_is_asked_for_again(make_machine: MakeMachine) -> None:
    machine = make_machine(MODES)
    machine.display.mode_list[2] = DisplayMode(7680, 4320, 120_000)
    modes = unpack(RespDisplayInfo, machine.ok(Command.GET_DISPLAY_INFO).body).pmodes
    assert modes[2] == DisplayOne(Rect(0, 0, 7680, 4320), enabled=1)
    edid = unpack(RespEdid, machine.ok(Command.GET_EDID, GetEdid(2)).body)
    assert edid.size == 256
