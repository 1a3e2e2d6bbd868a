from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.clock import monotonic
from kit.errors import ConfigurationError
from kit.record import BodyCapture, BodyRecord, FrameLog, FrameRecord
from kit.record.capture import MAX_MARKS, StreamedBody, trim_body


def capture(*pieces: bytes, cap: int) -> BodyRecord:
    taken = BodyCapture(cap)
    for piece in pieces:
        taken.feed(piece)
    return taken.record()


def test_a_body_within_the_cap_is_kept_whole_and_not_hashed() -> None:
    assert capture(b"ab", b"cd", cap=4) == BodyRecord(b"abcd", 4, None)


def test_a_body_of_one_piece_is_kept_by_reference() -> None:
    piece = bytes(1000)
    assert capture(piece, cap=1000).kept is piece


def test_a_longer_body_is_cut_with_its_length_and_digest_noted() -> None:
    record = capture(b"abc", b"def", b"ghi", cap=4)
    assert record == BodyRecord(b"abcd", 9, hashlib.sha256(b"abcdefghi").hexdigest())
    assert not record.is_complete


def test_a_capture_may_be_read_before_the_body_has_ended() -> None:
    taken = BodyCapture(4)
    taken.feed(b"ab")
    assert taken.record().kept == b"ab"
    taken.feed(b"cdef")
    assert taken.record().length == 6


def test_no_body_is_a_complete_record() -> None:
    assert capture(cap=4) == (b"", 0, None)
    assert capture(cap=4).is_complete


def test_a_cap_of_nothing_keeps_length_and_digest_alone() -> None:
    assert capture(b"abc", cap=0) == (b"", 3, hashlib.sha256(b"abc").hexdigest())


def test_a_negative_cap_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        BodyCapture(-1)
    assert str(caught.value) == (
        "a body cap cannot be negative: -1; 0 keeps only length and digest"
    )


@settings(deadline=None, max_examples=80)
@given(st.lists(st.binary(max_size=12), max_size=8), st.integers(0, 30))
def test_a_body_in_pieces_is_recorded_like_the_body_in_one(pieces: list[bytes], cap: int) -> None:
    whole = b"".join(pieces)
    in_one = trim_body(whole, cap)
    if isinstance(in_one, bytes):
        in_one = BodyRecord(in_one, len(in_one), None)
    assert capture(*pieces, cap=cap) == in_one


def test_the_repr_of_a_cut_body_tells_what_is_left() -> None:
    digest = hashlib.sha256(b"abcdef").hexdigest()[:12]
    assert (
        repr(trim_body(b"abcdef", 2)) == f"<BodyRecord 6 bytes, the first 2 kept, sha256 {digest}…>"
    )
    assert repr(BodyRecord(b"ab", 2)) == "<BodyRecord 2 bytes>"


def test_frames_are_kept_in_wire_order() -> None:
    log = FrameLog()
    log.add("received", 1, False, b"hel")
    log.add("received", 9, True, b"")
    log.add("received", 0, True, b"lo")
    log.add("sent", 10, True, b"")
    assert [(one.direction, one.name, one.is_final, one.payload) for one in log.records()] == [
        ("received", "Text", False, b"hel"),
        ("received", "Ping", True, b""),
        ("received", "Continuation", True, b"lo"),
        ("sent", "Pong", True, b""),
    ]


def test_the_times_of_frames_never_go_back() -> None:
    log = FrameLog()
    for _ in range(5):
        log.add("sent", 2, True, b"x")
    times = [frame.at for frame in log.records()]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b"\x03\xe8bye", 1000, "bye"),
        (b"", 1005, ""),
        (b"\x03", 1005, ""),
        (b"\x03\xe9\xff", 1001, "�"),
    ],
)
def test_a_close_frame_tells_its_code_and_reason(payload: bytes, code: int, reason: str) -> None:
    frame = FrameRecord("sent", 8, True, payload, len(payload), 0.0)
    assert (frame.close_code, frame.close_reason) == (code, reason)


def test_other_frames_have_no_close_code() -> None:
    frame = FrameRecord("sent", 1, True, b"\x03\xe8bye", 5, 0.0)
    assert (frame.close_code, frame.close_reason) == (None, None)


