"""Devices that offer what they must not, or show a wrong config space."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.compositor.conform.mutants import Patch, handles, mutant
from virtio.errors import ProtocolFault
from virtio.features import RingFeature
from virtio.gpu.config import ConfigSpace
from virtio.gpu.device import GpuDevice
from virtio.gpu.wire import Event
from virtio.vhost_user import backend as backend_module
from virtio.vhost_user.backend import Backend
from virtio.vhost_user.messages import Message, Request
from virtio.vhost_user.payloads import pack_u64

# Features and the config space.


@mutant("config/it-can-be-read-before-features-are-set")
def shows_config_late(patch: Patch) -> None:
    original = Backend._get_config

    def answer(backend: Backend, message: Message) -> bytes:
        if not backend.rings.features:
            raise ProtocolFault("no features yet")
        return original(backend, message)

    handles(patch, Request.GET_CONFIG, answer)


@mutant("config/without-3d-there-are-no-capsets")
def has_capsets_without_3d(patch: Patch) -> None:
    patch.setattr(ConfigSpace, "read", lambda config, offset, length: b"\1\0\0\0" * 4)


def accepts(patch: Patch, fits: Callable[[int], bool]) -> None:
    def refuse(features: int) -> None:
        if not fits(features):
            raise ProtocolFault("not these")

    patch.setattr(backend_module, "check_features", refuse)


@mutant("features/a-driver-may-accept-few")
def wants_edid_accepted(patch: Patch) -> None:
    accepts(patch, lambda features: bool(features & 2))


@mutant("features/each-feature-may-be-accepted-alone")
def wants_edid_with_blobs(patch: Patch) -> None:
    accepts(patch, lambda features: features & 10 != 8)


@mutant("features/version-1-is-offered")
def offers_no_version_1(patch: Patch) -> None:
    original = Backend._get_features

    def answer(backend: Backend, message: Message) -> bytes:
        (features,) = struct.unpack("=Q", original(backend, message))
        return pack_u64(features & ~RingFeature.VERSION_1)

    handles(patch, Request.GET_FEATURES, answer)


@mutant("features/bits-without-meaning-are-not-offered")
def offers_a_bit_without_meaning(patch: Patch) -> None:
    patch.setattr(GpuDevice, "features", GpuDevice.features | 1 << 13)


@mutant("features/features-come-with-what-they-require")
def offers_context_init_alone(patch: Patch) -> None:
    patch.setattr(GpuDevice, "features", GpuDevice.features | 1 << 4)


@mutant("config/the-number-of-scanouts-is-1-to-16")
def has_no_scanouts(patch: Patch) -> None:
    patch.setattr(ConfigSpace, "read", lambda config, offset, length: bytes(length))


@mutant("config/events-are-cleared-by-writing-ones")
def never_clears_events(patch: Patch) -> None:
    original = ConfigSpace.__init__

    def begin(config: ConfigSpace, count: int) -> None:
        original(config, count)
        config.raise_event(Event.DISPLAY)

    patch.setattr(ConfigSpace, "__init__", begin)
    patch.setattr(ConfigSpace, "write", lambda config, offset, data: None)
    patch.setattr(ConfigSpace, "clear_events", lambda config: None)


@mutant("config/no-event-is-pending-at-first")
def has_events_that_are_not(patch: Patch) -> None:
    patch.setattr(ConfigSpace, "read", lambda config, offset, length: b"\x06" + bytes(length - 1))


@mutant("config/fields-that-are-read-only-stay")
def takes_every_write_to_config(patch: Patch) -> None:
    def write(config: ConfigSpace, offset: int, data: bytes) -> None:
        config._num_scanouts = int.from_bytes(data, "little") & 15

    patch.setattr(ConfigSpace, "write", write)


@mutant("config/parts-are-parts-of-the-whole")
def reads_config_from_its_beginning(patch: Patch) -> None:
    original = ConfigSpace.read
    patch.setattr(ConfigSpace, "read", lambda config, offset, length: original(config, 0, length))


@mutant("config/bytes-beyond-it-are-no-memory-of-the-device")
def shows_memory_behind_config(patch: Patch) -> None:
    def answer(backend: Backend, message: Message) -> bytes:
        return message.payload[:12] + b"\x55" * (len(message.payload) - 12)

    handles(patch, Request.GET_CONFIG, answer)
