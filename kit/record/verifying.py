"""What upstream answers now, against what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.expect.checks import Check
from kit.expect.wording import shorten
from kit.record.events import read_events
from kit.record.har.websockets import join_frames
from kit.record.matching import compare_contents
from kit.record.replay import as_message

if TYPE_CHECKING:
    from kit.record.entry import Entry, RecordedResponse
    from kit.record.events import Event
    from kit.record.har.websockets import Message
    from kit.record.ignoring import Ignoring

_CONTROL = 8
_SHOWN = 200
_EVENTS_SHOWN = 20


def compare_entries(
    recorded: Entry, present: Entry, ignoring: Ignoring, ignored: set[str]
) -> str | None:
    """Say how an exchange differs from its recording; None if it does not.

    Compared are the status, Content-Type and Location, the body by its media type, that of
    a stream event by event or line by line, and the messages of a websocket one by one; not
    when they came, in how many pieces, or other fields.

    Args:
        recorded: the recording.
        present: the same request's exchange now.
        ignoring: what is left out.
        ignored: the rules that left something out are added here.
    """
    checks = _compare_responses(recorded.response, present.response, ignoring, ignored)
    places = _read_location(recorded), _read_location(present)
    checks += _compare_headers("Location", *places, ignoring, ignored)
    if recorded.frames is not None and present.frames is not None:
        frames = join_frames(recorded.frames), join_frames(present.frames)
        checks += _compare_scripts(*frames, ignoring, ignored)
    different = [check for check in checks if not check.ok]
    if not different:
        return None
    request = present.request
    lines = [f"{request.method} {shorten(request.url, 300)} is not answered as recorded"]
    lines += [line for check in different for line in check.format("  ")]
    return "\n".join(lines)


def _compare_responses(
    recorded: RecordedResponse, present: RecordedResponse, ignoring: Ignoring, ignored: set[str]
) -> list[Check]:
    checks = []
    if not ignoring.has("status"):
        checks.append(_check_equal("status", recorded.status, present.status))
    elif recorded.status != present.status:
        ignored.add("status")
    if not ignoring.has("body"):
        kinds = _tidy_type(recorded.content_type), _tidy_type(present.content_type)
        checks += _compare_headers("Content-Type", *kinds, ignoring, ignored)
    return [*checks, *_compare_bodies(recorded, present, ignoring, ignored)]


def _compare_headers(
    name: str, expected: str, actual: str, ignoring: Ignoring, ignored: set[str]
) -> list[Check]:
    if not ignoring.has_header(name.lower()):
        return [_check_equal(f"header {name}", expected, actual)]
    if expected != actual:
        ignored.add(f"header:{name.lower()}")
    return []


def _tidy_type(content_type: str) -> str:
    """Write a Content-Type in one way, without the boundary that is made at random."""
    kind, *rest = (part.strip().lower() for part in content_type.split(";"))
    parameters = sorted(part for part in rest if part and not part.startswith("boundary="))
    return "; ".join((kind or "none", *parameters))


def _read_location(entry: Entry) -> str:
    """Give where a response points to, without the upstream's own origin."""
    location = entry.response.fields.text("location", "")
    own = f"{entry.request.scheme}://{entry.request.host}"
    rest = location.removeprefix(own)
    is_own = rest[:1] in ("/", "?", "#", "")
    return (rest if is_own else location) or "none"


def _compare_bodies(
    recorded: RecordedResponse, present: RecordedResponse, ignoring: Ignoring, ignored: set[str]
) -> list[Check]:
    is_whole = not (recorded.is_truncated or recorded.is_encoded or present.is_encoded)
    if is_whole and recorded.media_type == present.media_type and not ignoring.has("body"):
        events = [read_events(each.media_type, each.body) for each in (recorded, present)]
        if events[0] is not None and events[1] is not None:
            return _compare_events(events[0], events[1], ignoring, ignored)
    return [compare_contents(recorded, present, ignoring, ignored)]


def _compare_events(
    recorded: list[Event], present: list[Event], ignoring: Ignoring, ignored: set[str]
) -> list[Check]:
    checks = [_check_equal("events", len(recorded), len(present))]
    for number, (expected, actual) in enumerate(zip(recorded, present, strict=False), 1):
        if sum(not check.ok for check in checks) >= _EVENTS_SHOWN:
            break
        what = f"event {number}"
        if expected.facts != actual.facts:
            checks.append(_check_equal(what, expected.facts or "data", actual.facts or "data"))
        bodies = as_message(expected.data), as_message(actual.data)
        check = compare_contents(*bodies, ignoring, ignored)
        checks.append(check._replace(text=f"{what}: {check.text}"))
    return checks


def _compare_scripts(
    recorded: list[Message], present: list[Message], ignoring: Ignoring, ignored: set[str]
) -> list[Check]:
    scripts = [[one for one in each if one.opcode < _CONTROL] for each in (recorded, present)]
    checks = [_check_equal("messages", *map(len, scripts))]
    for number, (expected, actual) in enumerate(zip(*scripts, strict=False), 1):
        what = f"message {number}"
        ends = [f"{one.direction} {one.opcode}" for one in (expected, actual)]
        if ends[0] != ends[1]:
            checks.append(_check_equal(what, *ends))
            break  # those behind it stand beside others than they stood
        bodies = as_message(expected.data), as_message(actual.data)
        check = compare_contents(*bodies, ignoring, ignored)
        checks.append(check._replace(text=f"{what}: {check.text}"))
    return checks


def _check_equal(what: str, expected: object, actual: object) -> Check:
    told = [shorten(str(each), _SHOWN) for each in (expected, actual)]
    return Check(ok=expected == actual, text=f"{what}: expected {told[0]}, got {told[1]}")
