"""Frames found in a stream of bytes, and built to be wrong."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.faults.frames import FrameSplitter, apply_mask, build_frame


@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_frame_is_found_as_it_was_built(size: int, is_masked: bool) -> None:
    payload = bytes(index % 251 for index in range(size))
    raw = build_frame(0x82, payload, is_masked=is_masked)

    (frame,) = FrameSplitter().feed(raw)
    assert frame == (0x82, is_masked, payload, raw)
    assert frame.opcode == 2
    assert frame.begins_message


def test_a_continuation_and_a_control_frame_begin_no_message() -> None:
    splitter = FrameSplitter()
    frames = splitter.feed(build_frame(0x80, b"", is_masked=False) + b"\x88\x00\x89\x00")

    assert [frame.opcode for frame in frames] == [0, 8, 9]
    assert not any(frame.begins_message for frame in frames)


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=5),
    cuts=st.lists(st.integers(0, 1500), max_size=6),
    is_masked=st.booleans(),
)
def test_frames_are_found_wherever_the_bytes_are_cut(
    payloads: list[bytes], cuts: list[int], is_masked: bool
) -> None:
    data = b"".join(build_frame(0x81, each, is_masked=is_masked) for each in payloads)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    splitter = FrameSplitter()
    found = [
        frame
        for start, end in itertools.pairwise(edges)
        for frame in splitter.feed(data[start:end])
    ]

    assert [frame.payload for frame in found] == payloads
    assert b"".join(frame.raw for frame in found) == data


def test_a_length_may_be_announced_that_is_not_the_payloads() -> None:
    assert build_frame(0x82, b"abc", is_masked=False, announced=1 << 40) == (
        b"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00abc"
    )


def test_a_mask_undoes_itself() -> None:
    masked = apply_mask(b"hello", b"\x01\x02\x03\x04")

    assert masked == b"igohn"
    assert apply_mask(masked, b"\x01\x02\x03\x04") == b"hello"
    assert apply_mask(b"", b"\x01\x02\x03\x04") == b""
