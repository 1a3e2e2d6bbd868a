"""Whether a request is the one that was recorded, aspect by aspect."""

from __future__ import annotations

import difflib
import hashlib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard
from urllib.parse import parse_qs, quote_from_bytes, unquote_to_bytes

from kit.errors import BodyError, ConfigurationError
from kit.expect.checks import Check
from kit.expect.diff import json_diff
from kit.expect.multipart import parse_multipart
from kit.expect.wording import describe_callable, explain_unequal, shorten, show_text
from kit.limits import MIB
from kit.messages.content import is_json, parse_json
from kit.record.ignoring import Ignoring

if TYPE_CHECKING:
    from kit.record.entry import Entry, RecordedMessage, RecordedRequest

ASPECTS: Final = ("method", "scheme", "host", "path", "query", "body")
"""What `match_on` may name, beside "header:NAME" and functions."""
DEFAULT_ASPECTS: Final = ("method", "path", "query", "body")
WEIGHTS: Final = {"path": 8, "method": 4}
"""How far a request is off that differs in an aspect; 1 for the others."""
FIELDS: Final = 10_000
"""A form of more fields is compared as bytes."""
CONTENTS_BYTES: Final = 16 * MIB
"""Of so many bytes of bodies what was read is kept; further ones are read each time."""
REFINED: Final = 32
"""Of so many of the nearest recordings the differences are counted."""

Aspect = str | Callable[["RecordedRequest", "RecordedRequest"], object]

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


class Comparison(NamedTuple):
    """How a request compares with a recording.

    Attributes:
        checks: one per aspect.
        ignored: the rules of `ignore` that left something out.
        weight: how far it is off.
    """

    checks: list[Check]
    ignored: set[str]
    weight: int

    @property
    def is_match(self) -> bool:
        """Whether every aspect is as recorded."""
        return not self.weight


class Matching:
    """Compares requests with recorded ones; immutable.

    Bodies are compared by media type: JSON by value, forms and multipart forms by
    field, everything else by bytes.

    Args:
        match_on: what is compared: "method", "scheme", "host", "path", "query", "body",
            "header:NAME", and functions of the recorded and the present request.
        ignore: what is left out; see `Ignoring`.

    Raises:
        ConfigurationError: one of them is none of these.
    """

    def __init__(
        self, match_on: Iterable[Aspect] = DEFAULT_ASPECTS, ignore: Iterable[str] = ()
    ) -> None:
        given = (match_on,) if isinstance(match_on, str) or callable(match_on) else tuple(match_on)
        if not given:
            raise ConfigurationError("match_on names nothing: any request would match")
        self.aspects: tuple[Aspect, ...] = tuple(map(_check_aspect, given))
        self.ignoring: Ignoring = Ignoring(ignore)

    def compare(
        self,
        recorded: RecordedRequest,
        asked: RecordedRequest,
        contents: Contents | None = None,
    ) -> Comparison:
        """Compare a request with a recorded one; `contents` keeps what was read of bodies."""
        ignored: set[str] = set()
        checks, weight = [], 0
        for aspect in self.aspects:
            check = self._check(aspect, recorded, asked, ignored, contents)
            checks.append(check)
            weight += 0 if check.ok else WEIGHTS.get(str(aspect), 1)
        return Comparison(checks, ignored, weight)

    def quick_key(self, request: RecordedRequest) -> tuple[str, str]:
        """Return what two requests must have alike to match at all."""
        path = _normalize(request.path) if "path" in self.aspects else ""
        return path, request.method if "method" in self.aspects else ""

    def sort_key(self, request: RecordedRequest) -> tuple[str, ...]:
        """Return what two requests have in common that match: their order in a file."""
        method = request.method if "method" in self.aspects else ""
        key = [_normalize(request.path), method]
        if "query" in self.aspects:
            key.append(repr(sorted(self._fields("query", request, set()).items())))
        if "body" in self.aspects:
            kind, value = read_content(request, self.ignoring, set())
            key += [kind, repr(_order(value))]
        names = (each.partition(":")[2] for each in self.aspects if _is_header(each))
        key += [_join_header(request, name) for name in names]
        return tuple(key)

    def list_left_out(self) -> list[str]:
        """Name what is not compared at all."""
        left_out = [aspect for aspect in ASPECTS if aspect not in self.aspects]
        if not any(map(_is_header, self.aspects)):
            left_out.append("headers")
        return left_out

    def find_nearest(
        self, entries: Iterable[Entry], asked: RecordedRequest, limit: int
    ) -> list[tuple[Entry, Comparison]]:
        """Return the recordings that a request is the least off, the nearest first."""
        compared = [(entry, self.compare(entry.request, asked)) for entry in entries]
        compared.sort(key=lambda each: each[1].weight)
        refined = compared[:REFINED]
        refined.sort(key=lambda each: (each[1].weight, *_rank(each[0], each[1], asked)))
        return refined[:limit]

    def _check(
        self,
        aspect: Aspect,
        recorded: RecordedRequest,
        asked: RecordedRequest,
        ignored: set[str],
        contents: Contents | None,
    ) -> Check:
        if not isinstance(aspect, str):
            is_held = bool(aspect(recorded, asked))
            verdict = "" if is_held else ": said no"
            return Check(ok=is_held, text=f"{describe_callable(aspect)}{verdict}")
        if aspect == "query":
            return self._check_query(recorded, asked, ignored)
        if aspect == "body":
            return compare_contents(recorded, asked, self.ignoring, ignored, contents)
        if aspect.startswith("header:"):
            name = aspect.partition(":")[2]
            pair = (_join_header(each, name) for each in (recorded, asked))
            return _check_equal(f"header {name}", *pair)
        if aspect == "path":
            return _check_equal("path", *(_normalize(each.path) for each in (recorded, asked)))
        return _check_equal(aspect, getattr(recorded, aspect), getattr(asked, aspect))

    def _fields(
        self, kind: str, request: RecordedRequest, ignored: set[str]
    ) -> dict[str, list[str]]:
        try:
            # By bytes: those that are no UTF-8 differ too.
            fields = parse_qs(
                request.query,
                keep_blank_values=True,
                errors="surrogateescape",
                max_num_fields=FIELDS,
            )
        except ValueError:
            fields = {"": [request.query]}
        return self.ignoring.drop_fields(kind, fields, ignored)

    def _check_query(
        self, recorded: RecordedRequest, asked: RecordedRequest, ignored: set[str]
    ) -> Check:
        expected, actual = (self._fields("query", each, ignored) for each in (recorded, asked))
        return _make_check("query", _diff(_unwrap(expected), _unwrap(actual)))


