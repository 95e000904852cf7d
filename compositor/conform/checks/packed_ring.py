"""Packed queues (2.8). No device was met that offers them over vhost-user for a GPU; each rule is named."""

from __future__ import annotations

from typing import NoReturn

from compositor.conform.check import Group
from compositor.conform.rig import Rig
from compositor.conform.verdict import Skipped, need
from virtio.features import RingFeature

_GROUP = Group("packed-ring")

_RULES = {
    "descriptors-start-in-order": ("2.8.1", "The device starts on descriptors in the ring's order."),
    "readable-buffers-are-not-written": ("2.8.5.1", "The device writes to no buffer that is for it to read."),
    "descriptors-are-used-when-available": (
        "2.8.5.1",
        "The device uses no descriptor before its AVAIL bit has changed.",
    ),
    "used-descriptors-are-left-alone": (
        "2.8.5.1",
        "The device changes no descriptor after it has changed its USED bit.",
    ),
    "chains-are-followed-in-order": ("2.8.17.1", "The device takes a chain's descriptors in their order."),
}


def _play(rig: Rig) -> NoReturn:
    features, _ = rig.wire().hello()
    need(bool(features & RingFeature.RING_PACKED), "RING_PACKED is not offered")
    raise Skipped("RING_PACKED is offered, and this suite drives split queues only")


for _name, (_section, _requirement) in _RULES.items():
    _GROUP.enter(_name, _section, _requirement, "must", _play)
