"""Files that are looked at again and again, by their times and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Stamp = tuple[int, int, int] | None


class Watch:
    """Tells which of some files have changed since it looked last."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._stamps: dict[Path, Stamp] = {}
        self.add(files)

    @property
    def files(self) -> list[Path]:
        """The files that are watched."""
        return list(self._stamps)

    def add(self, files: Iterable[Path]) -> None:
        """Watch these too, from how they are now on."""
        for file in files:
            self._stamps.setdefault(file, _stamp(file))

    def find_changed(self) -> list[Path]:
        """Return the files that were written, made or removed since the last call."""
        changed = []
        for file, before in self._stamps.items():
            after = _stamp(file)
            if after != before:
                self._stamps[file] = after
                changed.append(file)
        return changed


def _stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return None  # not there, or being replaced
    return status.st_mtime_ns, status.st_size, status.st_ino