class Contents:
    """Keeps what was read of bodies, so that none is read for each comparison anew.

    Safe from any thread.
    """

    __slots__ = ("_bytes", "_ignoring", "_lock", "_read")

    def __init__(self, ignoring: Ignoring) -> None:
        self._ignoring = ignoring
        self._lock = threading.Lock()
        self._read: dict[int, tuple[RecordedMessage, Any, set[str]]] = {}
        self._bytes = 0

    def read(self, message: RecordedMessage, ignored: set[str]) -> Any:
        """Read a body as `read_content` does, or remember it."""
        kept = self._read.get(id(message))
        if kept is None:
            rules: set[str] = set()
            kept = message, read_content(message, self._ignoring, rules), rules
            self._keep(kept)
        _, content, rules = kept
        ignored |= rules
        return content

    def _keep(self, kept: tuple[RecordedMessage, Any, set[str]]) -> None:
        message = kept[0]
        with self._lock:
            is_new = id(message) not in self._read
            if is_new and self._bytes + len(message.body) <= CONTENTS_BYTES:
                self._bytes += len(message.body)
                # The message is kept with it, or its id could become another's.
                self._read[id(message)] = kept

    def forget(self, message: RecordedMessage) -> None:
        """Keep nothing of a message any more."""
        with self._lock:
            if self._read.pop(id(message), None) is not None:
                self._bytes -= len(message.body)


def compare_contents(
    recorded: RecordedMessage,
    actual: RecordedMessage,
    ignoring: Ignoring,
    ignored: set[str],
    contents: Contents | None = None,
) -> Check:
    """Compare two bodies by their media type; rules that left something out are added."""
    if ignoring.has("body"):
        ignored.add("body")
        return Check(ok=True, text="body: ignored")
    if recorded.is_truncated:
        return _compare_digests(recorded, actual)
    read = contents or Contents(ignoring)
    kind, expected = read.read(recorded, ignored)
    actual_kind, given = read.read(actual, ignored)
    if kind != actual_kind:
        if not recorded.body and not actual.body:
            return Check(ok=True, text="body: none")
        told = [
            f"{len(each.body)} bytes of {shorten(each.media_type, 80) or 'no stated type'}"
            for each in (recorded, actual)
        ]
        return Check(ok=False, text=f"body: expected {told[0]}, got {told[1]}")
    if kind == "bytes":
        if expected == given:
            return Check(ok=True, text="body")
        return Check(ok=False, text=f"body: {shorten(_explain_bytes(expected, given), 400)}")
    return _make_check(kind, _diff(expected, given))


