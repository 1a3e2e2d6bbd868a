"""What is kept of bodies and websocket frames, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kit.clock import monotonic
from kit.errors import ConfigurationError
from kit.limits import KIB, MIB
from kit.opcodes import WebSocketOpCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from hashlib import _Hash

DEFAULT_BODY_CAP = 64 * KIB
DEFAULT_MAX_FRAMES = 10_000
DEFAULT_MAX_FRAME_BYTES = 1 * MIB
MAX_MARKS = 1024
"""Pieces of a body whose times are kept; the last mark stands for all that follow."""

_CLOSE = int(WebSocketOpCode.Close)
_CLOSE_CODE_BYTES = 2
_CLOSE_PAYLOAD_MAX = 125
_CONTINUATION = 0
# What a frame costs beside its payload: a tuple, a float, a bytes header, a list cell.
_FRAME_OVERHEAD = 192


class BodyRecord(NamedTuple):
    """What is known of a body.

    Attributes:
        kept: the body's first bytes, all of it when it was not longer than the cap.
        length: how many bytes the body had.
        sha256: hex digest of the whole body; None when all of it is kept.
    """

    kept: bytes
    length: int
    sha256: str | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether every byte of the body was kept."""
        return len(self.kept) == self.length

    def __repr__(self) -> str:
        if self.is_complete:
            return f"<BodyRecord {self.length} bytes>"
        digest = f", sha256 {self.sha256[:12]}…" if self.sha256 else ""
        return f"<BodyRecord {self.length} bytes, the first {len(self.kept)} kept{digest}>"


class StreamedBody(bytes):
    """The bytes of a body that went piece by piece, and when each piece did.

    Attributes:
        marks: (real-monotonic seconds, bytes) of each piece, empty ones left out; they
            add up to the length that was kept.
        joined: how many further pieces the last mark stands for.
    """

    marks: tuple[tuple[float, int], ...] = ()
    joined: int = 0

    @classmethod
    def make(
        cls, body: bytes, marks: Iterable[tuple[float, int]], *, joined: int = 0
    ) -> StreamedBody:
        """Join a body with its marks, which may tell of more bytes than were kept."""
        self = cls(body)
        self.joined = joined
        kept, left = [], len(body)
        for at, size in marks:
            if left <= 0:
                break
            kept.append((at, min(size, left)))
            left -= size
        self.marks = tuple(kept)
        return self


def trim_body(body: bytes, cap: int) -> bytes | BodyRecord:
    """Return the body itself if it fits in `cap` bytes, else its record."""
    if len(body) <= cap:
        return body
    import hashlib

    kept = body[:cap]
    if isinstance(body, StreamedBody):
        kept = StreamedBody.make(kept, body.marks, joined=body.joined)
    return BodyRecord(kept, len(body), hashlib.sha256(body).hexdigest())


class BodyCapture:
    """Keeps the first bytes of a body that comes piece by piece.

    The pieces are held by reference; nothing is hashed before the cap is passed.
    When each piece came is noted, for at most `max_marks` of them.
    """

    __slots__ = ("_cap", "_digest", "_joined", "_marks", "_max_marks", "_pieces", "length")

    def __init__(self, cap: int = DEFAULT_BODY_CAP, *, max_marks: int = MAX_MARKS) -> None:
        if cap < 0:
            msg = f"a body cap cannot be negative: {cap}; 0 keeps only length and digest"
            raise ConfigurationError(msg)
        self._cap = cap
        self._pieces: list[bytes] = []
        self._digest: _Hash | None = None
        self._marks: list[tuple[float, int]] = []
        self._max_marks = max_marks
        self._joined = 0
        self.length: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body."""
        start = self.length
        size = len(data)
        self.length = start + size
        if start <= self._cap:
            self._mark(size)
        if self._digest is not None:
            self._digest.update(data)
        elif self.length <= self._cap:
            self._pieces.append(data)
        else:
            self._begin_digest(data, room=self._cap - start)

    def _mark(self, size: int) -> None:
        marks = self._marks
        if len(marks) < self._max_marks:
            marks.append((monotonic(), size))
        else:
            self._joined += 1
            at, so_far = marks[-1]
            marks[-1] = (at, so_far + size)

    def _begin_digest(self, data: bytes, room: int) -> None:
        import hashlib

        kept = b"".join(self._pieces)
        self._digest = hashlib.sha256(kept)
        self._digest.update(data)
        self._pieces = [kept + data[:room]]

    def record(self) -> BodyRecord:
        """Tell what has been taken so far; more may be fed afterwards.

        What is kept of a body of several pieces is a `StreamedBody`.
        """
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        kept = self._pieces[0] if self._pieces else b""
        if len(self._marks) > 1 and kept:
            kept = StreamedBody.make(kept, self._marks, joined=self._joined)
        digest = self._digest.hexdigest() if self._digest is not None else None
        return BodyRecord(kept, self.length, digest)


class FrameRecord(NamedTuple):
    """One websocket frame as it crossed the wire, unmasked and decompressed.

    Attributes:
        direction: "sent" or "received", seen from the side that recorded it.
        opcode: the number of RFC 6455 section 5.2; 0 continues a message.
        is_final: the FIN bit.
        payload: what was kept of the payload, see `length`.
        length: the payload's length in bytes on the wire.
        at: real-monotonic seconds, comparable to the times of the exchange.
    """

    direction: str
    opcode: int
    is_final: bool
    payload: bytes
    length: int
    at: float

    @property
    def name(self) -> str:
        """The opcode's name, for example "Text"; "Continuation" for 0."""
        return opcode_name(self.opcode)

    @property
    def close_code(self) -> int | None:
        """The code in a Close frame; 1005 when it has none, None for other frames."""
        if self.opcode != _CLOSE:
            return None
        if len(self.payload) < _CLOSE_CODE_BYTES:
            return 1005
        return int.from_bytes(self.payload[:_CLOSE_CODE_BYTES], "big")

    @property
    def close_reason(self) -> str | None:
        """The text in a Close frame, None for other frames."""
        if self.opcode != _CLOSE:
            return None
        return self.payload[_CLOSE_CODE_BYTES:].decode("utf-8", "replace")


