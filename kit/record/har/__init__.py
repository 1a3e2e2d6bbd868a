"""Recordings as HAR 1.2: what was recorded, written and read back.

What HAR has no place for stands in `_kit`:

- of an entry: `role`, `state`, `error`, `route` {method, pattern, handler}, `matches`,
  `near_misses` (text), `fault` (text), `exception` (traceback as text), `ordinal`,
  `local`, `peer`, `tls` {version, cipher, sni, alpn}, `close_code`, `dropped_frames`,
  `request_trailers` and `response_trailers` [[name, value]], `unparsed` (the head of a
  request that does not parse); `frames` [{direction, opcode, fin, time, size, kept,
  close_code}], `time` in milliseconds since the entry's start; `chunks` [[milliseconds,
  size]] of a streamed response; `request_body` and `response_body` {truncated, kept,
  sha256, encoded};
- of a page, that is a test: `outcome`, `duration_s`, `worker`, `problems`;
- of the log: `dropped`, the exchanges that a journal has dropped.

What is not known, or false, is left out.
"""

from __future__ import annotations

from kit.record.entry import (
    Entry,
    Page,
    RecordedChunk,
    RecordedFrame,
    RecordedRequest,
    RecordedResponse,
    Recording,
    Timings,
)
from kit.record.har.comparison import EntryChange, RecordingChange, compare_entries, diff
from kit.record.har.conversion import entries_of
from kit.record.har.document import dump, dump_entry, export, format_document, write
from kit.record.har.reader import HarLimits, load
from kit.record.har.statistics import RecordingStats, SlowEntry, stats

__all__ = [
    "Entry",
    "EntryChange",
    "HarLimits",
    "Page",
    "RecordedChunk",
    "RecordedFrame",
    "RecordedRequest",
    "RecordedResponse",
    "Recording",
    "RecordingChange",
    "RecordingStats",
    "SlowEntry",
    "Timings",
    "compare_entries",
    "diff",
    "dump",
    "dump_entry",
    "entries_of",
    "export",
    "format_document",
    "load",
    "stats",
    "write",
]
