from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Connect(_message.Message):
    __slots__ = ("user", "device", "connect_counter", "token")
    USER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CONNECT_COUNTER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    user: int
    device: int
    connect_counter: int
    token: bytes
    def __init__(self, user: _Optional[int] = ..., device: _Optional[int] = ..., connect_counter: _Optional[int] = ..., token: _Optional[bytes] = ...) -> None: ...

class Send(_message.Message):
    __slots__ = ("send_counter", "payload", "skipped")
    SEND_COUNTER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    send_counter: int
    payload: bytes
    skipped: int
    def __init__(self, send_counter: _Optional[int] = ..., payload: _Optional[bytes] = ..., skipped: _Optional[int] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("conversation", "conversation_seq")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_SEQ_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    conversation_seq: int
    def __init__(self, conversation: _Optional[int] = ..., conversation_seq: _Optional[int] = ...) -> None: ...

class ReceiveAck(_message.Message):
    __slots__ = ("ack_counter", "received_upto", "received")
    ACK_COUNTER_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_UPTO_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ack_counter: int
    received_upto: _containers.RepeatedCompositeFieldContainer[Head]
    received: _containers.RepeatedCompositeFieldContainer[Head]
    def __init__(self, ack_counter: _Optional[int] = ..., received_upto: _Optional[_Iterable[_Union[Head, _Mapping]]] = ..., received: _Optional[_Iterable[_Union[Head, _Mapping]]] = ...) -> None: ...

class SyncRequest(_message.Message):
    __slots__ = ("request", "after_seq", "limit")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    request: int
    after_seq: int
    limit: int
    def __init__(self, request: _Optional[int] = ..., after_seq: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("counter",)
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    counter: int
    def __init__(self, counter: _Optional[int] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("generation", "heads")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    generation: int
    heads: _containers.RepeatedCompositeFieldContainer[Head]
    def __init__(self, generation: _Optional[int] = ..., heads: _Optional[_Iterable[_Union[Head, _Mapping]]] = ...) -> None: ...

class SendAck(_message.Message):
    __slots__ = ("send_counter", "code", "committed", "epoch", "conversation_seq", "message_id")
    SEND_COUNTER_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_SEQ_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    send_counter: int
    code: int
    committed: bool
    epoch: int
    conversation_seq: int
    message_id: int
    def __init__(self, send_counter: _Optional[int] = ..., code: _Optional[int] = ..., committed: bool = ..., epoch: _Optional[int] = ..., conversation_seq: _Optional[int] = ..., message_id: _Optional[int] = ...) -> None: ...

class Deliver(_message.Message):
    __slots__ = ("epoch", "conversation_seq", "message_id", "sender_user", "sender_device", "send_counter", "payload")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_SEQ_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_USER_FIELD_NUMBER: _ClassVar[int]
    SENDER_DEVICE_FIELD_NUMBER: _ClassVar[int]
    SEND_COUNTER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    conversation_seq: int
    message_id: int
    sender_user: int
    sender_device: int
    send_counter: int
    payload: bytes
    def __init__(self, epoch: _Optional[int] = ..., conversation_seq: _Optional[int] = ..., message_id: _Optional[int] = ..., sender_user: _Optional[int] = ..., sender_device: _Optional[int] = ..., send_counter: _Optional[int] = ..., payload: _Optional[bytes] = ...) -> None: ...

class ReceiveConfirmed(_message.Message):
    __slots__ = ("ack_counter",)
    ACK_COUNTER_FIELD_NUMBER: _ClassVar[int]
    ack_counter: int
    def __init__(self, ack_counter: _Optional[int] = ...) -> None: ...

class SyncReply(_message.Message):
    __slots__ = ("request", "head_seq", "start_seq", "messages")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQ_FIELD_NUMBER: _ClassVar[int]
    START_SEQ_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    request: int
    head_seq: int
    start_seq: int
    messages: _containers.RepeatedCompositeFieldContainer[Deliver]
    def __init__(self, request: _Optional[int] = ..., head_seq: _Optional[int] = ..., start_seq: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[Deliver, _Mapping]]] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("counter", "heads")
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    counter: int
    heads: _containers.RepeatedCompositeFieldContainer[Head]
    def __init__(self, counter: _Optional[int] = ..., heads: _Optional[_Iterable[_Union[Head, _Mapping]]] = ...) -> None: ...

class Heads(_message.Message):
    __slots__ = ("heads",)
    HEADS_FIELD_NUMBER: _ClassVar[int]
    heads: _containers.RepeatedCompositeFieldContainer[Head]
    def __init__(self, heads: _Optional[_Iterable[_Union[Head, _Mapping]]] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("code", "retry_after_us")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_US_FIELD_NUMBER: _ClassVar[int]
    code: int
    retry_after_us: int
    def __init__(self, code: _Optional[int] = ..., retry_after_us: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "text", "retry_after_us")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_US_FIELD_NUMBER: _ClassVar[int]
    code: int
    text: str
    retry_after_us: int
    def __init__(self, code: _Optional[int] = ..., text: _Optional[str] = ..., retry_after_us: _Optional[int] = ...) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("leave_after_us", "elsewhere")
    LEAVE_AFTER_US_FIELD_NUMBER: _ClassVar[int]
    ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    leave_after_us: int
    elsewhere: bool
    def __init__(self, leave_after_us: _Optional[int] = ..., elsewhere: bool = ...) -> None: ...
