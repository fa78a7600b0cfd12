"""The wire: golden vectors, streams cut anywhere, and bad input that is refused by its code and harms nothing else."""

from __future__ import annotations

import importlib
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st

import model.wire
from model.core import limits
from model.core.codes import Code
from model.core.envelopes import Down, Up
from model.core.frames import CLIENT_KINDS, DELIVER, FRAME_TYPES, Deliver, Frame, Opaque, Ping, Send
from model.wire import BatchDecoder, FrameDecoder, WireError, decode, encode, encode_batches, im_pb2
from model.wire.batches import BATCH_BYTES
from model.wire.framing import ID_MAX
from tests.wire.vectors import BATCHES, FRAMES

ALL_KINDS = {frame.kind for frame in FRAME_TYPES}


def raw(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def frames_of(decoder: FrameDecoder, data: bytes) -> list[Frame]:
    return [decode(opaque) for opaque in decoder.feed(data)]


def header(length: int = 12, version: int = 1, kind: int = 5, reserved: int = 0, conversation: int = 0) -> bytes:
    return struct.pack(">IBBHQ", length, version, kind, reserved, conversation)


# golden ------------------------------------------------------------------------------------------------------------------------------


def test_there_is_a_vector_for_every_frame() -> None:
    assert {type(frame) for frame, _ in FRAMES} == set(FRAME_TYPES)


@pytest.mark.parametrize(("frame", "wire"), FRAMES, ids=lambda x: type(x).__name__)
def test_a_frame_stands_on_the_wire_as_written_down_and_comes_back(frame: Frame, wire: str) -> None:
    assert encode(frame).hex() == raw(wire).hex()
    assert frames_of(FrameDecoder(ALL_KINDS), raw(wire)) == [frame]


@pytest.mark.parametrize(("envelope", "wire"), BATCHES, ids=lambda x: type(x).__name__)
def test_an_envelope_stands_on_the_link_as_written_down_and_comes_back(envelope: Any, wire: str) -> None:
    assert encode_batches([envelope]).hex() == raw(wire).hex()
    assert BatchDecoder().feed(raw(wire)) == [envelope]


def test_the_generated_code_is_in_step_with_its_source() -> None:
    folder = Path(model.wire.__file__).parent
    with tempfile.TemporaryDirectory() as out:
        include = Path(importlib.import_module("grpc_tools").__file__ or "").parent / "_proto"
        arguments = ["protoc", f"-I{folder}", f"-I{include}", f"--descriptor_set_out={out}/set", str(folder / "im.proto")]
        assert protoc.main(arguments) == 0
        fresh = descriptor_pb2.FileDescriptorSet.FromString(Path(out, "set").read_bytes()).file[0]
    committed = descriptor_pb2.FileDescriptorProto()
    im_pb2.DESCRIPTOR.CopyToProto(committed)
    for file in (fresh, committed):
        for message in file.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert fresh == committed


# streams -----------------------------------------------------------------------------------------------------------------------------

WHOLE = b"".join(encode(frame) for frame, _ in FRAMES)
EVERY = [frame for frame, _ in FRAMES]


def test_a_stream_fed_whole_and_byte_by_byte_gives_the_same_frames() -> None:
    assert frames_of(FrameDecoder(ALL_KINDS), WHOLE) == EVERY
    slow = FrameDecoder(ALL_KINDS)
    assert [f for i in range(len(WHOLE)) for f in frames_of(slow, WHOLE[i : i + 1])] == EVERY


def test_bytes_to_spare_wait_for_the_rest() -> None:
    decoder = FrameDecoder(ALL_KINDS)
    spare = encode(Ping(9))
    assert frames_of(decoder, WHOLE + spare[:7]) == EVERY
    assert frames_of(decoder, spare[7:]) == [Ping(9)]


@given(st.lists(st.integers(1, len(WHOLE)), max_size=12))
def test_a_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    decoder, frames, start = FrameDecoder(ALL_KINDS), list[Frame](), 0
    for cut in [*sorted(cuts), len(WHOLE)]:
        frames += frames_of(decoder, WHOLE[start:cut])
        start = max(start, cut)
    assert frames == EVERY


@given(st.lists(st.integers(1, 400), max_size=8), st.permutations(BATCHES))
def test_a_link_may_be_cut_anywhere(cuts: list[int], batches: list[Any]) -> None:
    envelopes = [envelope for envelope, _ in batches]
    stream = encode_batches(envelopes[:3]) + encode_batches(envelopes[3:])
    decoder, seen, start = BatchDecoder(), list[Any](), 0
    for cut in [*sorted(cuts), len(stream)]:
        seen += decoder.feed(stream[start:cut])
        start = max(start, cut)
    assert seen == envelopes


def test_many_envelopes_go_as_several_batches_none_of_which_is_large() -> None:
    envelopes = [
        Down(tuple(range(1, 19_001)), n, Opaque(DELIVER, 1, encode(Deliver(1, 1, 1, 1, 1, 1, 1, b"to all"))))
        for n in range(1, 451)
    ]
    stream, sizes, offset = encode_batches(envelopes), list[int](), 0
    while offset < len(stream):
        sizes.append(int.from_bytes(stream[offset : offset + 4], "big"))
        offset += 4 + sizes[-1]
    assert len(sizes) > 30
    assert max(sizes) < BATCH_BYTES + limits.FRAME_BYTES_MAX
    assert BatchDecoder().feed(stream) == envelopes


def test_a_large_batch_in_small_pieces_is_joined_once() -> None:
    """Not once for every piece: that would copy a hundred gigabytes here, and run into the time limit of a test."""
    stream = encode_batches([Up(1, Send(1, 1, bytes(1000)))] * 1000)
    decoder, seen = BatchDecoder(), 0
    for begin in range(0, len(stream), 7):
        seen += len(decoder.feed(stream[begin : begin + 7]))
    assert seen == 1000


IDS = st.integers(1, ID_MAX)


@given(IDS, IDS, st.binary(max_size=300))
def test_sends_of_any_content_come_back(conversation: int, counter: int, payload: bytes) -> None:
    send = Send(conversation, counter, payload)
    assert frames_of(FrameDecoder(CLIENT_KINDS), encode(send)) == [send]


# bad input ---------------------------------------------------------------------------------------------------------------------------

HEADERS = [
    (header(version=2), Code.UNSUPPORTED_VERSION),
    (header(length=limits.FRAME_BYTES_MAX + 1), Code.FRAME_TOO_LARGE),
    (header(length=2**32 - 1), Code.FRAME_TOO_LARGE),
    (header(length=11), Code.MALFORMED_FRAME),
    (header(kind=0), Code.UNKNOWN_KIND),
    (header(kind=34), Code.UNKNOWN_KIND),  # a server's kind, from a client
    (header(reserved=1), Code.MALFORMED_FRAME),
    (header(conversation=2**63), Code.MALFORMED_FRAME),
    (b"GET / HTTP/1.1\r\n\r\n", Code.UNSUPPORTED_VERSION),
]


@pytest.mark.parametrize(("bad", "code"), HEADERS)
def test_a_bad_header_is_refused_by_its_code_after_the_frames_before_it(bad: bytes, code: Code) -> None:
    decoder = FrameDecoder(CLIENT_KINDS)
    assert frames_of(decoder, encode(Ping(1)) + bad) == [Ping(1)]
    assert decoder.error is not None
    assert decoder.error.code == code
    assert decoder.feed(encode(Ping(2))) == []


BODIES = [
    Opaque(2, 3, header(kind=2) + b"\xff\xff"),  # not Protobuf
    Opaque(2, 3, header(kind=2)),  # no counter
    Opaque(2, 0, header(kind=2) + b"\x08\x01"),  # no conversation
    Opaque(2, 3, header(kind=2) + b"\x08\x02\x18\x02"),  # skips all there are
    Opaque(2, 3, header(kind=2) + b"\x08" + b"\xff" * 9 + b"\x01"),  # an id above 2**63 - 1
    Opaque(1, 0, header(kind=1) + b"\x08\x05"),  # no device
    Opaque(3, 0, header(kind=3) + b"\x08\x01\x12\x02\x08\x03"),  # a watermark of nothing
    Opaque(4, 3, header(kind=4) + b"\x08\x07"),  # a page of no messages
    Opaque(40, 0, header(kind=40) + b"\x12\x02\xff\xff"),  # text that is not UTF-8
]


@pytest.mark.parametrize("opaque", BODIES, ids=lambda x: x.data[16:].hex() or "empty")
def test_a_bad_body_is_malformed(opaque: Opaque) -> None:
    with pytest.raises(WireError) as refused:
        decode(opaque)
    assert refused.value.code == Code.MALFORMED_FRAME


@pytest.mark.parametrize(
    "bad",
    [
        "00000001 63",  # no such envelope
        "00000003 21 0000",  # cut short inside
        "00000006 40 0009 67 31 32",  # a name longer than its batch
        "ffffffff",
        "00000013 22 0000000000000001 ffffffff 000000000000",  # more connections than bytes
    ],
)
def test_a_bad_batch_is_refused(bad: str) -> None:
    with pytest.raises(WireError):
        BatchDecoder().feed(raw(bad))


@given(st.binary(max_size=200), st.sampled_from(sorted(ALL_KINDS)))
def test_noise_is_refused_and_nothing_worse(noise: bytes, kind: int) -> None:
    FrameDecoder(ALL_KINDS).feed(noise)
    for attempt in (lambda: decode(Opaque(kind, 1, header(kind=kind) + noise)), lambda: BatchDecoder().feed(noise)):
        with suppress(WireError):
            attempt()