def test_a_reserved_opcode_is_named_as_one() -> None:
    assert FrameRecord("received", 3, True, b"", 0, 0.0).name == "reserved opcode 3"


def test_past_the_bound_on_bytes_frames_are_kept_without_their_payload() -> None:
    log = FrameLog(max_bytes=5)
    for payload in (b"abc", b"defg", b"h"):
        log.add("sent", 2, True, payload)
    assert [(one.payload, one.length) for one in log.records()] == [
        (b"abc", 3),
        (b"de", 4),
        (b"", 1),
    ]
    assert (log.dropped_frames, log.dropped_bytes) == (0, 3)


def test_past_the_bound_on_frames_they_are_only_counted() -> None:
    log = FrameLog(max_frames=2)
    for payload in (b"a", b"b", b"c", b"dd"):
        log.add("sent", 2, True, payload)
    assert len(log) == 2
    assert (log.dropped_frames, log.dropped_bytes) == (2, 3)
    assert repr(log) == "<FrameLog 2 frames, 2 bytes, dropped 2 frames and 3 bytes>"


def test_a_close_frame_is_kept_whatever_the_bounds() -> None:
    log = FrameLog(max_frames=1, max_bytes=1)
    log.add("sent", 2, True, b"a")
    log.add("sent", 2, True, b"b")
    log.add("received", 8, True, b"\x03\xe8bye")
    assert log.records()[-1].close_code == 1000


def test_a_discarded_log_counts_and_keeps_nothing_more() -> None:
    log = FrameLog()
    log.add("sent", 2, True, b"abc")
    log.discard()
    log.add("sent", 2, True, b"de")
    assert log.records() == []
    assert (log.dropped_frames, log.dropped_bytes, log.recorded_bytes) == (2, 5, 0)


def test_the_pieces_of_a_body_are_kept_with_their_times() -> None:
    before = monotonic()
    kept = capture(b"ab", b"c", cap=9).kept
    assert isinstance(kept, StreamedBody)
    assert kept == b"abc"
    assert [size for _, size in kept.marks] == [2, 1]
    times = [at for at, _ in kept.marks]
    assert before <= times[0] <= times[1] <= monotonic()


def test_pieces_beyond_the_cap_have_no_marks() -> None:
    kept = capture(b"ab", b"cd", b"ef", cap=3).kept
    assert isinstance(kept, StreamedBody)
    assert (bytes(kept), [size for _, size in kept.marks]) == (b"abc", [2, 1])


def test_the_marks_of_a_body_are_bounded() -> None:
    kept = capture(*[b"x"] * (MAX_MARKS + 10), cap=MAX_MARKS + 5).kept
    assert isinstance(kept, StreamedBody)
    assert len(kept.marks) == MAX_MARKS
    assert kept.marks[-1][1] == 6


def test_a_body_that_is_cut_keeps_the_marks_of_what_is_left() -> None:
    record = trim_body(StreamedBody.make(b"abcde", [(1.0, 2), (2.0, 3)]), 3)
    assert isinstance(record, BodyRecord)
    assert isinstance(record.kept, StreamedBody)
    assert record.kept.marks == ((1.0, 2), (2.0, 1))


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=5), max_size=6), st.integers(0, 20))
def test_the_marks_add_up_to_what_is_kept(pieces: list[bytes], cap: int) -> None:
    kept = capture(*pieces, cap=cap).kept
    if isinstance(kept, StreamedBody):
        assert sum(size for _, size in kept.marks) == len(kept)
    else:
        assert kept == b"".join(pieces)[:cap]
        assert len(pieces) < 2 or len(pieces[0]) >= cap


def test_how_many_pieces_are_marked_is_to_choose_and_the_rest_are_counted() -> None:
    taken = BodyCapture(100, max_marks=2)
    for piece in (b"a", b"b", b"c", b"d"):
        taken.feed(piece)
    kept = taken.record().kept
    assert isinstance(kept, StreamedBody)
    assert ([size for _, size in kept.marks], kept.joined) == ([1, 3], 2)
