"""Assertions on one request: its header fields and its body."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl

from kit.errors import BodyError, ConfigurationError, LimitError
from kit.expect import UNSET, json_diff
from kit.expect.fields import HeadersCondition
from kit.expect.seen import Seen
from kit.limits import MIB
from kit.messages import Request, content
from kit.record import BodyRecord, Exchange
from kit.testing.matchers import is_value, show_wanted
from kit.testing.sources import check_exchange, show_request
from kit.testing.text import escape, show_difference, show_line, show_value

if TYPE_CHECKING:
    from kit.headers import Headers

HeaderField: TypeAlias = "tuple[str | bytes, Any]"

_SHOWN = 200
_EXCERPT = 300
_UNPACKED_BYTES = 64 * MIB
_DIFF_LINES = 20
_COMPARED_LINES = 1000
_FORM_FIELDS = 10_000
_PARTS = ("request", "response")

# Header fields


def assert_request_headers(
    exchange: Exchange,
    expected: Iterable[HeaderField] | Mapping[str, Any],
    *,
    partial: bool = False,
) -> None:
    """Assert which header fields a request had, in order and case as they came, or by name.

    Args:
        exchange: as recorded.
        expected: pairs of a name, compared with its case, and a value: text or
            bytes, a compiled pattern for all of it, a function that judges it, or
            `...` for any. Or a dict of some fields, their names in any case, as
            `expect(headers=...)` takes it: None is for one that must be absent.
        partial: whether there may be others before, between and after them, as
            there always may with a dict.

    Raises:
        AssertionError: they differ; the text goes through all of them.
        ConfigurationError: an argument cannot work.
    """
    __tracebackhide__ = True
    if isinstance(expected, Mapping):
        _assert_named(exchange, expected)
        return
    wanted = [_check_field(field) for field in _check_fields(expected)]
    got = check_exchange(exchange).request_headers.raw
    pairs = _align(wanted, got)
    is_whole = partial or all(one is not None for one, _ in pairs)
    if is_whole and all(field is not None for one, field in pairs if one is not None):
        return
    lines = [_begin(exchange)]
    for one, field in pairs:
        if one is None:
            assert field is not None  # noqa: S101 - a pair has one of the two
            shown = _show_field(field)
            lines.append(f"    {shown}" if partial else f"  ✗ {shown}, not expected here")
        elif field is not None:
            lines.append(f"  ✓ {_show_field(field)}")
        else:
            lines.append(f"  ✗ expected {_show_wanted(one)}{_explain_field(one, got)}")
    raise AssertionError("\n".join(lines))


def _assert_named(exchange: Exchange, expected: Mapping[str, Any]) -> None:
    __tracebackhide__ = True
    condition = HeadersCondition(expected)
    raw = list(check_exchange(exchange).request_headers.raw)
    seen = Seen(Request.from_wire(exchange.connection.peer, exchange.method, "/", raw, None))
    if not condition.is_held(seen):
        lines = [line for check in condition.explain(seen) for line in check.format("  ")]
        raise AssertionError("\n".join([_begin(exchange), *lines]))


def _begin(exchange: Exchange) -> str:
    return f"the header fields of {show_request(exchange)} are not those that were expected:"


def _check_fields(expected: object) -> list[object]:
    if isinstance(expected, str | bytes) or not isinstance(expected, Iterable):
        msg = f"expected a list of pairs (name, value), or a dict, not {type(expected).__name__}"
        raise ConfigurationError(msg)
    return list(expected)


def _check_field(field: object) -> tuple[bytes, Any]:
    if isinstance(field, tuple) and len(field) == 2 and isinstance(field[0], str | bytes):
        name = field[0]
        return (name.encode() if isinstance(name, str) else name), field[1]
    msg = f"expected pairs (name, value), not {field!r}"
    raise ConfigurationError(msg)


def _takes(wanted: tuple[bytes, Any], field: tuple[bytes, bytes]) -> bool:
    return wanted[0] == field[0] and _takes_value(wanted[1], field[1])


def _takes_value(wanted: Any, value: bytes) -> bool:
    pattern = wanted.pattern if isinstance(wanted, re.Pattern) else wanted
    # A function is asked about text, as an expected value usually is.
    return is_value(wanted, value if isinstance(pattern, bytes) else value.decode("latin-1"))


def _align(
    wanted: Sequence[tuple[bytes, Any]], got: Sequence[tuple[bytes, bytes]]
) -> list[tuple[tuple[bytes, Any] | None, tuple[bytes, bytes] | None]]:
    """Pair as many as possible without changing the order; the others stay alone."""
    rows, columns = len(wanted), len(got)
    fits = [[_takes(one, field) for field in got] for one in wanted]
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in reversed(range(rows)):
        for column in reversed(range(columns)):
            alone = max(best[row + 1][column], best[row][column + 1])
            both = best[row + 1][column + 1] + 1 if fits[row][column] else 0
            best[row][column] = max(alone, both)
    pairs: list[tuple[tuple[bytes, Any] | None, tuple[bytes, bytes] | None]] = []
    row = column = 0
    while row < rows or column < columns:
        is_pair = row < rows and column < columns and fits[row][column]
        if is_pair and best[row][column] == best[row + 1][column + 1] + 1:
            pairs.append((wanted[row], got[column]))
            row, column = row + 1, column + 1
        elif row < rows and (column == columns or best[row + 1][column] == best[row][column]):
            pairs.append((wanted[row], None))
            row += 1
        else:
            pairs.append((None, got[column]))
            column += 1
    return pairs


def _show_field(field: tuple[bytes, bytes]) -> str:
    name, value = (each.decode("latin-1") for each in field)
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value)} characters)"
    return escape(f"{name}: {shown}")


def _show_wanted(wanted: tuple[bytes, Any]) -> str:
    name, value = wanted
    shown = value if isinstance(value, str) and len(value) <= _SHOWN else show_wanted(value)
    return escape(f"{name.decode('latin-1')}: {shown}")


def _explain_field(wanted: tuple[bytes, Any], got: Sequence[tuple[bytes, bytes]]) -> str:
    """Tell where an expected field, or one much like it, is instead."""
    name = wanted[0]
    for number, field in enumerate(got, 1):
        if _takes(wanted, field):
            return f" here, it is field {number}"
    for number, field in enumerate(got, 1):
        if field[0] == name:
            return f", but field {number} is {_show_field(field)}"
    for number, field in enumerate(got, 1):
        if field[0].lower() == name.lower():
            return f", but in field {number} the name is written {escape(field[0].decode())}"
    return ", but there is none"


# The body


def assert_body(
    exchange: Exchange,
    *,
    json: Any = UNSET,
    form: Any = UNSET,
    text: Any = UNSET,
    bytes: Any = UNSET,  # noqa: A002 - what it is compared as
    of: str = "request",
) -> None:
    """Assert what a request's body was, in one of four forms.

    Args:
        exchange: as recorded.
        json: the value it has as JSON; in it may stand what the `json=` of an
            expectation takes.
        form: the fields of a URL-encoded form: a mapping of names to values, or to
            lists of them, or pairs in order.
        text: the text by the charset of its Content-Type; or a compiled pattern for
            all of it, or a function that judges it.
        bytes: the bytes as they came; of a body that was too long to be kept whole,
            its length and digest are compared.
        of: "response" to look at the response's body.

    Raises:
        AssertionError: it is not; the text tells where they part.
        ConfigurationError: an argument cannot work.
    """
    __tracebackhide__ = True
    forms = {"json": json, "form": form, "text": text, "bytes": bytes}
    given = [name for name, value in forms.items() if value is not UNSET]
    if len(given) != 1:
        what = " and ".join(given) if given else "none of them"
        msg = f"assert_body takes one of json, form, text and bytes, not {what}"
        raise ConfigurationError(msg)
    if of not in _PARTS:
        msg = f"of must be 'request' or 'response', not {of!r}"
        raise ConfigurationError(msg)
    body = _Body(check_exchange(exchange), of)
    lines = getattr(body, f"compare_{given[0]}")(forms[given[0]])
    if lines:
        raise AssertionError(
            "\n".join([f"the {of} body of {show_request(exchange)} {lines[0]}", *lines[1:]])
        )


class _Body:
    """A recorded body, and how it differs from what was expected.

    Each `compare` returns no line if it does not, else what goes on behind "the
    body …" and the lines below.
    """

    def __init__(self, exchange: Exchange, of: str) -> None:
        is_request = of == "request"
        self._headers: Headers = (
            exchange.request_headers if is_request else exchange.response_headers
        )
        self._content = exchange.request_content if is_request else exchange.response_content

    @property
    def _type(self) -> str:
        return self._headers.text("content-type", "")

    def _unpack(self) -> bytes:
        """Undo the content codings.

        Raises:
            BodyError: the body was not kept whole, or is not what it says.
        """
        body = self._content
        if isinstance(body, BodyRecord):
            if not body.is_complete:
                msg = (
                    f"was recorded only in part, {len(body.kept)} of {body.length} bytes: "
                    "give the server a Journal with a larger body_cap"
                )
                raise BodyError(msg)
            body = body.kept
        try:
            return content.decode_content(self._headers.raw, body, _UNPACKED_BYTES)
        except (BodyError, LimitError) as error:
            msg = f"cannot be unpacked: {escape(str(error))}"
            raise BodyError(msg) from error

    def _show(self, body: bytes | str) -> str:
        kind = self._type and f" as {show_line(self._type, _SHOWN)}"
        if not body:
            return f"  it is empty{kind}"
        if isinstance(body, bytes):
            try:
                body = body.decode()
            except UnicodeDecodeError:
                pass  # shown as bytes
        return f"  it came{kind}: {show_value(body, _EXCERPT)}"

    def compare_json(self, wanted: Any) -> list[str]:
        """Compare it as JSON."""
        json_diff(wanted, None)  # refuses what is no JSON, before the body is looked at
        try:
            body = self._unpack()
        except BodyError as error:
            return [str(error)]
        try:
            value = content.parse_json(body)
        except BodyError as error:
            return [_as_verb(error), self._show(body)]
        lines = json_diff(wanted, value)
        if not lines:
            return []
        shown = [f"  ✗ {line}" for line in lines]
        return ["is not the JSON that was expected:", *shown, self._show(body)]

    def compare_text(self, wanted: Any) -> list[str]:
        """Compare it as text."""
        try:
            body = self._unpack()
            got = content.decode_text(body, self._type)
        except BodyError as error:
            return [_as_verb(error)]
        if is_value(wanted, got):
            return []
        if not isinstance(wanted, str):
            return [f"is not text {show_wanted(wanted)}:", self._show(got)]
        return ["is not the text that was expected:", *_compare_lines(wanted, got)]

    def compare_bytes(self, wanted: Any) -> list[str]:
        """Compare it as it came; of one that was cut, length and digest."""
        if not isinstance(wanted, bytes | bytearray | memoryview):
            msg = f"bytes takes bytes, not {type(wanted).__name__}"
            raise ConfigurationError(msg)
        expected, body = b"".join([wanted]), self._content
        kept = body.kept if isinstance(body, BodyRecord) else body
        length = body.length if isinstance(body, BodyRecord) else len(body)
        is_cut = len(kept) < length
        if not is_cut and kept == expected:
            return []
        if length != len(expected):
            return [
                f"has {length} bytes, expected {len(expected)}:",
                f"  {show_difference(expected, kept)}{_tell_kept(kept, length)}",
            ]
        if not is_cut:
            return ["is not the bytes that were expected:", f"  {show_difference(expected, kept)}"]
        digest = body.sha256 if isinstance(body, BodyRecord) else None
        if hashlib.sha256(expected).hexdigest() == digest:
            return []
        told = (
            show_difference(expected[: len(kept)], kept)
            if expected[: len(kept)] != kept
            else "they part behind what was kept"
        )
        return ["is not the bytes that were expected:", f"  {told}{_tell_kept(kept, length)}"]

    def compare_form(self, wanted: Any) -> list[str]:
        """Compare it as a URL-encoded form."""
        is_mapping = isinstance(wanted, Mapping)
        if not is_mapping and (isinstance(wanted, str | bytes) or not _are_pairs(wanted)):
            msg = f"form takes a mapping or pairs (name, value), not {show_value(wanted, _SHOWN)}"
            raise ConfigurationError(msg)
        try:
            body = self._unpack()
            pairs = _parse_form(body, self._type)
        except BodyError as error:
            return [_as_verb(error)]
        lines = _compare_mapping(wanted, pairs) if is_mapping else _compare_pairs(wanted, pairs)
        if not any(line.startswith("  ✗") for line in lines):
            return []
        return ["is not the form that was expected:", *lines, self._show(body)]


def _as_verb(error: BodyError) -> str:
    text = escape(str(error))
    verb = text.removeprefix("the body ")
    return f"cannot be read: {text}" if verb.startswith("the body") else verb


def _tell_kept(kept: bytes, length: int) -> str:
    return f" (only {len(kept)} of {length} bytes were kept)" if len(kept) < length else ""


def _compare_lines(wanted: str, got: str) -> list[str]:
    before, after = wanted.splitlines(keepends=True), got.splitlines(keepends=True)
    is_short = max(len(before), len(after)) <= _COMPARED_LINES
    if max(len(before), len(after)) < 2 or not is_short:
        lines = [f"  {show_difference(wanted, got)}"]
        if max(len(wanted), len(got)) <= _SHOWN:
            lines = [f"  expected {show_value(wanted, _SHOWN)}", f"  got {show_value(got, _SHOWN)}"]
        return lines
    found = list(difflib.unified_diff(before, after, "expected", "got", n=2))
    shown = [f"  {show_value(line, _SHOWN)[1:-1]}" for line in found[:_DIFF_LINES]]
    left_out = len(found) - _DIFF_LINES
    return [*shown, f"  and {left_out} more lines"] if left_out > 0 else shown


# Forms


def _are_pairs(wanted: object) -> bool:
    return isinstance(wanted, Sequence) and all(
        isinstance(each, tuple) and len(each) == 2 for each in wanted
    )


def _parse_form(body: bytes, content_type: str) -> list[tuple[str, str]]:
    kind = content.media_type(content_type)
    if kind not in ("", "application/x-www-form-urlencoded"):
        msg = f"is {kind[:80]}, not application/x-www-form-urlencoded"
        raise BodyError(msg)
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FORM_FIELDS
        )
    except ValueError as error:
        msg = f"is not a form: {error}"
        raise BodyError(msg) from None


def _compare_mapping(wanted: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> list[str]:
    got: dict[str, list[str]] = {}
    for name, value in pairs:
        got.setdefault(name, []).append(value)
    lines = []
    for name in dict.fromkeys((*wanted, *got)):
        values = got.get(name)
        shown = f"{_show_name(name)} is {_show_values(values or [])}"
        if name not in wanted:
            lines.append(f"  ✗ {shown}, not expected at all")
        elif values is None:
            lines.append(f"  ✗ {_show_name(name)} is missing, expected {_show(wanted[name])}")
        elif _is_list(wanted[name], values):
            lines.append(f"  ✓ {shown}")
        else:
            lines.append(f"  ✗ {shown}, expected {_show(wanted[name])}")
    return lines


def _compare_pairs(
    wanted: Sequence[tuple[str, Any]], pairs: Sequence[tuple[str, str]]
) -> list[str]:
    lines = []
    for index in range(max(len(wanted), len(pairs))):
        one = wanted[index] if index < len(wanted) else None
        pair = pairs[index] if index < len(pairs) else None
        shown = "" if pair is None else f"{_show_name(pair[0])} is {_show_values([pair[1]])}"
        expected = "" if one is None else f"expected {_show_name(one[0])} to be {_show(one[1])}"
        if one is not None and pair is not None and one[0] == pair[0] and is_value(one[1], pair[1]):
            lines.append(f"  ✓ {index + 1} {shown}")
        else:
            lines.append(
                f"  ✗ {index + 1} {shown or 'there is no more'}, {expected or 'expected the end'}"
            )
    return lines


def _is_list(wanted: Any, values: list[str]) -> bool:
    many = wanted if isinstance(wanted, list | tuple) else [wanted]
    return len(many) == len(values) and all(map(is_value, many, values))


def _show_name(name: object) -> str:
    return show_value(name, _SHOWN)


def _show_values(values: Sequence[str]) -> str:
    return show_value(values[0] if len(values) == 1 else list(values), _SHOWN)


def _show(wanted: Any) -> str:
    if isinstance(wanted, list | tuple):
        return f"[{', '.join(map(show_wanted, wanted))}]"
    return show_wanted(wanted)
