"""A cassette: answers from a recording, and records what it has no answer to.

A server's `fallback`. Modes, as pytest-recording has them:

    mode          plays            records                       writes
    none          all              nothing, no network ever      nothing
    once          all              if there was no file          a new file
    new_episodes  what matches     the rest                      old and new together
    all           nothing          everything                    new in the place of old
    rewrite       nothing          everything                    only what is new
    verify        nothing          nothing, but asks upstream    nothing; tells differences
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from kit.errors import ConfigurationError
from kit.expect.wording import count
from kit.limits import MIB
from kit.record import har
from kit.record.deck import Deck, check_reuse, is_socket
from kit.record.fitting import Fit, fit_entries
from kit.record.har.document import CREATOR
from kit.record.matching import DEFAULT_ASPECTS, Matching
from kit.record.modes import check_mode
from kit.record.pending import Pending
from kit.record.redaction import DEFAULT
from kit.record.replay import ReplayEndpoint, SocketPlayer, check_pace
from kit.record.taking import count_joined, is_whole, read_request, tidy_entry, tidy_request
from kit.record.verifying import compare_entries
from kit.routing.endpoint import Miss

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from kit.messages import Request
    from kit.record.deck import Reuse
    from kit.record.entry import Entry, RecordedRequest
    from kit.record.exchange import Exchange
    from kit.record.har import HarLimits
    from kit.record.matching import Aspect
    from kit.record.modes import Mode
    from kit.record.observer import Observer
    from kit.record.redaction import Redaction
    from kit.record.replay import Pace
    from kit.routing.endpoint import Endpoint

SETTLE_S: Final = 2.0
"""How long the end of a recording waits for exchanges that are under way."""
MAX_RECORDED: Final = 10_000
"""Exchanges that one recording takes; further ones are counted."""
MAX_RECORDED_BYTES: Final = 256 * MIB
"""What their bodies may take, together."""
MAX_PROBLEMS: Final = 100
"""Problems that are told; further ones are counted."""
MAX_CONTENT_LENGTH: Final = 64 * MIB
"""A request with a larger body gets 413."""


class Source(Protocol):
    """The upstream that a cassette records; `kit.Upstream` and `kit.Proxy` are such."""

    @property
    def url(self) -> str:
        """Its base URL, the path included, without a trailing slash."""
        ...

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what passes a request on."""
        ...

    def add_observer(self, observer: Observer) -> None:
        """Tell an observer of each exchange with it."""
        ...

    def remove_observer(self, observer: Observer) -> None:
        """Tell an observer no more."""
        ...