def read_content(message: RecordedMessage, ignoring: Ignoring, ignored: set[str]) -> Any:
    """Read a body as what its media type says.

    Returns:
        ("json" | "form" | "multipart", a JSON value) or ("bytes", bytes).
    """
    body, kind = message.body, message.media_type
    try:
        if message.is_encoded or not body:
            return "bytes", body
        if is_json(message.content_type):
            return "json", ignoring.drop_json(parse_json(body), ignored)
        if kind == _FORM:
            text = body.decode()
            fields = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
            return "form", _unwrap(ignoring.drop_fields("form", fields, ignored))
        if kind == _MULTIPART:
            return "multipart", _read_parts(message, ignoring, ignored)
    except (BodyError, ValueError):
        pass  # what is not what it says is compared as it is
    return "bytes", body


def _read_parts(message: RecordedMessage, ignoring: Ignoring, ignored: set[str]) -> Any:
    parts: dict[str, list[Any]] = {}
    for part in parse_multipart(message.content_type, message.body):
        told: Any = _show_content(part.content)
        if part.filename is not None:
            kind = part.content_type
            told = {"filename": part.filename, "content_type": kind, "content": told}
        parts.setdefault(part.name, []).append(told)
    return _unwrap(ignoring.drop_fields("part", parts, ignored))


def _show_content(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        digest = hashlib.sha256(content).hexdigest()
        return f"{len(content)} bytes, sha256 {digest}"


def _compare_digests(recorded: RecordedMessage, actual: RecordedMessage) -> Check:
    digest = hashlib.sha256(actual.body).hexdigest()
    is_same = actual.body.startswith(recorded.body) and recorded.sha256 in (None, digest)
    text = f"body: recorded only up to {len(recorded.body)} bytes"
    return Check(ok=is_same, text=text if is_same else f"{text}, and different")


def _explain_bytes(expected: bytes, actual: bytes) -> str:
    try:
        return explain_unequal(expected.decode(), actual.decode(), show_text)
    except UnicodeDecodeError:
        return explain_unequal(expected, actual, show_text)


def _diff(expected: Any, actual: Any) -> list[str]:
    try:
        return json_diff(expected, actual)
    except ConfigurationError as error:
        # Deeper than differences are listed for.
        return [] if expected == actual else [f"they differ ({error})"]


def _check_equal(what: str, expected: str, actual: str) -> Check:
    if expected == actual:
        return Check(ok=True, text=f"{what} {shorten(actual, 120)}".rstrip())
    told = f"expected {shorten(expected, 120) or 'none'}, got {shorten(actual, 120) or 'none'}"
    return Check(ok=False, text=f"{what}: {told}")


def _make_check(what: str, lines: list[str]) -> Check:
    if len(lines) <= 1:
        return Check(ok=not lines, text=f"{what}: {lines[0]}" if lines else what)
    return Check(ok=False, text=f"{what}:", diff=tuple(lines))


def _unwrap(fields: dict[str, list[Any]]) -> dict[str, Any]:
    """Make fields of one value that value, as people write them."""
    return {name: each[0] if len(each) == 1 else each for name, each in fields.items()}


def _normalize(path: str) -> str:
    """Write a path with as few escapes as can be (RFC 3986 section 6.2.2)."""
    parts = (unquote_to_bytes(part) for part in path.split("/"))
    return "/".join(quote_from_bytes(part, safe="!$&'()*+,;=:@~") for part in parts)


def _order(value: Any, depth: int = 100) -> Any:
    """Make JSON values that are equal written alike, whatever order their members had."""
    if isinstance(value, dict) and depth:
        return sorted((name, _order(each, depth - 1)) for name, each in value.items())
    if isinstance(value, list) and depth:
        return [_order(each, depth - 1) for each in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _rank(entry: Entry, comparison: Comparison, asked: RecordedRequest) -> tuple[float, int, int]:
    faults = sum(max(1, len(check.diff)) for check in comparison.checks if not check.ok)
    paths = entry.request.path[:200], asked.path[:200]
    return (
        -difflib.SequenceMatcher(None, *paths, autojunk=False).ratio(),
        faults,
        entry.index,
    )


def _join_header(request: RecordedRequest, name: str) -> str:
    return b", ".join(request.fields.get(name, [])).decode("latin-1")


def _is_header(aspect: object) -> TypeGuard[str]:
    return isinstance(aspect, str) and aspect.startswith("header:") and len(aspect) > 7


def _check_aspect(aspect: Any) -> Aspect:
    if not callable(aspect) and aspect not in ASPECTS and not _is_header(aspect):
        raise ConfigurationError(
            f'match_on takes {", ".join(ASPECTS)}, "header:NAME" and functions, not {aspect!r}'
        )
    checked: Aspect = aspect
    return checked
