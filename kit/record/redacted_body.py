"""Secrets in bodies and websocket messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kit.errors import BodyError, LocalProtocolError
from kit.expect.multipart import parse_multipart
from kit.messages.content import dump_json, is_json, is_msgpack, media_type, parse_json
from kit.record.redacted_fields import redact_field, redact_pair
from kit.record.redacted_text import redact_looks, redact_prose, redact_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.record.rules import Rules
    from kit.record.sensitive import Secrets

    Line = Callable[[str, Rules, Secrets], str]

MAX_DEPTH: Final = 100
"""JSON nested more deeply is redacted as text."""

_SCRIPTS: Final = frozenset(
    (
        *("text/html", "application/xhtml+xml", "text/css", "text/javascript"),
        *("application/javascript", "application/x-javascript", "application/ecmascript"),
    )
)
"""Media types in which a name and a colon are no header field."""


class Deep(Exception):  # noqa: N818 - never leaves the redaction
    """A value is nested too deeply."""


def redact_body(body: bytes, content_type: str, rules: Rules, secrets: Secrets) -> bytes:
    """Redact a body by its media type; without one, by what it looks like.

    The same object comes back if there is nothing to take out.
    """
    if not body:
        return body
    kind = media_type(content_type)
    if kind == "application/x-www-form-urlencoded":
        return _redact_form(body, rules, secrets)
    if kind == "multipart/form-data":
        return _redact_multipart(body, content_type, rules, secrets)
    if is_msgpack(content_type):
        return _redact_msgpack(body, rules, secrets)
    if is_json(content_type) or (not kind.startswith("text/") and _is_like_json(body)):
        try:
            return _redact_json(body, rules, secrets)
        except (BodyError, Deep):
            return _redact_lines(body, rules, secrets)
    return _redact_lines(body, rules, secrets, redact_looks if kind in _SCRIPTS else redact_prose)


def _is_like_json(body: bytes) -> bool:
    return body[:64].lstrip()[:1] in (b"{", b"[")


def _redact_json(body: bytes, rules: Rules, secrets: Secrets) -> bytes:
    value = parse_json(body)
    redacted = redact_tree(value, rules, secrets)
    if redacted == value:
        return body
    try:
        return dump_json(redacted)
    except LocalProtocolError:
        raise Deep from None


def redact_tree(value: Any, rules: Rules, secrets: Secrets, *, depth: int = 0) -> Any:
    """Redact a JSON value: what sensitive names stand for, and what texts hold.

    Raises:
        Deep: it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise Deep
    if isinstance(value, dict):
        named = _find_named(value)
        return {
            name: _redact_member(named.get(name, str(name)), one, rules, secrets, depth=depth + 1)
            for name, one in value.items()
        }
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and value[0] in rules.names:
            return [
                value[0],
                _redact_member(value[0], value[1], rules, secrets, depth=depth + 1),
            ]
        return [redact_tree(one, rules, secrets, depth=depth + 1) for one in value]
    return _redact_inner(value, rules, secrets) if isinstance(value, str) else value


def _find_named(value: dict[Any, Any]) -> dict[Any, str]:
    """Tell what `value` stands for in `{"name": "token", "value": "..."}`."""
    name = value.get("name", value.get("key"))
    return {"value": name} if isinstance(name, str) else {}


def _redact_inner(text: str, rules: Rules, secrets: Secrets) -> str:
    """Redact a text in JSON, which may be JSON itself."""
    if text[:1] in ("{", "["):
        try:
            raw = text.encode()
            redacted = _redact_json(raw, rules, secrets)
        except (BodyError, Deep, UnicodeError):
            pass
        else:
            return text if redacted is raw else redacted.decode()
    return redact_string(text, rules, secrets)


