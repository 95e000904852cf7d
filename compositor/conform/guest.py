"""A front end and the guest behind it: a connection, memory, both queues, and virtio-gpu's commands.

The driver accepts everything that the device offers, but event indices: without them a device must notify
of every used buffer, and the driver may notify as often as it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from compositor.conform.display import DisplayEnd
from compositor.conform.memory import PAGE, Memory, Piece
from compositor.conform.ring import Buffer, Ring, Used
from compositor.conform.verdict import Failed, require
from compositor.conform.waiting import Waiting
from compositor.conform.wire import Wire
from virtio.features import RingFeature
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    HEADER_SIZE,
    MAX_SCANOUTS,
    Command,
    Config,
    Feature,
    Flag,
    Header,
    Rect,
    ResourceAttachBacking,
    ResourceCreate2d,
    RespDisplayInfo,
    Response,
    SetScanout,
    pack,
    pack_entries,
    sizeof,
    unpack,
)
from virtio.vhost_user.messages import F_PROTOCOL_FEATURES, ProtocolFeature, Request
from virtio.vhost_user.payloads import (
    ConfigAccess,
    VringAddress,
    VringState,
    pack_memory_table,
    pack_u64,
)

DEVICE_FEATURES = sum(1 << feature for feature in Feature)
_A_WHILE = 0.05  # seconds
_ROOM = 1056  # the longest answer, an EDID's
_WANTED = (
    ProtocolFeature.MQ.mask
    | ProtocolFeature.REPLY_ACK.mask
    | ProtocolFeature.CONFIG.mask
    | ProtocolFeature.RESET_DEVICE.mask
    | ProtocolFeature.CONFIGURE_MEM_SLOTS.mask
    | ProtocolFeature.STATUS.mask
    | ProtocolFeature.BACKEND_REQ.mask
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        header: Its header.
        body: What follows.
        length: Bytes that the device says it wrote.
    """

    header: Header
    body: bytes
    length: int

    @property
    def type(self) -> int:
        """`Response`, or whatever else stands there."""
        return self.header.type

    @property
    def is_error(self) -> bool:
        """One of the six errors that there are."""
        return Response.ERR_UNSPEC <= self.type <= Response.ERR_INVALID_PARAMETER

    def __str__(self) -> str:
        return name_of(self.type)


def name_of(kind: int) -> str:
    """A response's name, or its number."""
    try:
        return Response(kind).name
    except ValueError:
        return f"{kind:#06x}"


