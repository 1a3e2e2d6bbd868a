"""Bodies of which each piece means something, taken apart: server-sent events, and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS: Final = "text/event-stream"
LINES: Final = frozenset(
    (
        *("application/x-ndjson", "application/jsonl"),
        *("application/json-seq", "application/stream+json"),
    )
)
"""Media types of a JSON document per line."""


class Event(NamedTuple):
    """One piece of a stream.

    Attributes:
        facts: what it says of itself beside its data, as text.
        data: a line, or the data of an event.
    """

    facts: str
    data: bytes


def read_events(media_type: str, body: bytes) -> list[Event] | None:
    """Take a body apart; None if its media type has no pieces that are known."""
    if media_type in LINES:
        # RFC 7464 section 2.2: a text of a sequence begins with a record separator.
        lines = (line.strip(b"\x1e \t\r") for line in body.split(b"\n"))
        return [Event("", line) for line in lines if line]
    return list(_read_sent(body)) if media_type == EVENTS else None


def _read_sent(body: bytes) -> Iterator[Event]:
    """Read server-sent events as the HTML standard does, also one that was cut off."""
    facts: dict[str, str] = {}
    data: list[str] = []
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for line in [*text.split("\n"), ""]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in ("event", "id", "retry"):
            facts[name] = value
        elif not line and (data or facts):
            told = ", ".join(f"{name} {facts[name]}" for name in sorted(facts))
            yield Event(told, "\n".join(data).encode("utf-8", "surrogateescape"))
            facts, data = {}, []
