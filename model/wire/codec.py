"""The codec: bodies of frames in Protobuf (``im.proto``), to and from the values of ``model.core.frames``.

Rules of the file: one pair of functions a frame, in two tables, the encoders by type and the decoders by kind. The header's
conversation is not repeated in the body. ``im_pb2.py`` is generated, and in step with
``im.proto`` by a test: ``python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. im.proto`` in this folder, with grpcio-tools 1.73.1,
whose code runs with the oldest Protobuf that the project allows. A body
that is not Protobuf, or has an id out of range, is :class:`WireError` with ``MALFORMED_FRAME``.

What it does not do: judge sizes of payloads (business answers those) or anything else that is a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import DecodeError

from model.core import frames as f
from model.core.codes import Code
from model.wire import im_pb2 as pb
from model.wire.framing import HEADER, ID_MAX, LENGTH_MIN, VERSION, WireError

_pack_header = HEADER.pack


def encode(frame: f.Routable) -> bytes:
    """A frame as it stands on the wire; an ``Opaque`` is that already."""
    if type(frame) is f.Opaque:
        return frame.data
    body: bytes = _ENCODERS[type(frame)](frame)
    return _pack_header(LENGTH_MIN + len(body), VERSION, frame.kind, 0, frame.conversation) + body


def decode(opaque: f.Opaque) -> f.Frame:
    """The frame in its bytes. Raises :class:`WireError` for a body that cannot be one of its kind."""
    try:
        frame = _DECODERS[opaque.kind](opaque.conversation, opaque.data[HEADER.size :])
    except (DecodeError, OverflowError, UnicodeDecodeError) as error:
        raise WireError(Code.MALFORMED_FRAME, str(error)) from None
    return frame


def _checked(*ids: int) -> None:
    for value in ids:
        if not 0 < value <= ID_MAX:
            raise WireError(Code.MALFORMED_FRAME, f"the id {value} is out of range")


# encoders ------------------------------------------------------------------------------------------------------------------------


def _heads_to(heads: Iterable[f.Head]) -> list[pb.Head]:
    return [pb.Head(conversation=c, conversation_seq=s) for c, s in heads]


def _connect_to(x: f.Connect) -> bytes:
    return pb.Connect(user=x.user, device=x.device, connect_counter=x.connect_counter, token=x.token).SerializeToString()


def _send_to(x: f.Send) -> bytes:
    return pb.Send(send_counter=x.send_counter, payload=x.payload, skipped=x.skipped).SerializeToString()


def _receive_ack_to(x: f.ReceiveAck) -> bytes:
    ack = pb.ReceiveAck(ack_counter=x.ack_counter, received_upto=_heads_to(x.received_upto), received=_heads_to(x.received))
    return ack.SerializeToString()


def _sync_request_to(x: f.SyncRequest) -> bytes:
    return pb.SyncRequest(request=x.request, after_seq=x.after_seq, limit=x.limit).SerializeToString()


def _ping_to(x: f.Ping) -> bytes:
    return pb.Ping(counter=x.counter).SerializeToString()


def _goodbye_to(x: f.Goodbye) -> bytes:
    return b""


def _welcome_to(x: f.Welcome) -> bytes:
    return pb.Welcome(generation=x.generation, heads=_heads_to(x.heads)).SerializeToString()


def _send_ack_to(x: f.SendAck) -> bytes:
    return pb.SendAck(
        send_counter=x.send_counter,
        code=x.code,
        committed=x.committed,
        epoch=x.epoch,
        conversation_seq=x.conversation_seq,
        message_id=x.message_id,
    ).SerializeToString()


def _deliver_body(x: f.Deliver) -> pb.Deliver:
    return pb.Deliver(
        epoch=x.epoch,
        conversation_seq=x.conversation_seq,
        message_id=x.message_id,
        sender_user=x.sender_user,
        sender_device=x.sender_device,
        send_counter=x.send_counter,
        payload=x.payload,
    )


def _deliver_to(x: f.Deliver) -> bytes:
    return _deliver_body(x).SerializeToString()


def _receive_confirmed_to(x: f.ReceiveConfirmed) -> bytes:
    return pb.ReceiveConfirmed(ack_counter=x.ack_counter).SerializeToString()


def _sync_reply_to(x: f.SyncReply) -> bytes:
    messages = [_deliver_body(m) for m in x.messages]
    return pb.SyncReply(request=x.request, head_seq=x.head_seq, start_seq=x.start_seq, messages=messages).SerializeToString()


def _pong_to(x: f.Pong) -> bytes:
    return pb.Pong(counter=x.counter, heads=_heads_to(x.heads)).SerializeToString()


def _heads_frame_to(x: f.Heads) -> bytes:
    return pb.Heads(heads=_heads_to(x.heads)).SerializeToString()


def _notice_to(x: f.Notice) -> bytes:
    return pb.Notice(code=x.code, retry_after_us=x.retry_after_us).SerializeToString()


def _error_to(x: f.Error) -> bytes:
    return pb.Error(code=x.code, text=x.text, retry_after_us=x.retry_after_us).SerializeToString()


def _go_away_to(x: f.GoAway) -> bytes:
    return pb.GoAway(leave_after_us=x.leave_after_us, elsewhere=x.elsewhere).SerializeToString()


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    f.Connect: _connect_to,
    f.Send: _send_to,
    f.ReceiveAck: _receive_ack_to,
    f.SyncRequest: _sync_request_to,
    f.Ping: _ping_to,
    f.Goodbye: _goodbye_to,
    f.Welcome: _welcome_to,
    f.SendAck: _send_ack_to,
    f.Deliver: _deliver_to,
    f.ReceiveConfirmed: _receive_confirmed_to,
    f.SyncReply: _sync_reply_to,
    f.Pong: _pong_to,
    f.Heads: _heads_frame_to,
    f.Notice: _notice_to,
    f.Error: _error_to,
    f.GoAway: _go_away_to,
}


# decoders ------------------------------------------------------------------------------------------------------------------------


def _heads_of(heads: Iterable[pb.Head]) -> tuple[f.Head, ...]:
    result = tuple((h.conversation, h.conversation_seq) for h in heads)
    for conversation, seq in result:
        _checked(conversation, seq)
    return result


def _to_connect(conversation: int, body: bytes) -> f.Connect:
    x = pb.Connect.FromString(body)
    _checked(x.user, x.device, x.connect_counter)
    return f.Connect(x.user, x.device, x.connect_counter, x.token)


def _to_send(conversation: int, body: bytes) -> f.Send:
    x = pb.Send.FromString(body)
    counter = x.send_counter
    _checked(conversation, counter)
    if x.skipped >= counter:
        raise WireError(Code.MALFORMED_FRAME, "more counters skipped than there are")
    return f.Send(conversation, counter, x.payload, x.skipped)


def _to_receive_ack(conversation: int, body: bytes) -> f.ReceiveAck:
    x = pb.ReceiveAck.FromString(body)
    _checked(x.ack_counter)
    return f.ReceiveAck(x.ack_counter, _heads_of(x.received_upto), _heads_of(x.received))


def _to_sync_request(conversation: int, body: bytes) -> f.SyncRequest:
    x = pb.SyncRequest.FromString(body)
    _checked(conversation, x.request, x.limit, x.after_seq + 1)
    return f.SyncRequest(conversation, x.request, x.after_seq, x.limit)


def _to_ping(conversation: int, body: bytes) -> f.Ping:
    return f.Ping(pb.Ping.FromString(body).counter)


def _to_goodbye(conversation: int, body: bytes) -> f.Goodbye:
    pb.Goodbye.FromString(body)
    return f.Goodbye()


def _to_welcome(conversation: int, body: bytes) -> f.Welcome:
    x = pb.Welcome.FromString(body)
    return f.Welcome(x.generation, _heads_of(x.heads))


def _to_send_ack(conversation: int, body: bytes) -> f.SendAck:
    x = pb.SendAck.FromString(body)
    _checked(conversation, x.send_counter)
    return f.SendAck(conversation, x.send_counter, x.code, x.committed, x.epoch, x.conversation_seq, x.message_id)


def _message(conversation: int, x: pb.Deliver) -> f.Deliver:
    seq, sender, counter = x.conversation_seq, x.sender_device, x.send_counter
    _checked(conversation, seq, sender, counter)
    return f.Deliver(conversation, x.epoch, seq, x.message_id, x.sender_user, sender, counter, x.payload)


def _to_deliver(conversation: int, body: bytes) -> f.Deliver:
    return _message(conversation, pb.Deliver.FromString(body))


def _to_receive_confirmed(conversation: int, body: bytes) -> f.ReceiveConfirmed:
    return f.ReceiveConfirmed(pb.ReceiveConfirmed.FromString(body).ack_counter)


def _to_sync_reply(conversation: int, body: bytes) -> f.SyncReply:
    x = pb.SyncReply.FromString(body)
    messages = tuple(_message(conversation, m) for m in x.messages)
    return f.SyncReply(conversation, x.request, x.head_seq, x.start_seq, messages)


def _to_pong(conversation: int, body: bytes) -> f.Pong:
    x = pb.Pong.FromString(body)
    return f.Pong(x.counter, _heads_of(x.heads))


def _to_heads(conversation: int, body: bytes) -> f.Heads:
    return f.Heads(_heads_of(pb.Heads.FromString(body).heads))


def _to_notice(conversation: int, body: bytes) -> f.Notice:
    x = pb.Notice.FromString(body)
    return f.Notice(x.code, x.retry_after_us)


def _to_error(conversation: int, body: bytes) -> f.Error:
    x = pb.Error.FromString(body)
    return f.Error(x.code, x.text, x.retry_after_us)


def _to_go_away(conversation: int, body: bytes) -> f.GoAway:
    x = pb.GoAway.FromString(body)
    return f.GoAway(x.leave_after_us, x.elsewhere)


_DECODERS: dict[int, Callable[[int, bytes], f.Frame]] = {
    f.CONNECT: _to_connect,
    f.SEND: _to_send,
    f.RECEIVE_ACK: _to_receive_ack,
    f.SYNC_REQUEST: _to_sync_request,
    f.PING: _to_ping,
    f.GOODBYE: _to_goodbye,
    f.WELCOME: _to_welcome,
    f.SEND_ACK: _to_send_ack,
    f.DELIVER: _to_deliver,
    f.RECEIVE_CONFIRMED: _to_receive_confirmed,
    f.SYNC_REPLY: _to_sync_reply,
    f.PONG: _to_pong,
    f.HEADS: _to_heads,
    f.NOTICE: _to_notice,
    f.ERROR: _to_error,
    f.GO_AWAY: _to_go_away,
}