class Guest:
    """A guest whose device is ready to work. Made by `Rig.guest`.

    Attributes:
        wire: The connection.
        memory: What the device sees.
        display: The far end of the display socket.
        offered: Features that the device offers; `features` those agreed on.
        protocol_offered: Likewise, of the protocol; `protocol` those agreed on.
        rings: The control queue and the cursor queue.
        backings: Guest memory of the resources that `make_image` made, by id.
    """

    def __init__(self, wire: Wire, waiting: Waiting, stack: ExitStack) -> None:
        self.wire = wire
        self.waiting = waiting
        self._stack = stack
        self.memory = Memory()
        stack.callback(self.memory.close)
        self.display = DisplayEnd(waiting)
        stack.callback(self.display.close)
        self.offered, self.protocol_offered = wire.hello()
        self.features = self.protocol = 0
        self.rings: list[Ring] = []
        self.backings: dict[int, Piece] = {}

    # Getting ready.

    def negotiate(self, features: int | None = None, protocol: int = _WANTED) -> None:
        """Agree on features and protocol features.

        Args:
            features: Of those offered; None: VERSION_1, indirect descriptors and all of the GPU's, but 3D.
            protocol: Of those offered.
        """
        self.protocol = self.protocol_offered & protocol
        self.wire.agree(self.protocol)
        self.wire.tell(Request.SET_OWNER)
        if features is None:
            own = DEVICE_FEATURES & ~(1 << Feature.VIRGL) & ~(1 << Feature.CONTEXT_INIT)
            features = own | RingFeature.VERSION_1 | RingFeature.INDIRECT_DESC
        self.set_features(features)

    def set_features(self, features: int) -> None:
        """Set other features than those agreed on before; of those offered."""
        self.features = self.offered & (features | F_PROTOCOL_FEATURES)
        self.wire.tell(Request.SET_FEATURES, pack_u64(self.features))

    def drop_protocol_features(self) -> None:
        """Set the same features again, without the bit that stands for protocol features."""
        self.features &= ~F_PROTOCOL_FEATURES
        self.wire.tell(Request.SET_FEATURES, pack_u64(self.features))

    def share_memory(self) -> None:
        """Share the memory, and QEMU's display."""
        table = pack_memory_table(self.memory.regions)
        self.wire.tell(Request.SET_MEM_TABLE, table, [self.memory.fd] * len(self.memory.regions))

    def share_display(self) -> None:
        """Offer a display. A device that has its own may refuse it."""
        fds = [self.display.theirs.fileno()]
        if self.wire.replies:
            self.wire.acknowledgement(Request.GPU_SET_SOCKET, fds=fds)
        else:
            self.wire.send(Request.GPU_SET_SOCKET, fds=fds)

    def make_ring(self, *, size: int = 64, base: int = 0) -> Ring:
        """A ring in the guest's memory, of which the device does not know yet."""
        ring = Ring(self.memory, self.waiting, size=size, base=base)
        self._stack.callback(ring.close)
        return ring

    def describe_ring(self, index: int, ring: Ring) -> None:
        """Tell the device all about a queue but the doorbell that starts it."""
        state = VringState(index, ring.size)
        places = (ring.table, ring.used, ring.available)
        table, used, available = map(self.memory.user_address, places)
        address = VringAddress(index, 0, table, used, available, 0)
        self.wire.tell(Request.SET_VRING_NUM, state.pack())
        self.wire.tell(Request.SET_VRING_BASE, VringState(index, ring.next_available).pack())
        self.wire.tell(Request.SET_VRING_ADDR, address.pack())
        self.wire.tell(Request.SET_VRING_CALL, pack_u64(index), [ring.call_fd])
        self.wire.tell(Request.SET_VRING_ERR, pack_u64(index), [ring.error_fd])

    def start_ring(self, index: int, ring: Ring, *, enabled: bool = True) -> None:
        """Describe a queue, and start it."""
        self.describe_ring(index, ring)
        self.wire.tell(Request.SET_VRING_KICK, pack_u64(index), [ring.kick_fd])
        if enabled:
            self.enable_ring(index, on=True)

    def enable_ring(self, index: int, *, on: bool) -> None:
        """SET_VRING_ENABLE, where there is such a thing."""
        if self.features & F_PROTOCOL_FEATURES:
            self.wire.tell(Request.SET_VRING_ENABLE, VringState(index, int(on)).pack())

    def stop_ring(self, index: int) -> int:
        """GET_VRING_BASE: stop a queue; the position that the device says it has reached."""
        reply = self.wire.query(Request.GET_VRING_BASE, VringState(index).pack())
        require(len(reply.payload) == 8, f"GET_VRING_BASE is answered with {len(reply.payload)} bytes, not 8")
        state = VringState.unpack(reply)
        require(state.queue == index, f"GET_VRING_BASE of queue {index} is answered for queue {state.queue}")
        return state.number

    def start(self, *, size: int = 64, base: int = 0) -> None:
        """Share memory and display, and start both queues."""
        self.share_memory()
        self.share_display()
        self.rings = [self.make_ring(size=size, base=base) for _ in (CONTROL_QUEUE, CURSOR_QUEUE)]
        for index, ring in enumerate(self.rings):
            self.start_ring(index, ring)

    def settle(self) -> None:
        """Give a wrong device its chance to do what it must not; a right one makes no use of it.

        It hears of everything before the first answer, and has had a turn more before the second, however
        slow the machine is. The time between is for devices that answer messages and queues by turns of
        their own.
        """
        self.wire.round_trip()
        self.waiting.for_a_while(_A_WHILE)
        self.wire.round_trip()

    def offers(self, feature: int) -> bool:
        """Whether both sides have a feature of the GPU's, by its bit number."""
        return bool(self.features >> feature & 1)

    def has(self, feature: ProtocolFeature) -> bool:
        """Whether both sides have a protocol feature."""
        return bool(self.protocol & feature.mask)

    @property
    def control(self) -> Ring:
        """The control queue."""
        return self.rings[CONTROL_QUEUE]

    @property
    def cursor(self) -> Ring:
        """The cursor queue."""
        return self.rings[CURSOR_QUEUE]

    # Config space.

    def read_config(self, offset: int = 0, length: int = sizeof(Config)) -> bytes:
        """Bytes of the config space.

        Raises:
            Failed: There came something else.
        """
        access = ConfigAccess(offset, length, 0, bytes(length))
        reply = self.wire.query(Request.GET_CONFIG, access.pack())
        size = len(access.pack())
        require(
            len(reply.payload) == size, f"GET_CONFIG of {size} bytes is answered with {len(reply.payload)}"
        )
        return ConfigAccess.unpack(reply).data

    def config(self) -> Config:
        """The config space."""
        return unpack(Config, self.read_config())

    # Commands.

    def request(
        self,
        command: int,
        body: Any = b"",
        *,
        fence: int | None = None,
        flags: int = 0,
        ctx: int = 0,
        ring_idx: int = 0,
        tail: bytes = b"",
    ) -> bytes:
        """A request's bytes.

        Args:
            command: Its type.
            body: Its structure, packed or not.
            fence: Fence it with this id.
            flags: Further flags.
            ctx: Its context.
            ring_idx: Its ring.
            tail: What follows the structure.
        """
        flags |= 0 if fence is None else Flag.FENCE
        header = Header(command, flags, fence or 0, ctx, ring_idx)
        return pack(header) + (body if isinstance(body, bytes) else pack(body)) + tail

    def post(self, data: bytes, *, queue: int = CONTROL_QUEUE, room: int = _ROOM) -> tuple[int, Piece]:
        """Make a request available; its head, and where its answer will be."""
        ring = self.rings[queue]
        answer = self.memory.take(max(room, 1))
        buffers = [Buffer(self.memory.put(data))] if data else []
        if room:
            buffers.append(Buffer(answer, writable=True))
        return ring.submit(buffers), answer

    def ask(self, command: int, body: Any = b"", *, queue: int = CONTROL_QUEUE, **header: Any) -> Answer:
        """Send a command, and wait for its answer; `header` as in `request`."""
        return self.ask_bytes(self.request(command, body, **header), queue=queue, what=command)

    def ask_bytes(self, data: bytes, *, queue: int = CONTROL_QUEUE, what: int | None = None) -> Answer:
        """Send a request as it is, and wait for its answer."""
        name = "a request" if what is None else command_name(what)
        _, answer = self.post(data, queue=queue)
        (used,) = self.rings[queue].finish(1, f"the response to {name}")
        return self.parse(used, answer, name)

    def parse(self, used: Used, place: Piece, name: str) -> Answer:
        """Read an answer.

        Raises:
            Failed: It is too short to be one.
        """
        if used.length < HEADER_SIZE:
            raise Failed(
                f"{name} is answered with {used.length} bytes, a response has at least {HEADER_SIZE}"
            )
        data = self.memory.read(place.address, used.length)
        return Answer(unpack(Header, data), data[HEADER_SIZE:], used.length)

    def do(self, command: int, body: Any = b"", **header: Any) -> Answer:
        """A command that has to succeed without a payload.

        Raises:
            Failed: It does not.
        """
        answer = self.ask(command, body, **header)
        require(
            answer.type == Response.OK_NODATA, f"{command_name(command)} is answered {answer}, not OK_NODATA"
        )
        return answer

    def fail(self, command: int, body: Any, codes: Sequence[int], **header: Any) -> Answer:
        """A command that has to be refused, with one of `codes`."""
        answer = self.ask(command, body, **header)
        wanted = " or ".join(name_of(code) for code in codes)
        require(answer.type in codes, f"{command_name(command)} is answered {answer}, not {wanted}")
        return answer

    def make_image(self, number: int, width: int, height: int, pixels: bytes | None = None) -> None:
        """A 2D resource with a backing.

        Args:
            number: Its id.
            width: Pixels.
            height: Likewise.
            pixels: What the backing holds; None: zeros.
        """
        self.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(number, Format.B8G8R8X8, width, height))
        backing = self.memory.take(width * height * 4, align=PAGE)
        if pixels is not None:
            self.memory.write(backing.address, pixels)
        self.attach(number, [backing])
        self.backings[number] = backing

    def attach(self, number: int, pieces: Sequence[Piece]) -> None:
        """RESOURCE_ATTACH_BACKING."""
        body = ResourceAttachBacking(number, len(pieces))
        self.do(Command.RESOURCE_ATTACH_BACKING, body, tail=pack_entries(pieces))

    def ask_in_two(self, number: int, pieces: Sequence[Piece]) -> Answer:
        """RESOURCE_ATTACH_BACKING with its entries in a buffer of their own."""
        body = ResourceAttachBacking(number, len(pieces))
        request = self.memory.put(self.request(Command.RESOURCE_ATTACH_BACKING, body))
        entries = self.memory.put(pack_entries(pieces))
        answer = self.memory.take(HEADER_SIZE)
        self.control.submit([Buffer(request), Buffer(entries), Buffer(answer, writable=True)])
        (used,) = self.control.finish()
        return self.parse(used, answer, "RESOURCE_ATTACH_BACKING")

    def show(self, number: int, rect: Rect, scanout: int = 0) -> None:
        """SET_SCANOUT."""
        self.do(Command.SET_SCANOUT, SetScanout(rect, scanout, number))

    def do_display_info(self) -> RespDisplayInfo:
        """GET_DISPLAY_INFO, which every working device answers."""
        answer = self.ask(Command.GET_DISPLAY_INFO)
        require(answer.type == Response.OK_DISPLAY_INFO, f"GET_DISPLAY_INFO is answered {answer}")
        size = sizeof(RespDisplayInfo)
        require(
            len(answer.body) == size, f"GET_DISPLAY_INFO's answer has {len(answer.body)} bytes, not {size}"
        )
        return unpack(RespDisplayInfo, answer.body)

    @property
    def scanouts(self) -> int:
        """How many scanouts the device says that it has; 1 where it has no config space."""
        if not self.has(ProtocolFeature.CONFIG):
            return 1
        return min(max(self.config().num_scanouts, 1), MAX_SCANOUTS)


def command_name(command: int) -> str:
    """A command's name, or its number."""
    try:
        return Command(command).name
    except ValueError:
        return f"command {command:#06x}"
