"""HAR files read back: untrusted, so bounded, typed, and contained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kit.errors import BodyError, RecordingError
from kit.limits import MIB
from kit.record.entry import Page, Recording
from kit.record.har.entry_reader import EntryReader

if TYPE_CHECKING:
    import os

    from kit.record.entry import Entry
    from kit.record.har import schema

_ENTRY_AT = re.compile(r"\$\.log\.entries\[(\d+)\]")
_ZIP = b"PK\x03\x04"
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_REASON_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HarLimits:
    """The bounds of a recording that is loaded; a file that passes one is refused."""

    file_bytes: int = 256 * MIB
    """The file; and as much again in the files that its entries name."""
    entries: int = 20_000
    """Its entries."""
    body_bytes: int = 64 * MIB
    """One body, decoded; also a file that an entry names."""
    header_fields: int = 1_000
    """Header fields of one message."""
    frames: int = 100_000
    """Websocket messages, frames or chunks of one entry."""
    nesting: int = 64
    """How deep the values of `_kit` go."""


DEFAULT_LIMITS: Final = HarLimits()


def load(
    source: str | os.PathLike[str] | bytes,
    *,
    limits: HarLimits = DEFAULT_LIMITS,
) -> Recording:
    """Read a HAR file of any tool.

    Args:
        source: the path of a file, or what a file holds. Bodies kept in files beside
            it (`_file`, as Playwright writes) are read only for a path, and only from
            the file's own directory.
        limits: what is refused for its size.

    Raises:
        RecordingError: it is no such file; it names the file, and the entry if one is
            to blame. Nothing else is raised, whatever the file holds.
    """
    path = "" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read(path, limits.file_bytes)
    if len(data) > limits.file_bytes:
        _refuse_size(path, "bytes", len(data), limits.file_bytes)
    log = _parse(data, path).log
    if len(log.entries) > limits.entries:
        _refuse_size(path, "entries", len(log.entries), limits.entries)
    reader = EntryReader(path, limits)
    pages = tuple(_read_page(page, path, limits) for page in log.pages or ())
    creator = log.creator
    return Recording(
        entries=tuple(_read_entry(reader, index, one) for index, one in enumerate(log.entries)),
        pages=pages,
        creator=((creator.name or "", creator.version or "") if creator else ("", "")),
        path=path,
        kit=_check_kit(log.kit, path, limits),
    )


def _read(path: str, file_bytes: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(file_bytes + 1)
    except FileNotFoundError:
        reason = "there is no such file"
    except (OSError, ValueError) as error:
        reason = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    raise RecordingError(path, reason)


def _refuse_size(path: str, what: str, got: int, limit: int) -> NoReturn:
    name = "file_bytes" if what == "bytes" else what
    told = f"more than {limit}" if what == "bytes" else str(got)
    raise RecordingError(path, f"it has {told} {what}: the limit {name} is {limit}")


def _parse(data: bytes, path: str) -> schema.Document:
    import msgspec

    from kit.messages.content import parse_json
    from kit.record.har import schema

    if data.startswith(_ZIP):
        reason = "it is a ZIP archive: unpack it and give the .har file in it"
        raise RecordingError(path, reason)
    try:
        try:
            return msgspec.json.decode(data, type=schema.Document)
        except msgspec.ValidationError:
            raise
        except (ValueError, RecursionError, OverflowError):
            # A byte order mark, or a lone surrogate as browsers write them.
            return msgspec.convert(parse_json(data), schema.Document)
    except msgspec.ValidationError as error:
        raise _explain(path, str(error)) from None
    except BodyError as error:
        reason = str(error).replace("the body", "the file", 1)
        raise RecordingError(path, reason[:_REASON_SHOWN]) from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise RecordingError(path, f"the file is not JSON: {error}"[:_REASON_SHOWN]) from None


def _explain(path: str, reason: str) -> RecordingError:
    found = _ENTRY_AT.search(reason)
    told = f"it is not HAR: {reason[0].lower()}{reason[1:_REASON_SHOWN]}"
    return RecordingError(path, told, entry=int(found[1]) if found else None)


def _read_entry(reader: EntryReader, index: int, given: schema.Entry) -> Entry:
    kit = _check_kit(given.kit, reader.path, reader.limits, entry=index)
    started_at = read_time(given.started, reader.path, entry=index)
    return reader.read(index, given, started_at, kit)


def _read_page(page: schema.Page, path: str, limits: HarLimits) -> Page:
    return Page(
        id=page.id,
        title=page.title or "",
        started_at=read_time(page.started, path) if page.started else 0.0,
        kit=_check_kit(page.kit, path, limits),
    )


def read_time(text: str, path: str, *, entry: int | None = None) -> float:
    """Read ISO 8601 as POSIX seconds, to the millisecond; UTC where it names no zone.

    Raises:
        RecordingError: it is no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if _EARLIEST <= moment <= _LATEST:
            return round(moment.timestamp(), 3)
    except (ValueError, OverflowError):
        pass
    reason = f"startedDateTime {text[:60]!r} is no time such as 2026-01-31T12:00:00.000Z"
    raise RecordingError(path, reason, entry=entry)


def _check_kit(
    kit: dict[str, Any] | None, path: str, limits: HarLimits, *, entry: int | None = None
) -> dict[str, Any]:
    """Return the `_kit` of something, if it is not nested too deeply."""
    level: list[Any] = [kit or {}]
    for _ in range(limits.nesting):
        level = [
            value
            for container in level
            for value in (container.values() if isinstance(container, dict) else container)
            if isinstance(value, dict | list)
        ]
        if not level:
            return kit or {}
    reason = f"_kit is nested more deeply than {limits.nesting}, the limit nesting"
    raise RecordingError(path, reason, entry=entry)
