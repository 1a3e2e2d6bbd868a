"""How two recordings differ, times aside."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from kit.errors import BodyError
from kit.expect.diff import json_diff
from kit.expect.wording import count, explain_unequal, shorten, show_text
from kit.messages.content import is_json, parse_json
from kit.record.har.websockets import join_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kit.record.entry import Entry, RecordedMessage

IGNORED_HEADERS: Final = frozenset(
    {
        *("connection", "content-length", "date", "host", "keep-alive", "transfer-encoding"),
        *("age", "etag", "last-modified", "expires", "server", "user-agent", "x-request-id"),
        *("sec-websocket-key", "sec-websocket-accept"),
    }
)
"""Fields that differ from run to run although the same happened."""

_LINE = 400
_MESSAGES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class EntryChange:
    """One exchange that is not the same in both recordings.

    Attributes:
        before: as the first recording has it.
        after: as the second has it.
        differences: a line for each.
    """

    before: Entry
    after: Entry
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordingChange:
    """How the second of two recordings differs from the first.

    Attributes:
        removed: exchanges that only the first has.
        added: exchanges that only the second has.
        changed: exchanges that both have, and that are not the same.
        same: how many are.
    """

    removed: tuple[Entry, ...]
    added: tuple[Entry, ...]
    changed: tuple[EntryChange, ...]
    same: int

    @property
    def is_same(self) -> bool:
        """Tell whether both recordings tell the same, times aside."""
        return not (self.removed or self.added or self.changed)

    def lines(self) -> list[str]:
        """Write it as text."""
        counts = f"{self.same} the same, {len(self.changed)} changed"
        lines = [f"{counts}, {len(self.removed)} removed, {len(self.added)} added"]
        lines += [f"- {_name(entry)}" for entry in self.removed]
        lines += [f"+ {_name(entry)}" for entry in self.added]
        for change in self.changed:
            lines.append(f"~ {_name(change.before)}")
            lines += [f"    {difference}" for difference in change.differences]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "same": self.same,
            "removed": [_to_json(entry) for entry in self.removed],
            "added": [_to_json(entry) for entry in self.added],
            "changed": [
                {
                    **_to_json(change.before),
                    "after": change.after.index,
                    "differences": list(change.differences),
                }
                for change in self.changed
            ],
        }


def diff(
    before: Iterable[Entry],
    after: Iterable[Entry],
    *,
    ignored_headers: Iterable[str] = IGNORED_HEADERS,
) -> RecordingChange:
    """Compare two recordings: exchanges of the same method and path, in their order.

    Args:
        before: a recording, or its entries.
        after: another.
        ignored_headers: names of header fields that may differ.
    """
    ignored = frozenset(name.lower() for name in ignored_headers)
    waiting: dict[tuple[str, str], deque[Entry]] = defaultdict(deque)
    for entry in after:
        waiting[_key(entry)].append(entry)
    removed, changed, same = [], [], 0
    for entry in before:
        others = waiting[_key(entry)]
        if not others:
            removed.append(entry)
            continue
        other = others.popleft()
        if differences := compare_entries(entry, other, ignored_headers=ignored):
            changed.append(EntryChange(entry, other, tuple(differences)))
        else:
            same += 1
    added = sorted((one for rest in waiting.values() for one in rest), key=lambda one: one.index)
    return RecordingChange(tuple(removed), tuple(added), tuple(changed), same)


def compare_entries(
    before: Entry, after: Entry, *, ignored_headers: frozenset[str] = IGNORED_HEADERS
) -> list[str]:
    """List how two exchanges differ, times aside; method and path are not looked at."""
    first, second = before.request, after.request
    lines = []
    pairs = [sorted(parse_qsl(one.query, keep_blank_values=True)) for one in (first, second)]
    lines += _compare_values("query", pairs[0], pairs[1])
    lines += _compare_messages("request", first, second, ignored_headers)
    lines += _compare_values("status", before.response.status, after.response.status)
    lines += _compare_messages("response", before.response, after.response, ignored_headers)
    lines += _compare_frames(before, after)
    return lines


def _key(entry: Entry) -> tuple[str, str]:
    return entry.request.method, entry.request.path


def _name(entry: Entry) -> str:
    request = entry.request
    return f"{entry.index} {shorten(f'{request.method} {request.target}', _LINE)}"


def _to_json(entry: Entry) -> dict[str, Any]:
    return {"entry": entry.index, "method": entry.request.method, "url": entry.request.url}


def _compare_values(what: str, before: object, after: object) -> list[str]:
    if before == after:
        return []
    return [f"{what}: {explain_unequal(before, after, show_text)}"]


def _compare_messages(
    what: str, before: RecordedMessage, after: RecordedMessage, ignored: frozenset[str]
) -> list[str]:
    lines = []
    fields = [_group_fields(message, ignored) for message in (before, after)]
    for name in dict.fromkeys([*fields[0], *fields[1]]):
        got = [each.get(name) for each in fields]
        if got[0] != got[1]:
            told = [show_text(one) if one is not None else "absent" for one in got]
            lines.append(f"{what} header {shorten(name, 80)}: expected {told[0]}, got {told[1]}")
    return lines + _compare_bodies(f"{what} body", before, after)


def _group_fields(message: RecordedMessage, ignored: frozenset[str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for raw_name, value in message.headers:
        name = raw_name.decode("latin-1").lower()
        # What a body was coded in makes no difference where the codings are undone.
        if name not in ignored and (name != "content-encoding" or message.is_encoded):
            grouped.setdefault(name, []).append(value.decode("latin-1"))
    return grouped


def _compare_bodies(what: str, before: RecordedMessage, after: RecordedMessage) -> list[str]:
    if before.body == after.body:
        sizes = [one.body_size if one.is_truncated else 0 for one in (before, after)]
        return _compare_values(f"{what}, its length", *sizes)
    if is_json(before.content_type) and is_json(after.content_type):
        try:
            wanted, got = parse_json(before.body), parse_json(after.body)
        except BodyError:
            return _compare_values(what, _show(before), _show(after))
        return [f"{what} {line}" for line in json_diff(wanted, got)]
    return _compare_values(what, _show(before), _show(after))


def _show(message: RecordedMessage) -> str | bytes:
    try:
        return message.body.decode()
    except UnicodeError:
        return message.body


def _compare_frames(before: Entry, after: Entry) -> list[str]:
    if before.frames is None or after.frames is None:
        return _compare_values("websocket", before.is_websocket, after.is_websocket)
    lines = []
    # What the two sides send may overtake each other; what one side sends does not.
    for direction in ("send", "receive"):
        wanted, got = (
            [(one.opcode, one.data) for one in join_frames(frames) if one.direction == direction]
            for frames in (before.frames, after.frames)
        )
        lines += _compare_sequences(f"websocket {direction}", wanted, got)
    return lines


def _compare_sequences(
    what: str, before: Sequence[tuple[int, bytes]], after: Sequence[tuple[int, bytes]]
) -> list[str]:
    lines = list(_list_unequal(what, before, after))
    if len(lines) > _MESSAGES_SHOWN:
        left_out = count(len(lines) - _MESSAGES_SHOWN, "further message")
        lines = [*lines[:_MESSAGES_SHOWN], f"{what}: {left_out}"]
    return lines


def _list_unequal(
    what: str, before: Sequence[tuple[int, bytes]], after: Sequence[tuple[int, bytes]]
) -> Iterator[str]:
    for index in range(max(len(before), len(after))):
        told = [
            f"opcode {each[index][0]} {show_text(each[index][1])}" if index < len(each) else "none"
            for each in (before, after)
        ]
        if index >= len(before) or index >= len(after) or before[index] != after[index]:
            yield f"{what} {index}: expected {told[0]}, got {told[1]}"
