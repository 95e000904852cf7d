"""The back end's side of one connection: messages in, replies and effects out through a `Host`, sans-IO.

Here messages become calls; what they do to the device, its memory and its queues is in `rings`. And here
blame is decided once: a handler raises, and `Backend.handle` turns the fault into whatever the front end
can understand. A request that asked for an acknowledgement gets a non-zero one. Without that, a queue's
fault goes to the queue's error descriptor, most others are only reported, and the connection lives: it
ends only where the front end would go on from a wrong belief (memory, features), or would wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable

from virtio.device import Device
from virtio.errors import DriverFault, ProtocolFault
from virtio.features import SPLIT_RING
from virtio.memory import MAX_REGIONS
from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.host import Host
from virtio.vhost_user.inband import InbandNotifications
from virtio.vhost_user.memory_table import Terms, add_region, map_table, remove_region
from virtio.vhost_user.messages import (
    F_PROTOCOL_FEATURES,
    FLAG_REPLY,
    UNANSWERABLE,
    BackendRequest,
    Message,
    ProtocolFeature,
    Request,
    request_name,
)
from virtio.vhost_user.negotiation import check_features, check_protocol, offered_protocol
from virtio.vhost_user.payloads import (
    ConfigAccess,
    VringAddress,
    VringState,
    check_fds,
    pack_u64,
    unpack_memory_table,
    unpack_region,
    unpack_u64,
    unpack_vring_fd,
)
from virtio.vhost_user.rings import Rings

# Their sender waits for an answer of its own kind, so that a fault has no words.
_QUERIES = frozenset(
    {
        Request.GET_FEATURES,
        Request.GET_VRING_BASE,
        Request.GET_PROTOCOL_FEATURES,
        Request.GET_QUEUE_NUM,
        Request.GET_MAX_MEM_SLOTS,
        Request.GET_STATUS,
    }
)
# After these, unless told, a front end would go on from a wrong belief, or wait for ever.
_CRITICAL = UNANSWERABLE | {
    Request.SET_FEATURES,
    Request.SET_PROTOCOL_FEATURES,
    Request.SET_MEM_TABLE,
    Request.ADD_MEM_REG,
    Request.REM_MEM_REG,
}


class Backend:
    """One connection, from its first message to its end.

    Attributes:
        channel: For requests of the back end itself; the host connects it to its socket.
        inband: Calls as messages.
        protocol_features: Negotiated; 0 until then.
        rings: The device, its memory and its queues.
    """

    def __init__(self, device: Device, host: Host, *, inband: bool = False, any_file: bool = False) -> None:
        """Serve `device`.

        Args:
            device: Belongs to the connection, and is reset at its end.
            host: Where effects go.
            inband: Offer in-band notifications.
            any_file: Take plain files as guest memory, too (see `memory_table.Terms`).
        """
        self.channel = BackendChannel()
        self.inband = InbandNotifications(self.channel)
        self.rings = Rings(device, host)
        self.protocol_features = 0
        self._terms = Terms(device.account.address_space, any_file=any_file)
        self._descriptors = device.account.descriptors
        self._device = device
        self._host = host
        self._offered = offered_protocol(inband=inband)
        self._status = 0
        self._config_changed = False
        device.config_changed = self.config_changed

    def handle(self, message: Message) -> None:
        """Do what a message says, and answer it. Descriptors that it carried are taken or closed.

        Raises:
            DriverFault: The connection is of no further use; close it.
        """
        try:
            self._dispatch(message)
        except DriverFault as fault:
            self._refuse(message, fault)
        finally:
            message.close()
            self._descriptors.hold(self.rings.descriptors)
        self._announce_config()

    def _dispatch(self, message: Message) -> None:
        name = request_name(message.request)
        if message.flags & FLAG_REPLY:
            raise ProtocolFault(f"{name}: a reply, but nothing was asked")
        handler = _HANDLERS.get(message.request)
        if handler is None:
            raise ProtocolFault(f"{name} is not supported")
        check_fds(message)
        self._check_descriptors(name, message)
        try:
            payload = handler(self, message)
        except OSError as error:  # a descriptor of the wrong kind, or too many of them
            raise ProtocolFault(f"{name}: {error.strerror}") from error
        if payload is not None:
            self._host.send(message.reply(payload))
        elif message.needs_reply:
            self._host.send(message.reply(pack_u64(0)))

    def _check_descriptors(self, name: str, message: Message) -> None:
        if message.fds and not self._descriptors.has(len(message.fds)):
            what = f"{name}: {len(message.fds)} file descriptors more are too many"
            raise ProtocolFault(self._device.account.reached("descriptors", what, self._descriptors))

    def _refuse(self, message: Message, fault: DriverFault) -> None:
        if message.request == Request.GET_CONFIG:
            self._host.send(message.reply(b""))  # "zero length of payload to indicate an error"
        elif message.request in _QUERIES:
            raise fault
        elif message.needs_reply:
            self._host.send(message.reply(pack_u64(1)))
        elif message.request in _CRITICAL:
            raise fault
        self._host.report(str(fault))

    def config_changed(self) -> None:
        """The device's config space changed: tell the driver, or a suspended device's driver later."""
        self._config_changed = True
        self._announce_config()

    def _announce_config(self) -> None:
        if self._config_changed and not self.rings.suspended:
            self._config_changed = False
            if self.protocol_features & ProtocolFeature.CONFIG.mask:
                self.channel.request(BackendRequest.CONFIG_CHANGE)

    def close(self) -> None:
        """The connection is over: the device is reset and everything given back."""
        self._device.config_changed = _unheard
        self.channel.close()
        self.rings.close()
        self._descriptors.hold(0)

    # Negotiation.

    def _get_features(self, _message: Message) -> bytes:
        if self.rings.suspended:
            self.rings.reset_device()
        return pack_u64(self._device.features | SPLIT_RING | F_PROTOCOL_FEATURES)

    def _set_features(self, message: Message) -> None:
        features = unpack_u64(message)
        check_features(features)
        self.rings.features = features & (self._device.features | SPLIT_RING)
        if not features & F_PROTOCOL_FEATURES:
            self.rings.enable_all(True)

    def _get_protocol_features(self, _message: Message) -> bytes:
        return pack_u64(self._offered)

    def _set_protocol_features(self, message: Message) -> None:
        features = unpack_u64(message)
        check_protocol(features, self._offered)
        self.protocol_features = features
        self.channel.replies = bool(features & ProtocolFeature.REPLY_ACK.mask)
        inband = features & ProtocolFeature.INBAND_NOTIFICATIONS.mask
        self.rings.inband = self.inband if inband else None

    def _get_queue_num(self, _message: Message) -> bytes:
        return pack_u64(self._device.queue_count)

    def _set_owner(self, _message: Message) -> None:
        """Begins a session; the connection has done that."""

    def _reset_owner(self, _message: Message) -> None:
        # Deprecated; "ignore this message, or use it to disable all rings".
        self.rings.enable_all(False)

    def _reset_device(self, _message: Message) -> None:
        self.rings.reset_device()
        self.rings.enable_all(False)

    def _set_status(self, message: Message) -> None:
        self._status = unpack_u64(message) & 0xFF
        if self._status == 0:
            self.rings.stop_all()

    def _get_status(self, _message: Message) -> bytes:
        return pack_u64(self._status)

    # Memory.

    def _set_mem_table(self, message: Message) -> None:
        memory = map_table(unpack_memory_table(message), message.take_fds(), self._terms)
        self.rings.set_memory(memory, whole=True)

    def _add_mem_reg(self, message: Message) -> None:
        memory = add_region(self.rings.memory, unpack_region(message), message.take_fd(), self._terms)
        self.rings.set_memory(memory, whole=False)

    def _rem_mem_reg(self, message: Message) -> None:
        memory = remove_region(self.rings.memory, unpack_region(message), self._terms)
        self.rings.set_memory(memory, whole=False)

    def _get_max_mem_slots(self, _message: Message) -> bytes:
        return pack_u64(MAX_REGIONS)

    # Queues.

    def _set_vring_num(self, message: Message) -> None:
        self.rings.set_size(*VringState.unpack(message))

    def _set_vring_addr(self, message: Message) -> None:
        self.rings.set_address(VringAddress.unpack(message))

    def _set_vring_base(self, message: Message) -> None:
        self.rings.set_base(*VringState.unpack(message))

    def _get_vring_base(self, message: Message) -> bytes:
        index = VringState.unpack(message).queue
        return VringState(index, self.rings.stop(index)).pack()

    def _set_vring_enable(self, message: Message) -> None:
        index, on = VringState.unpack(message)
        self.rings.enable(index, bool(on))

    def _set_vring_kick(self, message: Message) -> None:
        index, has_fd = unpack_vring_fd(message)
        self.rings.vring(index)
        self.rings.set_kick(index, message.take_fd() if has_fd else None)

    def _set_vring_call(self, message: Message) -> None:
        index, has_fd = unpack_vring_fd(message)
        self.rings.vring(index)
        self.rings.set_call(index, message.take_fd() if has_fd else None)

    def _set_vring_err(self, message: Message) -> None:
        index, has_fd = unpack_vring_fd(message)
        vring = self.rings.vring(index)
        vring.set_fd(Request.SET_VRING_ERR, message.take_fd() if has_fd else None)

    def _vring_kick(self, message: Message) -> None:
        if self.rings.inband is None:
            raise ProtocolFault("VRING_KICK: in-band notifications were not negotiated")
        index = VringState.unpack(message).queue
        self.rings.kicked(index)
        # Before the guest, which waits for the answer, goes on, there has to be a time for this.
        self._host.schedule(index)

    # Config space and sockets.

    def _get_config(self, message: Message) -> bytes:
        access = ConfigAccess.unpack(message)
        return access._replace(data=self._device.read_config(access.offset, access.size)).pack()

    def _set_config(self, message: Message) -> None:
        access = ConfigAccess.unpack(message)
        self._device.write_config(access.offset, access.data)

    def _set_backend_req_fd(self, message: Message) -> None:
        self._host.open_channel(message.take_fd(), self.channel)

    def _gpu_set_socket(self, message: Message) -> None:
        self._host.open_gpu_socket(message.take_fd())


def _unheard() -> None:
    """The config space may change after the driver has gone."""


_HANDLERS: dict[int, Callable[[Backend, Message], bytes | None]] = {
    Request.GET_FEATURES: Backend._get_features,
    Request.SET_FEATURES: Backend._set_features,
    Request.SET_OWNER: Backend._set_owner,
    Request.RESET_OWNER: Backend._reset_owner,
    Request.SET_MEM_TABLE: Backend._set_mem_table,
    Request.SET_VRING_NUM: Backend._set_vring_num,
    Request.SET_VRING_ADDR: Backend._set_vring_addr,
    Request.SET_VRING_BASE: Backend._set_vring_base,
    Request.GET_VRING_BASE: Backend._get_vring_base,
    Request.SET_VRING_KICK: Backend._set_vring_kick,
    Request.SET_VRING_CALL: Backend._set_vring_call,
    Request.SET_VRING_ERR: Backend._set_vring_err,
    Request.GET_PROTOCOL_FEATURES: Backend._get_protocol_features,
    Request.SET_PROTOCOL_FEATURES: Backend._set_protocol_features,
    Request.GET_QUEUE_NUM: Backend._get_queue_num,
    Request.SET_VRING_ENABLE: Backend._set_vring_enable,
    Request.SET_BACKEND_REQ_FD: Backend._set_backend_req_fd,
    Request.GET_CONFIG: Backend._get_config,
    Request.SET_CONFIG: Backend._set_config,
    Request.GPU_SET_SOCKET: Backend._gpu_set_socket,
    Request.RESET_DEVICE: Backend._reset_device,
    Request.VRING_KICK: Backend._vring_kick,
    Request.GET_MAX_MEM_SLOTS: Backend._get_max_mem_slots,
    Request.ADD_MEM_REG: Backend._add_mem_reg,
    Request.REM_MEM_REG: Backend._rem_mem_reg,
    Request.SET_STATUS: Backend._set_status,
    Request.GET_STATUS: Backend._get_status,
}
