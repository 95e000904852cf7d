"""What is connected: GET_DISPLAY_INFO, GET_EDID; and capability sets, of which a 2D device has none."""

from __future__ import annotations

from virtio.gpu.commands.answer import Answer
from virtio.gpu.display import DisplayMode
from virtio.gpu.edid import make_edid
from virtio.gpu.errors import invalid_parameter
from virtio.gpu.session import Session
from virtio.gpu.wire import (
    MAX_SCANOUTS,
    DisplayOne,
    GetCapset,
    GetCapsetInfo,
    GetEdid,
    NoBody,
    Rect,
    RespDisplayInfo,
    RespEdid,
    Response,
    pack,
)

_NOTHING = DisplayOne(Rect(0, 0, 0, 0), enabled=0)


def get_display_info(session: Session, _command: NoBody, _request: bytes) -> Answer:
    """GET_DISPLAY_INFO: always 16 entries, zeros where nothing is plugged in."""
    shown = [_display_one(mode) for mode in session.display.modes()]
    absent = [_NOTHING] * (MAX_SCANOUTS - len(shown))
    return Answer(Response.OK_DISPLAY_INFO, pack(RespDisplayInfo((*shown, *absent))))


def _display_one(mode: DisplayMode) -> DisplayOne:
    return DisplayOne(Rect(mode.x, mode.y, mode.width, mode.height), enabled=1) if mode.enabled else _NOTHING


def get_edid(session: Session, command: GetEdid, _request: bytes) -> Answer:
    """GET_EDID. Drivers ask for every scanout, also for those where nothing is plugged in."""
    modes = session.display.modes()
    if command.scanout >= len(modes):
        raise invalid_parameter(f"scanout {command.scanout} does not exist, the device has {len(modes)}")
    edid = make_edid(modes[command.scanout], command.scanout)
    return Answer(Response.OK_EDID, pack(RespEdid(len(edid), edid=edid)))


def get_capset_info(_session: Session, command: GetCapsetInfo, _request: bytes) -> Answer:
    """GET_CAPSET_INFO: the config space says that there are none, so every index is wrong."""
    raise invalid_parameter(f"capset index {command.capset_index}, the device has no capsets")


def get_capset(_session: Session, command: GetCapset, _request: bytes) -> Answer:
    """GET_CAPSET: as GET_CAPSET_INFO."""
    raise invalid_parameter(f"capset {command.capset_id}, the device has no capsets")
