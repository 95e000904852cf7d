"""The front end's side: what a VMM does, for guests that run in Python and for tests.

Requests wait for the back end's answer, so they are coroutines; kicks and calls are not. Descriptors and
memory stay the caller's: they are shared with the back end, never given away.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from virtio.aio import Doorbell, Stream
from virtio.descriptors import close_fds, ring
from virtio.errors import Misuse
from virtio.features import SPLIT_RING
from virtio.memory import GuestMemory
from virtio.ring.layout import QueueConfig
from virtio.vhost_user.dialogue import Dialogue
from virtio.vhost_user.messages import (
    F_PROTOCOL_FEATURES,
    PAYLOAD_LIMIT,
    BackendRequest,
    Decoder,
    ProtocolFeature,
    Request,
)
from virtio.vhost_user.payloads import (
    ConfigAccess,
    RegionDescription,
    VringAddress,
    VringState,
    pack_memory_table,
    pack_u64,
    unpack_u64,
)

_WANTED = sum(
    feature.mask
    for feature in (
        ProtocolFeature.MQ,
        ProtocolFeature.REPLY_ACK,
        ProtocolFeature.BACKEND_REQ,
        ProtocolFeature.CONFIG,
        ProtocolFeature.RESET_DEVICE,
    )
)


class VhostUserFrontend:
    """A connection to a back end.

        async with await VhostUserFrontend.connect(path) as frontend:
            await frontend.negotiate()
            await frontend.set_memory(memory)
            await frontend.start_queue(0, config, on_call)

    Attributes:
        dialogue: Requests and their answers, one by one.
        offered: Virtio feature bits of the back end, after `negotiate`.
        features: Those that both sides have.
        protocol_features: Likewise, of the protocol.
        on_config_change: Called when the device's config space has changed.
        on_queue_error: Called with a queue's index when the device found it broken.
        on_notice: Called before a notification of the back end is acknowledged. A guest on virtual time
            asks for its turn here: as soon as it is acknowledged, time may go on.
        on_close: Called when the back end has gone.
    """

    def __init__(self, sock: socket.socket, *, inband: bool = False) -> None:
        """Take ownership of a connected socket.

        Args:
            sock: Connected.
            inband: Ask for in-band notifications.
        """
        self.offered = 0
        self.features = 0
        self.protocol_features = 0
        self.on_config_change: Callable[[], None] = lambda: None
        self.on_queue_error: Callable[[int], None] = lambda _index: None
        self.on_notice: Callable[[], None] = lambda: None
        self.on_close: Callable[[], None] = lambda: None
        self._wanted = _WANTED | (ProtocolFeature.INBAND_NOTIFICATIONS.mask if inband else 0)
        self._loop = asyncio.get_running_loop()
        self.dialogue = Dialogue(self._loop, sock, self._end)
        self._channel_decoder = Decoder(names=BackendRequest)
        self._calls: dict[int, Callable[[], None]] = {}
        self._bells: list[Doorbell] = []
        self._kicks: dict[int, int] = {}
        self._fds: list[int] = []
        self._channel: Stream | None = None

    @classmethod
    async def connect(cls, path: Path, *, inband: bool = False) -> Self:
        """Connect to the back end that listens on `path`.

        Raises:
            Misuse: Nothing listens there.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, str(path))
        except OSError as error:
            sock.close()
            raise Misuse(f"cannot connect to {path}: {error.strerror}; start the back end first") from None
        return cls(sock, inband=inband)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The usual sequence.

    async def negotiate(self, features: int = ~0) -> int:
        """Agree on features, and open the back end's own channel.

        Args:
            features: Virtio features that the driver knows, beside those of the rings.

        Returns:
            The features agreed on.
        """
        await self.dialogue.request(Request.SET_OWNER)
        self.offered = unpack_u64(await self.dialogue.query(Request.GET_FEATURES))
        offered = unpack_u64(await self.dialogue.query(Request.GET_PROTOCOL_FEATURES))
        agreed = offered & self._wanted
        await self.dialogue.request(Request.SET_PROTOCOL_FEATURES, pack_u64(agreed))
        self.protocol_features = agreed
        self.dialogue.replies = bool(agreed & ProtocolFeature.REPLY_ACK.mask)
        await self._open_channel()
        await self.set_features(features | SPLIT_RING)
        return self.features

    async def set_features(self, features: int) -> None:
        """Have the device work with those of `features` that it offers, from when its queues start."""
        self.features = self.offered & (features | F_PROTOCOL_FEATURES)
        await self.dialogue.request(Request.SET_FEATURES, pack_u64(self.features))

    async def queue_count(self) -> int:
        """How many queues the device has."""
        return unpack_u64(await self.dialogue.query(Request.GET_QUEUE_NUM))

    async def set_memory(self, memory: GuestMemory) -> None:
        """Share the guest's memory, in place of what was shared before."""
        regions = [
            RegionDescription(r.guest_address, r.size, _user_address(r.guest_address), r.offset)
            for r in memory.regions
        ]
        fds = [region.handle.fd for region in memory.regions]
        await self.dialogue.request(Request.SET_MEM_TABLE, pack_memory_table(regions), fds)

    async def start_queue(
        self, index: int, config: QueueConfig, on_call: Callable[[], None], *, base: int = 0
    ) -> None:
        """Set up a queue and let it run.

        Args:
            index: Which.
            config: Where the driver put it, in guest addresses.
            on_call: Called when the device used buffers.
            base: Position to begin at.
        """
        self._calls[index] = on_call
        if not self._inband:
            await self._share_call(index)
        places = (config.descriptor_table, config.used_ring, config.available_ring)
        table, used, available = map(_user_address, places)
        address = VringAddress(index, 0, table, used, available, log=0)
        await self.dialogue.request(Request.SET_VRING_NUM, VringState(index, config.size).pack())
        await self.dialogue.request(Request.SET_VRING_BASE, VringState(index, base).pack())
        await self.dialogue.request(Request.SET_VRING_ADDR, address.pack())
        if not self._inband:
            self._kicks[index] = kick = self._eventfd()
            await self.dialogue.request(Request.SET_VRING_KICK, pack_u64(index), [kick])
        await self.enable_queue(index, on=True)

    async def enable_queue(self, index: int, *, on: bool) -> None:
        """Pause a queue, or let it go on."""
        await self.dialogue.request(Request.SET_VRING_ENABLE, VringState(index, int(on)).pack())

    async def stop_queue(self, index: int) -> int:
        """Stop a queue; returns the position at which to start it again."""
        await self.enable_queue(index, on=False)
        return VringState.unpack(
            await self.dialogue.query(Request.GET_VRING_BASE, VringState(index).pack())
        ).number

    async def read_config(self, offset: int, length: int) -> bytes:
        """Bytes of the device's config space."""
        access = ConfigAccess(offset, length, 0, bytes(length))
        return ConfigAccess.unpack(await self.dialogue.query(Request.GET_CONFIG, access.pack())).data

    async def write_config(self, offset: int, data: bytes) -> None:
        """Write to the device's config space."""
        await self.dialogue.request(Request.SET_CONFIG, ConfigAccess(offset, len(data), 0, data).pack())

    def kick(self, index: int) -> None:
        """Tell the device that buffers are available."""
        if index in self._kicks:
            ring(self._kicks[index])
        else:
            self.dialogue.notify(Request.VRING_KICK, VringState(index).pack())

    async def kicked(self) -> None:
        """Wait until every in-band kick has been answered: until the device has a time for its work.

        Raises:
            ProtocolFault: The back end has gone.
        """
        await self.dialogue.settled()

    # Notifications.

    @property
    def _inband(self) -> bool:
        return bool(self.protocol_features & ProtocolFeature.INBAND_NOTIFICATIONS.mask)

    def _eventfd(self) -> int:
        fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fds.append(fd)
        return fd

    async def _share_call(self, index: int) -> None:
        call, error = self._eventfd(), self._eventfd()
        self._bells.append(Doorbell(self._loop, call, self._calls[index]))
        self._bells.append(Doorbell(self._loop, error, lambda: self.on_queue_error(index)))
        await self.dialogue.request(Request.SET_VRING_CALL, pack_u64(index), [call])
        await self.dialogue.request(Request.SET_VRING_ERR, pack_u64(index), [error])

    async def _open_channel(self) -> None:
        if not self.protocol_features & ProtocolFeature.BACKEND_REQ.mask:
            return
        ours, theirs = socket.socketpair()
        self._channel = Stream(
            self._loop,
            ours,
            received=self._serve,
            ended=lambda _error: None,
            wanted=lambda: PAYLOAD_LIMIT,
        )
        with theirs:
            await self.dialogue.request(Request.SET_BACKEND_REQ_FD, fds=[theirs.fileno()])

    def _serve(self, data: bytes, fds: list[int]) -> None:
        """Requests of the back end's; acknowledged first, as UML does."""
        close_fds(fds)
        for message in self._channel_decoder.feed(data):
            self.on_notice()
            if message.needs_reply and self._channel is not None:
                self._channel.send(message.reply(pack_u64(0)).encode())
            if message.request == BackendRequest.CONFIG_CHANGE:
                self.on_config_change()
            elif message.request == BackendRequest.VRING_CALL:
                self._calls[VringState.unpack(message).queue]()
            elif message.request == BackendRequest.VRING_ERR:
                self.on_queue_error(VringState.unpack(message).queue)

    # The end.

    def _end(self) -> None:
        self.close()
        self.on_close()

    def close(self) -> None:
        """Disconnect; once more does nothing. Requests that still wait fail."""
        if self._channel is not None:
            self._channel.close()
        for bell in self._bells:
            bell.close()
        fds, self._fds = self._fds, []
        close_fds(fds)
        self._kicks.clear()
        self.dialogue.close()


def _user_address(guest_address: int) -> int:
    """Where this process claims to have the guest's memory: never 0, and never the guest address."""
    return guest_address + (1 << 32)
