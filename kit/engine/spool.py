"""A request body on its way in: in memory while small, in a file when large."""

from __future__ import annotations

import io
import tempfile
from typing import IO


class Spool:
    """Collects a body; beyond `memory_bytes` it goes to a temporary file.

    `write` and `finish` raise OSError when the disk is full.
    """

    __slots__ = ("_file", "_memory_bytes", "_pieces", "size")

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        self.size += len(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._pieces.append(piece)
        if self.size > self._memory_bytes:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - its reader closes it
            self._file.writelines(self._pieces)
            self._pieces.clear()

    def finish(self) -> IO[bytes]:
        """Return the whole body as a file, at its start."""
        if self._file is None:
            return io.BytesIO(b"".join(self._pieces))
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Give the memory or the file back."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
