"""What a recording holds, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from kit.expect.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kit.record.entry import Entry

SLOWEST: Final = 5
_LINE = 200


@dataclass(frozen=True, slots=True)
class SlowEntry:
    """One of the slowest exchanges.

    Attributes:
        entry: its index in the recording.
    """

    entry: int
    method: str
    url: str
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStats:
    """What a recording holds, in numbers.

    Attributes:
        entries: how many exchanges.
        websockets: how many of them are websockets.
        frames: the frames of all websockets.
        failed: how many have no response, or not a whole one.
        by_status: exchanges by status code; 0 where there was no response.
        by_method: exchanges by method.
        by_host: exchanges by host and port.
        request_bytes: of all request bodies on the wire, where that is known.
        response_bytes: of all response bodies.
        duration_s: from the first exchange's start to the last one's end.
        slowest: the slowest exchanges but websockets, the slowest first.
    """

    entries: int
    websockets: int
    frames: int
    failed: int
    by_status: Mapping[int, int]
    by_method: Mapping[str, int]
    by_host: Mapping[str, int]
    request_bytes: int
    response_bytes: int
    duration_s: float
    slowest: tuple[SlowEntry, ...]

    def lines(self) -> list[str]:
        """Write them as text."""
        lines = [
            f"entries     {self.entries}, of them {self.failed} failed",
            f"websockets  {self.websockets}, {self.frames} frames",
            f"bodies      {self.request_bytes} bytes sent, {self.response_bytes} received",
            f"duration    {self.duration_s:.3f} s",
        ]
        for title, counts in (
            ("statuses", self.by_status),
            ("methods", self.by_method),
            ("hosts", self.by_host),
        ):
            told = ", ".join(f"{shorten(str(key), 80)}: {n}" for key, n in counts.items())
            lines.append(f"{title:<12}{told or 'none'}")
        lines += [
            f"slowest     {slow.duration_ms:.1f} ms  {slow.entry} "
            f"{shorten(f'{slow.method} {slow.url}', _LINE)}"
            for slow in self.slowest
        ]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Give them as JSON values."""
        told = asdict(self)
        told["by_status"] = {str(status): n for status, n in self.by_status.items()}
        told["slowest"] = [asdict(slow) for slow in self.slowest]
        return told


def stats(recording: Iterable[Entry], *, slowest: int = SLOWEST) -> RecordingStats:
    """Count what a recording, or some of its entries, hold.

    Args:
        recording: the recording, or entries.
        slowest: how many of the slowest are named.
    """
    entries = list(recording)
    ranked = sorted(
        (entry for entry in entries if not entry.is_websocket),
        key=lambda entry: (-entry.timings.total_ms, entry.index),
    )
    starts = [entry.started_at for entry in entries]
    ends = [entry.started_at + entry.duration_s for entry in entries]
    return RecordingStats(
        entries=len(entries),
        websockets=sum(entry.is_websocket for entry in entries),
        frames=sum(len(entry.frames or ()) for entry in entries),
        failed=sum(bool(entry.response.error) or not entry.response.status for entry in entries),
        by_status=_count(entry.response.status for entry in entries),
        by_method=_count(entry.request.method for entry in entries),
        by_host=_count(entry.request.host for entry in entries),
        request_bytes=sum(max(0, entry.request.body_size) for entry in entries),
        response_bytes=sum(max(0, entry.response.body_size) for entry in entries),
        duration_s=round(max(ends) - min(starts), 6) if entries else 0.0,
        slowest=tuple(
            SlowEntry(entry.index, entry.request.method, entry.request.url, entry.timings.total_ms)
            for entry in ranked[:slowest]
        ),
    )


def _count(keys: Iterable[Any]) -> dict[Any, int]:
    """Count keys, the most frequent first."""
    counted = Counter(keys)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], str(item[0]))))
