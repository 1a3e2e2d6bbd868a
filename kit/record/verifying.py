"""What upstream answers now, against what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.expect.checks import Check
from kit.expect.wording import shorten
from kit.record.har.websockets import join_frames
from kit.record.matching import compare_contents
from kit.record.replay import as_message

if TYPE_CHECKING:
    from kit.record.entry import Entry, RecordedResponse
    from kit.record.har.websockets import Message
    from kit.record.ignoring import Ignoring

_CONTROL = 8


def compare_entries(
    recorded: Entry, present: Entry, ignoring: Ignoring, ignored: set[str]
) -> str | None:
    """Say how an exchange differs from its recording; None if it does not.

    Compared are the status, the media type, the body by its media type, and the messages
    of a websocket one by one; not when they came, in how many pieces, or other fields.

    Args:
        recorded: the recording.
        present: the same request's exchange now.
        ignoring: what is left out.
        ignored: the rules that left something out are added here.
    """
    checks = _compare_responses(recorded.response, present.response, ignoring, ignored)
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
    if recorded.body and present.body and not ignoring.has("body"):
        kinds = recorded.media_type, present.media_type
        checks.append(_check_equal("media type", *(kind or "none" for kind in kinds)))
    return [*checks, compare_contents(recorded, present, ignoring, ignored)]


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
    return Check(ok=expected == actual, text=f"{what}: expected {expected}, got {actual}")