class Cassette:
    """Answers a server's requests from a HAR file, or records them into it.

    Use it as a server's `fallback`, and call `finish` when the server has stopped; as a
    context manager it does so by itself, and writes nothing if the block has raised.

    Args:
        path: the HAR file, of whatever tool.
        mode: what is played and what recorded, see the module.
        upstream: whom to ask for what is recorded.
        match_on: what a request is compared by with what was recorded; see `Matching`.
        ignore: what of it is left out; see `Ignoring`.
        reuse: what follows when each recording that matches was used: "once" for a
            miss, "repeat_last", or "cycle".
        pace: when streams and websockets send what was recorded in pieces: "causal",
            "timed" or "fast"; see `kit.record.replay`.
        redaction: what is taken out before anything is compared or written; None for
            nothing.
        limits: the bounds of the file.

    Raises:
        ConfigurationError: an argument cannot work, or the mode needs an upstream.
        RecordingError: the file cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Mode = "none",
        upstream: Source | None = None,
        match_on: Iterable[Aspect] = DEFAULT_ASPECTS,
        ignore: Iterable[str] = (),
        reuse: Reuse = "once",
        pace: Pace = "causal",
        redaction: Redaction | None = DEFAULT,
        limits: HarLimits | None = None,
    ) -> None:
        self.path: Path = Path(path)
        self.mode = check_mode(mode)
        self.matching: Matching = Matching(match_on, ignore)
        self._pace = check_pace(pace)
        self._redaction = redaction
        # The functions of the user have seen what a cassette has written: a digest of a
        # digest would match nothing.
        self._again = None if redaction is None else redaction.without_functions()
        self._has_file = self.path.exists()
        self._is_own = True
        self._upstream = self._check_upstream(upstream)
        self._limits = limits or har.HarLimits()
        entries = self._load(self._limits)
        self._deck = Deck(entries, self.matching, check_reuse(reuse))
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._open: dict[int, Exchange] = {}
        self._taken: list[Exchange] = []
        self._taken_bytes = 0
        self._problems: list[str] = []
        self._more_problems = 0
        self._not_recorded = 0
        self._beyond = 0
        self._joined = 0
        self._fit = Fit([], 0, [])
        self._has_asked = False
        self._not_compared = 0
        self._ignored: set[str] = set()
        self._secrets = None if redaction is None else redaction.secrets()
        self._written_secrets = self._secrets
        self._is_finished = False
        if self._upstream is not None and self._asks:
            self._upstream.add_observer(self)

    # What it has come to

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What the file held at the start, in its order."""
        return self._deck.entries

    @property
    def is_recording(self) -> bool:
        """Whether `finish` may write the file."""
        if self.mode == "once":
            return not self._has_file
        return self.mode in ("new_episodes", "all", "rewrite")

    @property
    def has_recorded(self) -> bool:
        """Whether there is something that would change the file."""
        return bool(self._taken)

    def unused(self) -> list[Entry]:
        """Return the recordings that answered nothing."""
        return self._deck.unused()

    def problems(self) -> list[str]:
        """Tell what was not as recorded.

        These are the differences that `verify` found, and what clients said on
        websockets. Requests that nothing matched are told by their responses.
        """
        with self._lock:
            told = list(self._problems)
            if self._more_problems:
                told.append(f"and {self._more_problems} more problems")
        return told

    def ignored(self) -> list[str]:
        """Return the rules of `ignore` by which something was left out, sorted."""
        return sorted(self._ignored.copy())  # to which other threads may add

    @property
    def not_recorded(self) -> int:
        """How many exchanges with upstream came to no whole response, or were too much."""
        return self._not_recorded + self._beyond + self._fit.excess + len(self._fit.faults)

    def explain_not_recorded(self) -> str:
        """Tell what is not in the recording, or not taken out of it, in a line; "" for nothing."""
        faults = self._fit.faults
        unreadable = f"could not be read back ({'; '.join(dict.fromkeys(faults[:3]))})"
        excess = self._beyond + self._fit.excess
        told = {"had no whole response": self._not_recorded, unreadable: len(faults)}
        told["went beyond the bounds of a recording"] = excess
        told["further pieces of streams are joined to the last that is told apart"] = self._joined
        if self._written_secrets is not None:
            unsearched = self._written_secrets.not_learned
            told["finds of secrets beyond the bound are not searched in other places"] = unsearched
        return ", ".join(f"{number} {why}" for why, number in told.items() if number)

    def find_unasked(self) -> str | None:
        """In the mode verify, tell if nothing was asked, so that nothing is verified."""
        if self.mode != "verify" or self._has_asked or not self.entries:
            return None
        recordings = count(len(self.entries), "recording")
        return f"nothing was asked: {recordings} of {self.path} compared with nothing"

    # A server's fallback

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what answers a request; see `kit.routing.router.Fallback`."""
        is_socket = is_upgrade and request.method == "GET"
        return (
            self.decide(request, is_websocket=True)
            if is_socket
            else Pending(self, request, MAX_CONTENT_LENGTH)
        )

    def decide(self, request: Request, *, is_websocket: bool) -> Endpoint:
        """Return what answers a request whose body is there."""
        asked = self._read(request)
        if self._plays:
            played = self._play(asked, is_websocket=is_websocket)
            if played is not None:
                return played
        if self._upstream is None or not self._asks:
            return self._miss(request, asked, is_websocket=is_websocket)
        return self._upstream.resolve(request, is_upgrade=is_websocket)

    @property
    def _plays(self) -> bool:
        return self.mode in ("none", "once", "new_episodes")

    def _play(self, asked: RecordedRequest, *, is_websocket: bool) -> Endpoint | None:
        found = self._deck.take(asked, is_websocket=is_websocket)
        if found is None:
            return None
        entry, ignored = found
        self._ignored |= ignored
        name = f"{self.path.name} entry {entry.index}"
        if entry.frames is None or entry.response.status != 101:
            return ReplayEndpoint(entry, name, self._pace)
        player = SocketPlayer(
            entry,
            self._pace,
            ignoring=self.matching.ignoring,
            ignored=self._ignored,
            redact=None if self._redaction is None else self._redact_message,
            note=lambda text: self._note(f"{name}, websocket {entry.request.path}: {text}"),
        )
        return player.make_endpoint(entry, name)

    def _miss(self, request: Request, asked: RecordedRequest, *, is_websocket: bool) -> Endpoint:
        text = self._deck.explain(asked, is_websocket=is_websocket, where=self._describe())
        return Miss(request.method, 404, lambda _: text)

    def _describe(self) -> str:
        if not self._has_file:
            return f"{self.path}, which does not exist: record it with mode once"
        return str(self.path)

    def _read(self, request: Request) -> RecordedRequest:
        """See a request as it would be recorded."""
        base = "" if self._upstream is None else self._upstream.url
        asked = read_request(request, base)
        if self._redaction is None:
            return asked
        with self._lock:
            return self._redaction.redact_request(asked, self._secrets)

    def _redact_message(self, data: bytes) -> bytes:
        """See a websocket message as it would be recorded."""
        if self._redaction is None:
            return data
        with self._lock:
            return self._redaction.redact_message(data, self._secrets)

    # An observer of upstream

    def started(self, exchange: Exchange) -> None:
        """Note an exchange with upstream that begins."""
        with self._lock:
            self._has_asked = True
            self._open[exchange.id] = exchange

    def progress(self, exchange: Exchange) -> None:
        """Nothing is to be noted before the end."""

    def complete(self, exchange: Exchange) -> None:
        """Keep what upstream has answered."""
        with self._settled:
            if self._open.pop(exchange.id, None) is not None:
                size = len(exchange.request_body) + len(exchange.response_body)
                has_room = self._taken_bytes + size <= MAX_RECORDED_BYTES
                if has_room and len(self._taken) < MAX_RECORDED and is_whole(exchange):
                    self._taken_bytes += size
                    self._taken.append(exchange)
                else:
                    self._beyond += 1
            self._settled.notify_all()

    def failed(self, exchange: Exchange, error: str) -> None:  # noqa: ARG002 - an observer's signature
        """Count what came to no whole response."""
        with self._settled:
            if self._open.pop(exchange.id, None) is not None:
                self._not_recorded += 1
            self._settled.notify_all()

    def _note(self, text: str) -> None:
        with self._lock:
            if len(self._problems) < MAX_PROBLEMS:
                self._problems.append(text)
            else:
                self._more_problems += 1

    # The end

    def settle(self, timeout_s: float = SETTLE_S) -> bool:
        """Wait for exchanges with upstream that are under way; False if some still are."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._open, timeout_s)

    def verify(self) -> list[str]:
        """In the mode verify, compare what upstream answered with what was recorded.

        Returns:
            What is not as recorded; it is among the `problems` from now on.
        """
        self.settle()
        with self._lock:
            taken, self._taken = self._taken, []
            lost = self.not_recorded + len(self._open) - self._not_compared
            self._not_compared += lost
        if lost:
            requests = "a request" if lost == 1 else f"{lost} requests"
            self._note(f"upstream gave no whole answer to {requests}: there is nothing to compare")
        redacted = self._redact_recorded()
        for entry in self._make_entries(taken):
            found = self._deck.take(entry.request, is_websocket=is_socket(entry))
            if found is None:
                self._note(f"not recorded: {entry.request.method} {entry.request.url}")
                continue
            recorded, ignored = found
            self._ignored |= ignored
            seen = redacted.get(recorded.index, recorded)
            different = compare_entries(seen, entry, self.matching.ignoring, self._ignored)
            if different:
                self._note(f"{self.path.name} entry {recorded.index}: {different}")
        return self.problems()

    def _redact_recorded(self) -> dict[int, Entry]:
        """Give the recordings by their index, redacted as what upstream answers now is.

        Another tool may have written them.
        """
        if self._again is None:
            return {}
        redacted = self._again.redact_all(map(self._redact_rest, self.entries))[0]
        return {entry.index: entry for entry in redacted}

    def finish(self, *, keep: bool = True) -> bool:
        """End the recording: write the file if something was recorded. Twice does nothing.

        Args:
            keep: whether what was recorded is good; a failed test's is not.

        Returns:
            Whether the file was written.

        Raises:
            OSError: it cannot be written; what was there is still there.
        """
        if self._is_finished:
            return False
        self._is_finished = True
        self.settle()
        if self._upstream is not None:
            self._upstream.remove_observer(self)
        if self.mode == "verify":
            self.verify()
            if (unasked := self.find_unasked()) is not None:
                self._note(unasked)
        with self._lock:
            self._not_recorded += len(self._open)
            self._open.clear()
        if not keep or not self.is_recording or not self.has_recorded:
            return False
        document = self.make_document()
        if self._fit.entries:
            har.write(self.path, document)
        return bool(self._fit.entries)

    def make_document(self) -> dict[str, Any]:
        """Make the HAR document of what was played and recorded, in its stable order."""
        with self._lock:
            taken = list(self._taken)
        fresh = self._make_entries(taken)
        self._joined = count_joined(taken, fresh)
        self._fit = fit_entries(self._merge(fresh), set(map(id, fresh)), self._limits)
        entries = list(self._fit.entries)
        entries.sort(key=lambda entry: self.matching.sort_key(entry.request))
        indexed = [replace(entry, index=index) for index, entry in enumerate(entries)]
        if self._again is not None:
            indexed = self._again.redact_all(indexed, secrets=self._written_secrets)[0]
        return har.dump(indexed, redaction=None)

    def _merge(self, fresh: list[Entry]) -> list[Entry]:
        if self.mode == "rewrite":
            return fresh
        if self.mode != "all":
            return [*map(self._redact_rest, self.entries), *fresh]
        # Each takes the place of the recording that it would have been answered with.
        kept = self._deck.copy()
        for entry in fresh:
            kept.take(entry.request, is_websocket=is_socket(entry))
        return [*map(self._redact_rest, kept.unused()), *fresh]

    def _make_entries(self, taken: list[Exchange]) -> list[Entry]:
        entries = [tidy_entry(entry) for entry in har.entries_of(taken, is_volatile=False)]
        if self._redaction is None:
            return entries
        self._written_secrets = self._redaction.secrets()
        return self._redaction.redact_all(entries, secrets=self._written_secrets)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish(keep=kind is None)

    def __repr__(self) -> str:
        entries = "1 entry" if len(self.entries) == 1 else f"{len(self.entries)} entries"
        return f"<Cassette {self.path} {self.mode}, {entries}>"

    # The start

    @property
    def _asks(self) -> bool:
        return self.is_recording or self.mode == "verify"

    def _check_upstream(self, upstream: Source | None) -> Source | None:
        if upstream is None and self._asks:
            raise ConfigurationError(
                f"cassette {str(self.path)!r} in the mode {self.mode} asks upstream: "
                'give upstream=kit.Upstream("https://…")'
            )
        return upstream

    def _load(self, limits: HarLimits) -> list[Entry]:
        if not self._has_file or self.mode == "rewrite":
            return []
        loaded = har.load(self.path, limits=limits)
        self._is_own = loaded.creator[0] == CREATOR[0]
        return list(map(self._redact_request_of, loaded.entries))

    def _redact_request_of(self, entry: Entry) -> Entry:
        # Another tool may have written it. Its answers are played as they are.
        request = tidy_request(entry.request)
        redaction = self._again if self._is_own else self._redaction
        if redaction is not None:
            request = redaction.redact_request(request)
        return entry if request is entry.request else replace(entry, request=request)

    def _redact_rest(self, entry: Entry) -> Entry:
        """Redact what another tool has written, but for the request, which is already."""
        if self._redaction is None or self._is_own:
            return entry
        return replace(self._redaction.redact_entry(entry), request=entry.request)