def _redact_member(name: str, value: Any, rules: Rules, secrets: Secrets, *, depth: int) -> Any:
    if isinstance(value, dict | list):
        if name in rules.names:
            return _redact_leaves(value, rules, secrets, depth=depth)
        return redact_tree(value, rules, secrets, depth=depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if name.lower() in ("cookie", "set-cookie"):
            return redact_field(name, value, rules, secrets)
        redacted = rules.redact_value("json", name, value, secrets)
        return redacted if redacted != value else redact_tree(value, rules, secrets, depth=depth)
    return rules.placeholder if name in rules.names else value


def _redact_leaves(value: Any, rules: Rules, secrets: Secrets, *, depth: int) -> Any:
    """Redact all that a sensitive name stands for, and leave its form."""
    if depth > MAX_DEPTH:
        raise Deep
    if isinstance(value, dict):
        return {
            name: _redact_leaves(one, rules, secrets, depth=depth + 1)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_redact_leaves(one, rules, secrets, depth=depth + 1) for one in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if isinstance(value, str) and value != rules.placeholder:
        secrets.learn(value)
    return rules.placeholder


def _redact_msgpack(body: bytes, rules: Rules, secrets: Secrets) -> bytes:
    import msgspec

    try:
        value = msgspec.msgpack.decode(body)
        redacted = redact_tree(value, rules, secrets)
        return body if redacted == value else msgspec.msgpack.encode(redacted)
    except (ValueError, TypeError, RecursionError, Deep):
        return body


def _redact_form(body: bytes, rules: Rules, secrets: Secrets) -> bytes:
    pairs = body.decode("latin-1").split("&")
    redacted = [redact_pair(pair, "form", rules, secrets) for pair in pairs]
    return body if redacted == pairs else "&".join(redacted).encode("latin-1", "replace")


def _redact_multipart(body: bytes, content_type: str, rules: Rules, secrets: Secrets) -> bytes:
    try:
        parts = parse_multipart(content_type, body)
    except BodyError:
        return _redact_lines(body, rules, secrets)
    # What stands before the first boundary is no part, whatever it looks like.
    at = _find_first_part(body, content_type)
    pieces = [body[:at]]
    for part in parts:
        # A part's content stands behind the empty line that ends its head.
        start = body.index(b"\r\n\r\n" + part.content + b"\r\n--", at) + 4
        content = _redact_part(part.name, part.content, part.content_type, rules, secrets)
        pieces += [body[at:start], content]
        at = start + len(part.content)
    redacted = b"".join([*pieces, body[at:]])
    return body if redacted == body else redacted


def _find_first_part(body: bytes, content_type: str) -> int:
    from email.message import Message

    message = Message()
    message["Content-Type"] = content_type
    boundary = str(message.get_boundary()).encode("latin-1", "replace")
    found = re.compile(rb"\r\n--" + re.escape(boundary) + rb"[ \t]*\r\n").search(b"\r\n" + body)
    return 0 if found is None else found.start()


def _redact_part(
    name: str, content: bytes, content_type: str, rules: Rules, secrets: Secrets
) -> bytes:
    try:
        text = content.decode()
    except UnicodeError:
        return rules.placeholder.encode() if name in rules.names else content
    redacted = rules.redact_value("part", name, text, secrets)
    if redacted != text:
        return redacted.encode()
    return redact_body(content, content_type, rules, secrets)


def _redact_lines(
    body: bytes, rules: Rules, secrets: Secrets, redact_text: Line = redact_prose
) -> bytes:
    """Redact text: lines that hold JSON (events, JSON lines) by name, others by looks."""
    try:
        text = body.decode()
    except UnicodeError:
        if b"\0" in body:
            return body
        text = body.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    redacted = [_redact_line(line, rules, secrets, redact_text) for line in lines]
    if redacted == lines:
        return body
    return "\n".join(redacted).encode("utf-8", "surrogateescape")


def _redact_line(line: str, rules: Rules, secrets: Secrets, redact_text: Line) -> str:
    start = 0
    if line.startswith("data:"):
        start = 6 if line[5:6] == " " else 5
    if line[start : start + 1] in ("{", "["):
        raw = line[start:].rstrip("\r").encode("utf-8", "surrogateescape")
        try:
            redacted = _redact_json(raw, rules, secrets)
        except (BodyError, Deep):
            pass
        else:
            if redacted is raw:
                return line
            end = "\r" if line.endswith("\r") else ""
            return line[:start] + redacted.decode() + end
    return redact_text(line, rules, secrets)