def opcode_name(opcode: int) -> str:
    """Return the name of an opcode; numbers RFC 6455 reserves are shown as such."""
    if opcode == _CONTINUATION:
        return "Continuation"
    try:
        return WebSocketOpCode(opcode).name
    except ValueError:
        return f"reserved opcode {opcode}"


class FrameLog:
    """The frames of one websocket, bounded by count and payload bytes.

    Its `add` is what `WebSocketProtocol.tap` is set to. Only the owner of the
    connection calls it; reading is safe from any thread.

    Past `max_bytes` a frame is kept without the rest of its payload; past
    `max_frames` it is only counted. Close frames are always kept: they tell
    how the story ended, and there are at most two.

    Attributes:
        dropped_frames: frames that were counted and not kept.
        dropped_bytes: payload bytes that were counted and not kept.
        recorded_bytes: about how much memory the log holds.
    """

    __slots__ = (
        "_frames",
        "_max_bytes",
        "_max_frames",
        "_payload_bytes",
        "dropped_bytes",
        "dropped_frames",
        "recorded_bytes",
    )

    def __init__(
        self,
        max_frames: int = DEFAULT_MAX_FRAMES,
        max_bytes: int = DEFAULT_MAX_FRAME_BYTES,
    ) -> None:
        # Plain tuples: the garbage collector stops looking at those that hold
        # only atoms, which it never does for instances of a named tuple.
        self._frames: list[tuple[str, int, bool, bytes, int, float]] = []
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._payload_bytes = 0
        self.dropped_frames: int = 0
        self.dropped_bytes: int = 0
        self.recorded_bytes: int = 0

    def add(self, direction: str, opcode: int, fin: bool, payload: bytes) -> None:  # noqa: FBT001 - the tap's signature
        """Take one frame."""
        length = len(payload)
        total = self._payload_bytes + length
        if total > self._max_bytes or len(self._frames) >= self._max_frames:
            self._add_beyond_bounds(direction, opcode, fin, payload)
            return
        self._payload_bytes = total
        self.recorded_bytes += length + _FRAME_OVERHEAD
        self._frames.append((direction, opcode, fin, payload, length, monotonic()))

    def _add_beyond_bounds(
        self,
        direction: str,
        opcode: int,
        fin: bool,  # noqa: FBT001 - the tap's signature
        payload: bytes,
    ) -> None:
        length = len(payload)
        if opcode == _CLOSE:
            kept = payload[:_CLOSE_PAYLOAD_MAX]
        elif len(self._frames) >= self._max_frames:
            self.dropped_frames += 1
            self.dropped_bytes += length
            return
        else:
            kept = payload[: max(0, self._max_bytes - self._payload_bytes)]
        self.dropped_bytes += length - len(kept)
        self._payload_bytes += len(kept)
        self.recorded_bytes += len(kept) + _FRAME_OVERHEAD
        self._frames.append((direction, opcode, fin, kept, length, monotonic()))

    def discard(self) -> None:
        """Forget every frame and keep no more; further ones are only counted."""
        self.dropped_frames += len(self._frames)
        self.dropped_bytes += self._payload_bytes
        self._frames = []
        self._max_frames = self._max_bytes = self._payload_bytes = self.recorded_bytes = 0

    def records(self) -> list[FrameRecord]:
        """Return the frames kept so far, in wire order."""
        return list(map(FrameRecord._make, self._frames))

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        dropped = ""
        if self.dropped_frames or self.dropped_bytes:
            dropped = f", dropped {self.dropped_frames} frames and {self.dropped_bytes} bytes"
        return f"<FrameLog {len(self._frames)} frames, {self._payload_bytes} bytes{dropped}>"
