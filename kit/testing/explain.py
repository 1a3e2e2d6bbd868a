"""What a comparison of this project's own objects failed for, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kit.errors import LocalProtocolError
from kit.expect import Stub
from kit.headers import Headers
from kit.messages import Request, Response
from kit.opcodes import WebSocketOpCode
from kit.record import Exchange, FrameRecord, Journal
from kit.serializable import Serializable
from kit.testing.sources import show_exchange
from kit.testing.text import escape, show_line, show_target, show_value
from kit.testing.verify import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    Fields = Mapping[str, Any]

_BRIEF = 60
_SHOWN = 200
_LISTED = 20
_BEFORE = 5
_NO_VALUE = object()


def explain_comparison(operator: str, left: object, right: object) -> list[str] | None:
    """Say how two values differ of which one is an object, or a list of objects, of kit.

    Args:
        operator: as in the source; only "==" is explained.
        left: what was got.
        right: what was expected.

    Returns:
        The comparison in one line, and lines that tell where the two part, ✓ and ✗;
        None if there is nothing to say.
    """
    if operator != "==":
        return None
    lines = _explain(left, right)
    if lines is None:
        return None
    return [f"{_show_brief(left)} == {_show_brief(right)}", *lines]


def _explain(left: Any, right: Any) -> list[str] | None:
    if isinstance(left, Headers) or isinstance(right, Headers):
        return _explain_headers(left, right)
    for kind, read in _READERS.items():
        if isinstance(left, kind) and isinstance(right, kind):
            return _compare_fields(read(left), read(right)) or [_tell_identity(kind)]
        if isinstance(left, kind) or isinstance(right, kind):
            other = right if isinstance(left, kind) else left
            return [_tell_hint(kind, other)]
    if isinstance(left, Serializable) or isinstance(right, Serializable):
        return _explain_messages(left, right)
    if isinstance(left, Journal) or isinstance(right, Journal):
        return _explain_journals(left, right)
    if _is_list(left) and _is_list(right) and (_has_own(left) or _has_own(right)):
        return _compare_items(left, right)
    return None


def _show_brief(value: object) -> str:
    return show_value(value, _BRIEF)


# Header fields


def _explain_headers(left: Any, right: Any) -> list[str] | None:
    try:
        got, expected = (_read_headers(each) for each in (left, right))
    except (TypeError, LocalProtocolError) as error:
        return [f"which can be no header fields: {escape(str(error))}"]
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return ["header fields and a list are never equal: compare headers.raw, or a dict"]
    return _compare_fields(got, expected)


def _read_headers(value: Any) -> Fields:
    headers = value if isinstance(value, Headers) else Headers(value)
    return {
        name.decode("latin-1"): [each.decode("latin-1") for each in headers[name]]
        for name in headers
    }


# What has fields


def _read_exchange(exchange: Exchange) -> Fields:
    return {
        "request": f"{exchange.method} {exchange.target}",
        "request headers": exchange.request_headers.raw,
        "request body": exchange.request_body,
        "status": exchange.status,
        "response headers": exchange.response_headers.raw,
        "response body": exchange.response_body,
        "error": exchange.error,
    }


def _read_response(response: Response) -> Fields:
    return {
        "type": type(response).__name__,
        "status_code": response.status_code,
        "headers": response.headers.raw,
        "payload": response.payload,
    }


def _read_request(request: Request) -> Fields:
    return {
        "method": request.method,
        "target": request.target,
        "headers": request.headers.raw,
        "client_address": request.client_address,
    }


_READERS: dict[type, Any] = {
    Exchange: _read_exchange,
    Response: _read_response,
    Request: _read_request,
}
_HINTS = {
    Exchange: "compare its .status, .path, .request_headers or .request_body, or use assert_body",
    Response: "compare its .status_code, .headers or .payload, or what .json() or .text() gives",
    Request: "compare its .method, .path, .params or .headers, or what .json() gives",
}


def _tell_identity(kind: type) -> str:
    return f"they differ in nothing, but {_name(kind)} equals itself alone: {_HINTS[kind]}"


def _tell_hint(kind: type, other: object) -> str:
    return f"{_name(kind)} never equals {_name(type(other))}: {_HINTS[kind]}"


def _name(kind: type) -> str:
    name = kind.__name__
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


def _explain_messages(left: Any, right: Any) -> list[str]:
    if type(left) is not type(right):
        return [f"{_name(type(left))} never equals {_name(type(right))}"]
    return _compare_fields(_read_message(left), _read_message(right))


def _read_message(message: Serializable) -> Fields:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def _compare_fields(got: Fields, expected: Fields) -> list[str]:
    """Write each field with a mark; no line at all if none differs."""
    lines, kept = [], 0
    for name in dict.fromkeys((*got, *expected)):
        one, other = got.get(name, _NO_VALUE), expected.get(name, _NO_VALUE)
        if one is not _NO_VALUE and other is not _NO_VALUE and _is_equal(one, other):
            kept += 1
        elif one is _NO_VALUE:
            lines.append(f"  ✗ {show_line(name, _SHOWN)} is missing, expected {_show(other)}")
        elif other is _NO_VALUE:
            lines.append(f"  ✗ {show_line(name, _SHOWN)} is {_show(one)}, not expected at all")
        else:
            lines.append(f"  ✗ {show_line(name, _SHOWN)} is {_show(one)}, expected {_show(other)}")
    if not lines:
        return []
    left_out = len(lines) - _LISTED
    shown = [*lines[:_LISTED], f"  and {left_out} more"] if left_out > 0 else lines
    same = f"  ✓ {kept} other{'' if kept == 1 else 's'} equal"
    return [*shown, same] if kept else shown


def _is_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - a payload is anybody's class
        return False


def _show(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        return show_value(value[0], _SHOWN)
    return show_value(value, _SHOWN)


# Lists


def _explain_journals(left: Any, right: Any) -> list[str] | None:
    journal = left if isinstance(left, Journal) else right
    other = right if journal is left else left
    head = "a Journal equals itself alone: compare list(journal), or use assert_exchanges"
    if not _is_list(other) and not isinstance(other, Journal):
        return [head]
    return [head, *_compare_items(list(left), list(right))]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | FrameRecord)


def _has_own(items: Iterable[Any]) -> bool:
    for item in items:
        if isinstance(item, _ITEMS):
            return True
        if isinstance(item, tuple) and item and isinstance(item[0], WebSocketOpCode):
            return True
    return False


_ITEMS = (Exchange, WebSocketOpCode, FrameRecord, Problem, Stub, Request, Response, Serializable)


def _compare_items(got: Sequence[Any], expected: Sequence[Any]) -> list[str]:
    """Write both lists beside each other, around where they part first."""
    lines, parting = [], None
    for index in range(max(len(got), len(expected))):
        mark, line = _compare_item(index, got, expected)
        if mark == "✗" and parting is None:
            parting = index
        lines.append(f"  {mark} {index + 1} {line}")
    start = max(0, (parting or 0) - _BEFORE)
    end = start + _LISTED
    before = [f"  ({start} equal before)"] if start else []
    after = [f"  and {len(lines) - end} more"] if len(lines) > end else []
    return [*before, *lines[start:end], *after]


def _compare_item(index: int, got: Sequence[Any], expected: Sequence[Any]) -> tuple[str, str]:
    if index >= len(got):
        return "✗", f"there is no more, expected {_show_item(expected[index])}"
    shown = _show_item(got[index])
    if index >= len(expected):
        return "✗", f"{shown}, not expected any more"
    if _is_equal(got[index], expected[index]):
        return "✓", shown
    wanted = _show_item(expected[index])
    return "✗", f"{shown}, expected {wanted if wanted != shown else f'another one, also {wanted}'}"


def _show_item(item: Any) -> str:
    """Show an item of a list in one line."""
    if isinstance(item, Exchange):
        return show_exchange(item)
    if isinstance(item, WebSocketOpCode):
        return item.name
    if isinstance(item, FrameRecord):
        return f"{item.direction} {item.name} {show_value(item.payload, _BRIEF)}"
    if isinstance(item, Problem):
        return show_line(item.text.partition("\n")[0], _SHOWN)
    if isinstance(item, Stub):
        return show_line(str(item), _SHOWN)
    if isinstance(item, Request):
        return f"{item.method} {show_target(item.target)}"
    if isinstance(item, tuple) and item and isinstance(item[0], WebSocketOpCode):
        rest = ", ".join(show_value(each, _BRIEF) for each in item[1:])
        return f"{item[0].name} {rest}".rstrip()
    return show_value(item, _SHOWN)
