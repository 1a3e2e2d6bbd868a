"""A request's body on its way in: kept in memory while small, in a file when large."""

from __future__ import annotations

import contextlib
import tempfile
from typing import IO

from kit.record import BodyCapture, BodyRecord

PROGRESS_BYTES = 65536
"""How much of a body must come within `Limits.body_s`."""


class Intake:
    """Collects a body, for the handler and for the record.

    `take` and `finish` raise OSError when the disk is full.

    Args:
        memory_bytes: beyond this the body goes to a temporary file.
        record_bytes: how much of it the record keeps.
    """

    __slots__ = ("_capture", "_file", "_memory_bytes", "_next_mark", "_pieces", "size")

    def __init__(self, memory_bytes: int, record_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._capture = BodyCapture(record_bytes)
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._next_mark = PROGRESS_BYTES
        self.size: int = 0

    def take(self, piece: bytes) -> bool:
        """Add a piece; True when another `PROGRESS_BYTES` have come."""
        self.size += len(piece)
        self._capture.feed(piece)
        if self._file is not None:
            self._file.write(piece)
        else:
            self._pieces.append(piece)
            if self.size > self._memory_bytes:
                self._spill()
        if self.size < self._next_mark:
            return False
        self._next_mark = self.size + PROGRESS_BYTES
        return True

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._file.writelines(self._pieces)
        self._pieces.clear()

    def finish(self) -> bytes | IO[bytes]:
        """Return the whole body; a file stands at its start."""
        if self._file is None:
            return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._file.seek(0)
        return self._file

    def record(self) -> bytes | BodyRecord:
        """Return what the exchange keeps of the body."""
        record = self._capture.record()
        return record.kept if record.is_complete else record

    def close(self) -> None:
        """Give the memory or the file back."""
        self._pieces.clear()
        if self._file is not None:
            # On a full disk this fails once more, and closes all the same; `take` has told it.
            with contextlib.suppress(OSError):
                self._file.close()
