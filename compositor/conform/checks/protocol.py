"""vhost-user: messages, their frames, and the beginning of a session."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.wire import CONTROL_QUEUE, Command
from virtio.vhost_user.messages import (
    FLAG_NEED_REPLY,
    FLAG_REPLY,
    VERSION,
    Message,
    ProtocolFeature,
    Request,
)
from virtio.vhost_user.payloads import ConfigAccess

_GROUP = Group("protocol", "vhost-user")
check = _GROUP.check

_SESSION = (Request.GET_FEATURES, Request.GET_PROTOCOL_FEATURES)


@check("Communication")
def features_are_answered(rig: Rig) -> None:
    """The device answers GET_FEATURES with one number of 64 bits."""
    rig.wire().query_u64(Request.GET_FEATURES)


@check("GET_PROTOCOL_FEATURES")
def protocol_features_are_answered_at_once(rig: Rig) -> None:
    """A device that has protocol features says which before the front end has set any features."""
    rig.stranger()


@check("Header")
def answers_have_the_frame_of_their_request(rig: Rig) -> None:
    """An answer repeats its request's number, has version 1 and the reply flag, and asks for no reply."""
    wire = rig.wire()
    for request in _SESSION:
        reply = wire.query(request)
        require(not reply.flags & FLAG_NEED_REPLY, f"the answer to {request.name} asks for a reply")
        require(
            reply.flags == VERSION | FLAG_REPLY, f"the answer to {request.name} has flags {reply.flags:#x}"
        )


@check("Message Specification", "should")
def messages_may_arrive_in_pieces(rig: Rig) -> None:
    """A message that comes byte by byte is the same message: the socket is a stream."""
    wire = rig.wire()
    for byte in Message(Request.GET_FEATURES).encode():
        wire.send_bytes(bytes([byte]))
        rig.waiting.for_a_while(0.002)
    reply = wire.receive("the answer to GET_FEATURES, sent byte by byte")
    require(reply.request == Request.GET_FEATURES, f"request {reply.request} is answered")


@check("Message Specification")
def messages_may_arrive_together(rig: Rig) -> None:
    """Messages that come in one piece are answered one after the other, in their order."""
    wire = rig.wire()
    wire.send_bytes(b"".join(Message(request).encode() for request in _SESSION * 2))
    for request in _SESSION * 2:
        reply = wire.receive(f"the answer to {request.name}, sent among others")
        require(reply.request == request, f"{request.name} was next, and request {reply.request} is answered")


@check("Communication")
def requests_without_answer_get_none(rig: Rig) -> None:
    """A request that has no answer of its own, and asks for no acknowledgement, is not answered."""
    guest = rig.stranger()
    guest.wire.agree(guest.protocol_offered & ProtocolFeature.REPLY_ACK.mask)
    guest.wire.send(Request.SET_OWNER)
    guest.wire.round_trip()  # fails when another answer comes before its own


@check("Multiple queue support")
def queue_number_covers_both_queues(rig: Rig) -> None:
    """A device with MQ says that it has the two queues of a GPU, at least."""
    guest = rig.stranger()
    need(bool(guest.protocol_offered & ProtocolFeature.MQ.mask), "MQ is not offered")
    guest.negotiate()
    count = guest.wire.query_u64(Request.GET_QUEUE_NUM)
    require(count >= 2, f"GET_QUEUE_NUM says {count}")


@check("Multiple queue support", "should")
def queue_number_is_offered(rig: Rig) -> None:
    """A device offers MQ, also when the number of its queues is fixed."""
    guest = rig.stranger()
    require(bool(guest.protocol_offered & ProtocolFeature.MQ.mask), "MQ is not offered")


@check("SET_FEATURES")
def a_session_can_be_set_up(rig: Rig) -> None:
    """With features, memory and queues set as a VMM does it, the device carries out commands."""
    guest = rig.guest()
    guest.ask(Command.GET_DISPLAY_INFO)


@check("Communication")
def acknowledged_features_are_those_asked_for(rig: Rig) -> None:
    """A device accepts protocol features one at a time, each of those that it offers."""
    guest = rig.stranger()
    for feature in ProtocolFeature:
        inband = feature is ProtocolFeature.INBAND_NOTIFICATIONS  # goes together with others
        if guest.protocol_offered & feature.mask and not inband:
            guest.wire.agree(feature.mask)
            guest.wire.replies = False
            guest.wire.round_trip()


@check("SET_BACKEND_REQ_FD")
def the_channel_of_the_device_is_taken(rig: Rig) -> None:
    """A device that offers BACKEND_REQ takes a socket for its own requests, and goes on working."""
    guest = rig.stranger()
    need(bool(guest.protocol_offered & ProtocolFeature.BACKEND_REQ.mask), "BACKEND_REQ is not offered")
    guest.negotiate()
    need(guest.has(ProtocolFeature.BACKEND_REQ), "BACKEND_REQ is not offered")
    guest.wire.tell(Request.SET_BACKEND_REQ_FD, fds=[guest.display.theirs.fileno()])
    guest.wire.round_trip()


@check("GET_FEATURES", "should")
def features_stay_the_same(rig: Rig) -> None:
    """A device offers the same features whenever it is asked."""
    wire = rig.wire()
    first, second = wire.hello(), wire.hello()
    require(first == second, f"features and protocol features were {first}, then {second}")


@check("SET_OWNER", "should")
def a_session_begins_on_every_connection(rig: Rig) -> None:
    """When a front end has gone, the next one is served."""
    guest = rig.guest()
    guest.do_display_info()
    guest.wire.close()
    rig.reconnect().do_display_info()


@check("Ring states")
def protocol_features_bit_is_no_virtio_feature(rig: Rig) -> None:
    """Without the bit of protocol features among the features that are set, queues start enabled."""
    guest = rig.stranger()
    guest.negotiate()
    guest.drop_protocol_features()
    guest.share_memory()
    guest.share_display()
    ring = guest.make_ring()
    guest.rings = [ring]
    guest.start_ring(CONTROL_QUEUE, ring)
    guest.do_display_info()


@check("GET_CONFIG")
def config_is_read_in_full(rig: Rig) -> None:
    """The answer to GET_CONFIG is as long as the request."""
    guest = rig.stranger()
    guest.negotiate()
    need(guest.has(ProtocolFeature.CONFIG), "CONFIG is not offered")
    for length in (16, 8, 4):
        reply = guest.wire.query(Request.GET_CONFIG, ConfigAccess(0, length, 0, bytes(length)).pack())
        require(
            len(reply.payload) == 12 + length,
            f"a payload of {12 + length} bytes is answered with {len(reply.payload)}",
        )
