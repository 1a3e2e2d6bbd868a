"""Websocket frames as bytes (RFC 6455 section 5.2): found in a stream, and built to be wrong."""

from __future__ import annotations

from typing import NamedTuple

FINAL = 0x80
OPCODE_BITS = 0x0F
MASKED = 0x80
LENGTH_BITS = 0x7F

MASK = b"\x37\xfa\x21\x3d"
"""Any mask will do for what is wrong anyway."""


class Frame(NamedTuple):
    """One frame as it was to be sent."""

    first: int
    """The first byte: the final bit, the reserved bits and the opcode."""
    is_masked: bool
    payload: bytes
    """The payload, unmasked."""
    raw: bytes

    @property
    def opcode(self) -> int:
        """The frame's opcode."""
        return self.first & OPCODE_BITS

    @property
    def begins_message(self) -> bool:
        """Whether it is the first frame of a text or binary message."""
        return self.opcode in (1, 2)


class FrameSplitter:
    """Cuts a stream of bytes into its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take some bytes; the frames that are there as a whole."""
        self._buffer += data
        frames = []
        while (frame := self._take()) is not None:
            frames.append(frame)
        return frames

    def _take(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1] & LENGTH_BITS, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(buffer[2 : 2 + size]), 2 + size
        is_masked = bool(buffer[1] & MASKED)
        start = at + 4 if is_masked else at
        if len(buffer) < start + length:
            return None
        raw = bytes(buffer[: start + length])
        del buffer[: start + length]
        payload = apply_mask(raw[start:], raw[at:start]) if is_masked else raw[start:]
        return Frame(raw[0], is_masked, payload, raw)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask a payload, or unmask it (RFC 6455 section 5.3)."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def build_frame(
    first: int, payload: bytes, *, is_masked: bool, announced: int | None = None
) -> bytes:
    """Serialize a frame.

    Args:
        first: the first byte.
        payload: what it carries.
        is_masked: whether it is masked.
        announced: the length it claims to have; that of the payload if None.
    """
    length = len(payload) if announced is None else announced
    mask_bit = MASKED if is_masked else 0
    if length < 126:
        head = bytes((first, mask_bit | length))
    elif length < 1 << 16:
        head = bytes((first, mask_bit | 126)) + length.to_bytes(2)
    else:
        head = bytes((first, mask_bit | 127)) + length.to_bytes(8)
    return head + MASK + apply_mask(payload, MASK) if is_masked else head + payload
