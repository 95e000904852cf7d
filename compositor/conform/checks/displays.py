"""Displays, EDIDs and capability sets (5.7.6.8)."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.wire import Command, Feature, GetCapsetInfo, GetEdid, RespEdid, Response, sizeof, unpack
from virtio.vhost_user.messages import ProtocolFeature

_GROUP = Group("displays")
check = _GROUP.check

_EDID_MAGIC = bytes.fromhex("00ffffffffffff00")
_BLOCK = 128


@check("5.7.6.8")
def display_info_has_16_entries(rig: Rig) -> None:
    """The answer to GET_DISPLAY_INFO is of its kind and has 16 entries, whatever number is in use."""
    rig.guest().do_display_info()


@check("5.7.6.8")
def enabled_displays_exist(rig: Rig) -> None:
    """Only scanouts that the device has are enabled, and an enabled one has a size."""
    guest = rig.guest()
    count = guest.scanouts
    for number, one in enumerate(guest.do_display_info().pmodes):
        if one.enabled:
            size = (one.rect.width, one.rect.height)
            require(
                number < count or not guest.has(ProtocolFeature.CONFIG),
                f"display {number} of {count} is enabled",
            )
            require(min(size) > 0, f"display {number} is enabled and has {size[0]}x{size[1]} pixels")


@check("5.7.6.8", "should")
def some_display_is_enabled(rig: Rig) -> None:
    """One display is enabled, at least: a driver then need not guess a size."""
    enabled = [one for one in rig.guest().do_display_info().pmodes if one.enabled]
    require(bool(enabled), "no display is enabled")


@check("5.7.6.8")
def edids_are_edids(rig: Rig) -> None:
    """The EDID of each scanout is whole blocks of 128 bytes with right checksums, at most 1024 in all."""
    guest = rig.guest()
    need(guest.offers(Feature.EDID), "EDID is not offered")
    for number in range(guest.scanouts):
        answer = guest.ask(Command.GET_EDID, GetEdid(number))
        require(answer.type == Response.OK_EDID, f"GET_EDID of scanout {number} is answered {answer}")
        require(len(answer.body) == sizeof(RespEdid), f"the answer has {len(answer.body)} bytes, not 1032")
        edid = unpack(RespEdid, answer.body)
        require(0 < edid.size <= len(edid.edid), f"the EDID's size is {edid.size}")
        _check_edid(edid.edid[: edid.size])


def _check_edid(data: bytes) -> None:
    require(len(data) % _BLOCK == 0, f"the EDID's size is {len(data)}, no multiple of 128")
    require(data.startswith(_EDID_MAGIC), f"the EDID begins with {data[:8].hex()}")
    require(data[126] == len(data) // _BLOCK - 1, f"{len(data)} bytes of EDID, and {data[126]} extensions")
    for start in range(0, len(data), _BLOCK):
        require(
            not sum(data[start : start + _BLOCK]) & 0xFF, f"the checksum of the block at {start} is wrong"
        )


@check("5.7.6.8")
def capsets_beyond_the_last_get_an_error(rig: Rig) -> None:
    """GET_CAPSET_INFO of an index that is not below num_capsets is answered with an error."""
    guest = rig.guest()
    need(guest.has(ProtocolFeature.CONFIG), "the number of capsets is not known")
    answer = guest.ask(Command.GET_CAPSET_INFO, GetCapsetInfo(guest.config().num_capsets))
    require(answer.is_error, f"GET_CAPSET_INFO is answered {answer}")


@check("5.7.6.9")
def without_3d_contexts_get_an_error(rig: Rig) -> None:
    """A device that does not offer VIRGL refuses the commands of contexts."""
    guest = rig.guest()
    need(not guest.offered >> Feature.VIRGL & 1, "the device offers VIRGL")
    for command, size in ((Command.CTX_CREATE, 72), (Command.RESOURCE_CREATE_3D, 48), (Command.SUBMIT_3D, 8)):
        answer = guest.ask(command, bytes(size), ctx=1)
        require(answer.is_error, f"{command.name} is answered {answer}")
