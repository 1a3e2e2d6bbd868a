"""The record of a whole run: what each test's servers saw, merged from every worker."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from kit.clock import isoformat, monotonic, now
from kit.limits import MIB
from kit.record import har
from kit.record.entry import Page
from kit.record.redaction import DEFAULT, Redaction
from kit.version import __version__
from kit.viewer.page import write

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from kit.record import Exchange
    from kit.record.entry import Entry

MAX_TEST_EXCHANGES = 2_000
"""Of the exchanges of one test, the last ones that are kept."""
MAX_TEST_BYTES = 8 * MIB
"""How much JSON they may be."""
MAX_RUN_BYTES = 96 * MIB
"""How much JSON all tests may be; beyond it, tests that passed are forgotten first."""

BAD_OUTCOMES = frozenset(("failed", "error", "xpassed", "rerun"))

_FAILURE_SHOWN = 20_000


class RealTime:
    """Dates exchanges by the real clock, whatever time a test has frozen.

    Made while no time is frozen.
    """

    __slots__ = ("_offset_s",)

    def __init__(self) -> None:
        self._offset_s = now() - monotonic()

    def date(self, exchange: Exchange) -> float:
        """Return when the exchange's request arrived, in POSIX seconds."""
        return exchange.received_at + self._offset_s

    def now(self) -> float:
        """Return the time it really is, in POSIX seconds."""
        return monotonic() + self._offset_s


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a runner tells of a test once it is over.

    Attributes:
        name: the test's node id.
        outcome: "passed", "failed", "error", "skipped", "xfailed", "xpassed" or "rerun".
        duration_s: how long it took, set-up and teardown included.
        started_at: POSIX seconds.
        worker: the process that ran it; "" where there is only one.
    """

    name: str
    outcome: str
    duration_s: float = 0.0
    started_at: float = 0.0
    worker: str = ""

    @property
    def is_bad(self) -> bool:
        """Tell whether it is a failure, or one that was tried again."""
        return self.outcome in BAD_OUTCOMES


def pack_test(
    exchanges: Iterable[Exchange],
    *,
    name: str,
    real_time: RealTime,
    problems: str = "",
    failure: str = "",
    dropped: int = 0,
    redaction: Redaction | None = DEFAULT,
    max_exchanges: int = MAX_TEST_EXCHANGES,
    max_bytes: int = MAX_TEST_BYTES,
) -> str:
    """Pack what a test's servers saw, for `RunRecord.add`, which another process may have.

    Args:
        exchanges: in any order; also those still open.
        name: the test's node id.
        real_time: gives the exchanges their place on the time axis.
        problems: what was wrong on the servers.
        failure: how the test failed.
        dropped: exchanges that journals have dropped.
        redaction: what is taken out; None for nothing.
        max_exchanges: of more, the last ones are kept, and the others counted.
        max_bytes: of what is longer, too.

    Returns:
        JSON, in ASCII.
    """
    ordered = sorted(exchanges, key=lambda each: (each.received_at, each.id))
    kept = ordered[-max_exchanges:]
    entries = _date_all(har.entries_of(kept, pageref=name, explain=_explain), kept, real_time)
    page = Page(id=name, title=name, kit=_list_troubles(problems, failure))
    if redaction is not None:
        entries, [page] = redaction.redact_all(entries, [page])
    texts = list(_fit((_to_json(har.dump_entry(entry)) for entry in reversed(entries)), max_bytes))
    dropped += len(ordered) - len(texts)
    facts = {"id": page.id, "kit": page.kit, "dropped": dropped}
    return f'{{"page":{_to_json(facts)},"entries":[{",".join(reversed(texts))}]}}'


class RunRecord:
    """Collects the packed tests of a run; makes one document of them.

    Args:
        max_bytes: how much JSON is held at most.
    """

    def __init__(self, *, max_bytes: int = MAX_RUN_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._tests: list[tuple[Told, str | None]] = []

    @property
    def has_failures(self) -> bool:
        """Tell whether a test was bad."""
        return any(told.is_bad for told, _ in self._tests)

    def add(self, told: Told, packed: str | None) -> None:
        """Take a test that is over; None where its servers have nothing to tell."""
        self._bytes += len(packed or "")
        self._tests.append((told, packed))
        if self._bytes > self._max_bytes:
            self._forget()

    def make_document(
        self, *, is_bad_only: bool = False, has_exchanges_only: bool = False
    ) -> dict[str, Any]:
        """Make the HAR document, a page per test.

        Args:
            is_bad_only: without the tests that are in order.
            has_exchanges_only: without the tests that have no exchange.
        """
        pages: list[dict[str, Any]] = []
        entries: list[dict[str, Any]] = []
        names: dict[str, int] = {}
        dropped = 0
        for told, packed in sorted(self._tests, key=lambda each: each[0].started_at):
            page, own = _unpack(told, packed)
            dropped += page["dropped"]
            if (is_bad_only and not told.is_bad) or (has_exchanges_only and not own):
                continue
            identifier = _number(page["id"], names)
            pages.append(_make_page(identifier, told, page))
            entries += _adopt(own, identifier)
        entries.sort(key=_start_of)
        log: dict[str, Any] = {
            "version": "1.2",
            "creator": {"name": "wirekit", "version": __version__},
            "pages": pages,
            "entries": entries,
        }
        if dropped:
            log["_kit"] = {"dropped": dropped}
        return {"log": log}

    def write_report(
        self, path: str | os.PathLike[str], *, title: str | None = None, is_bad_only: bool = False
    ) -> tuple[int, int]:
        """Write the run's page; return how many tests and exchanges it has.

        Raises:
            OSError: the file cannot be written.
        """
        document = self.make_document(is_bad_only=is_bad_only)
        write(path, document, title=title)
        return _count(document)

    def write_har(
        self, path: str | os.PathLike[str], *, is_bad_only: bool = False
    ) -> tuple[int, int]:
        """Write the run's HAR file; return how many tests and exchanges it has.

        Raises:
            OSError: the file cannot be written.
        """
        document = self.make_document(is_bad_only=is_bad_only, has_exchanges_only=True)
        har.write(path, document)
        return _count(document)

    def _forget(self) -> None:
        """Forget exchanges, of tests that passed first and of early ones first."""
        order = sorted(range(len(self._tests)), key=lambda at: (self._tests[at][0].is_bad, at))
        for at in order:
            if self._bytes <= self._max_bytes:
                return
            told, packed = self._tests[at]
            if packed is None:
                continue
            page, own = _unpack(told, packed)
            if own:
                page["dropped"] += len(own)
                forgotten = _to_json({"page": page, "entries": []})
                self._tests[at] = (told, forgotten)
                self._bytes -= len(packed) - len(forgotten)


def _list_troubles(problems: str, failure: str) -> dict[str, Any]:
    troubles: dict[str, Any] = {}
    if problems:
        troubles["problems"] = [problems]
    if len(failure) > _FAILURE_SHOWN:
        failure = (
            f"({len(failure) - _FAILURE_SHOWN} characters left out)\n" + failure[-_FAILURE_SHOWN:]
        )
    if failure:
        troubles["failure"] = failure
    return troubles


def _date_all(
    entries: Iterable[Entry], exchanges: Iterable[Exchange], real_time: RealTime
) -> list[Entry]:
    """Give entries their real time, which `startedDateTime` may not tell, nor so finely."""
    dated = []
    for entry, exchange in zip(entries, exchanges, strict=True):
        # An entry begins when its connection does, if that was opened for it.
        connect_s = max(0.0, entry.timings.connect) / 1000
        started_at = round(real_time.date(exchange) - connect_s, 6)
        dated.append(dataclasses.replace(entry, kit={**entry.kit, "started_at": started_at}))
    return dated


def _explain(exchange: Exchange) -> str:
    """Tell what came near a request that nothing took: the answer to it says so."""
    endpoint = exchange.endpoint
    if endpoint is None or endpoint.is_match or exchange.connection.role != "server":
        return ""
    return exchange.response_body.decode("utf-8", "replace")


def _fit(texts: Iterable[str], max_bytes: int) -> Iterator[str]:
    for text in texts:
        max_bytes -= len(text)
        if max_bytes < 0:
            return
        yield text


def _to_json(value: object) -> str:
    # Lone surrogates and all else that is not ASCII are escaped: any channel carries it.
    return json.dumps(value, separators=(",", ":"))


def _unpack(told: Told, packed: str | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if packed is None:
        return {"id": told.name, "kit": {}, "dropped": 0}, []
    data = json.loads(packed)
    return data["page"], data["entries"]


def _number(name: str, seen: dict[str, int]) -> str:
    """Tell tests of one name apart: the attempts of one that was tried again."""
    seen[name] = number = seen.get(name, 0) + 1
    return name if number == 1 else f"{name} ({number})"


def _make_page(identifier: str, told: Told, page: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"outcome": told.outcome, "duration_s": round(told.duration_s, 6)}
    if told.worker:
        facts["worker"] = told.worker
    if page["dropped"]:
        facts["dropped"] = page["dropped"]
    return {
        "startedDateTime": isoformat(told.started_at),
        "id": identifier,
        "title": identifier,
        "pageTimings": {},
        "_kit": {**facts, **page["kit"]},
    }


def _adopt(entries: list[dict[str, Any]], page: str) -> Iterator[dict[str, Any]]:
    for entry in entries:
        adopted = {**entry, "pageref": page}
        if "connection" in entry:
            # Each test numbers its connections from 1.
            adopted["connection"] = f"{page} {entry['connection']}"
        yield adopted


def _start_of(entry: dict[str, Any]) -> float:
    started_at: float = entry["_kit"]["started_at"]
    return started_at


def _count(document: dict[str, Any]) -> tuple[int, int]:
    return len(document["log"]["pages"]), len(document["log"]["entries"])
