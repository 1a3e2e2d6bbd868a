"""The recordings of a cassette: which of them answers a request, and how often."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Final, Literal, get_args

from kit.errors import ConfigurationError
from kit.expect.checks import Check
from kit.expect.wording import count, shorten
from kit.record.matching import Contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kit.record.entry import Entry, RecordedRequest
    from kit.record.matching import Comparison, Matching

Reuse = Literal["once", "repeat_last", "cycle"]
"""What follows when each recording that matches was used."""

NEAREST: Final = 3
"""Recordings that an explanation shows."""
TEXT_CHARACTERS: Final = 16 * 1024
"""An explanation is cut here."""
BODY_SHOWN: Final = 200


class Deck:
    """Recordings in their order, each used once unless `reuse` says otherwise.

    Safe from any thread.
    """

    def __init__(self, entries: Iterable[Entry], matching: Matching, reuse: Reuse = "once") -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self._matching = matching
        self._reuse = reuse
        self._contents = Contents(matching.ignoring)
        self._lock = threading.Lock()
        self._used: set[int] = set()
        self._ever_used: set[int] = set()
        self._index: dict[tuple[str, ...], list[int]] = collections.defaultdict(list)
        for place, entry in enumerate(self.entries):
            key = matching.quick_key(entry.request)
            self._index[(*key, _kind_of(entry))].append(place)

    def take(self, asked: RecordedRequest, *, is_websocket: bool) -> tuple[Entry, set[str]] | None:
        """Use the recording that answers a request; None if there is none (any more).

        Returns:
            The recording, and the rules of `ignore` that let it match.
        """
        key = (*self._matching.quick_key(asked), _name_kind(is_websocket=is_websocket))
        places = self._index.get(key, ())
        try:
            taken = self._take_fresh(places, asked)
            if taken is None and self._reuse != "once":
                taken = self._take_again(places, asked)
        finally:
            self._contents.forget(asked)
        if taken is None:
            return None
        place, comparison = taken
        return self.entries[place], comparison.ignored

    def _take_fresh(
        self, places: Sequence[int], asked: RecordedRequest
    ) -> tuple[int, Comparison] | None:
        """Use the first recording that matches and is not used; the others are not looked at."""
        for place in places:
            if place in self._used:
                continue
            comparison = self._compare(place, asked)
            if comparison.is_match and self._use(place):
                return place, comparison
        return None

    def _take_again(
        self, places: Sequence[int], asked: RecordedRequest
    ) -> tuple[int, Comparison] | None:
        is_last = self._reuse == "repeat_last"
        order = reversed(places) if is_last else places
        compared = ((place, self._compare(place, asked)) for place in order)
        found = (each for each in compared if each[1].is_match)
        if is_last:
            return next(found, None)
        matching = list(found)
        if not matching:
            return None
        with self._lock:
            fresh = next((each for each in matching if each[0] not in self._used), None)
            if fresh is None:
                self._used -= {place for place, _ in matching}
                fresh = matching[0]
            self._used.add(fresh[0])
        return fresh

    def _compare(self, place: int, asked: RecordedRequest) -> Comparison:
        return self._matching.compare(self.entries[place].request, asked, self._contents)

    def _use(self, place: int) -> bool:
        """Take a recording as used; False if another request was faster."""
        with self._lock:
            if place in self._used:
                return False
            self._used.add(place)
            self._ever_used.add(place)
            return True

    def unused(self) -> list[Entry]:
        """Return the recordings that were never used."""
        with self._lock:
            return [each for place, each in enumerate(self.entries) if place not in self._ever_used]

    def copy(self) -> Deck:
        """Make a deck of the same recordings, none of them used."""
        return Deck(self.entries, self._matching)

    def explain(self, asked: RecordedRequest, *, is_websocket: bool, where: str) -> str:
        """Tell why no recording answers a request: those that came nearest, and why not.

        Args:
            asked: the request.
            is_websocket: whether it asks for a websocket.
            where: names the recordings.
        """
        what = "websocket" if is_websocket else asked.method
        lines = [f"no recording answers {what} {shorten(asked.target, 500)} in {where}"]
        if asked.body:
            lines += ["", _describe_body(asked)]
        nearest = self._matching.find_nearest(self.entries, asked, NEAREST)
        if nearest:
            total = len(self.entries)
            heading = "the recording is" if total == 1 else f"of {total} recordings the nearest are"
            lines += ["", heading]
        for entry, comparison in nearest:
            lines += ["", *self._explain_one(entry, comparison, is_websocket=is_websocket)]
        lines += ["", f"not compared: {', '.join(self._matching.list_left_out())}"]
        if self._matching.ignoring.rules:
            lines.append(f"ignored: {', '.join(self._matching.ignoring.rules)}")
        # What is no UTF-8 in a query is a lone surrogate here.
        text = "\n".join(lines).encode("utf-8", "backslashreplace").decode()
        return f"{text[:TEXT_CHARACTERS]}\n"

    def _explain_one(
        self, entry: Entry, comparison: Comparison, *, is_websocket: bool
    ) -> list[str]:
        request, status = entry.request, entry.response.status
        lines = [f"entry {entry.index}: {request.method} {shorten(request.url, 300)} -> {status}"]
        checks = list(comparison.checks)
        if is_socket(entry) != is_websocket:
            told = "a websocket" if is_socket(entry) else "no websocket"
            checks.append(Check(ok=False, text=f"it is {told}"))
        elif comparison.is_match:
            with self._lock:
                is_used = any(self.entries[place] is entry for place in self._used)
            if is_used:
                advice = 'reuse="repeat_last" or "cycle" would use it again'
                checks.append(Check(ok=False, text=f"used already: {advice}"))
        return [*lines, *(line for check in checks for line in check.format("  "))]


def check_reuse(reuse: object) -> Reuse:
    """Return the policy of reuse, if there is such a one.

    Raises:
        ConfigurationError: there is not.
    """
    if reuse not in get_args(Reuse):
        known = ", ".join(f'"{each}"' for each in get_args(Reuse))
        raise ConfigurationError(f"reuse is one of {known}, not {reuse!r}")
    checked: Reuse = reuse  # type: ignore[assignment]  # just compared
    return checked


def is_socket(entry: Entry) -> bool:
    """Tell whether a recording is of a websocket, be it one that was refused."""
    return entry.is_websocket or "websocket" in entry.request.fields.tokens("upgrade")


def describe_unused(entries: Sequence[Entry]) -> str:
    """Write which recordings answered nothing."""
    shown = [f"entry {one.index}: {one.request.method} {one.request.url}" for one in entries[:20]]
    more = [f"and {len(entries) - 20} more"] if len(entries) > 20 else []
    told = "\n".join(f"  {shorten(line)}" for line in [*shown, *more])
    return f"{count(len(entries), 'recording')} answered nothing:\n{told}"


def _kind_of(entry: Entry) -> str:
    return _name_kind(is_websocket=is_socket(entry))


def _name_kind(*, is_websocket: bool) -> str:
    return "websocket" if is_websocket else "plain"


def _describe_body(asked: RecordedRequest) -> str:
    start = asked.body[:BODY_SHOWN].decode("utf-8", "backslashreplace")
    more = "…" if len(asked.body) > BODY_SHOWN else ""
    kind = shorten(asked.content_type or "no Content-Type", 120)
    return f"its body, {len(asked.body)} bytes, {kind}: {shorten(start, 2 * BODY_SHOWN)}{more}"
