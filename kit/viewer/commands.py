"""The curl command of each entry of a HAR document, which may come from anywhere."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from kit.limits import KIB
from kit.record.capture import BodyRecord
from kit.record.connection import ConnectionInfo
from kit.record.exchange import Exchange
from kit.record.heads import UnparsedHead, to_origin_form
from kit.testing.curl import format_curl

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY = 64 * KIB
"""Requests with a longer body get no command: it would be written twice."""


class _Head:
    """The head of a request that is read from a document."""

    __slots__ = ("http_version", "method", "raw_headers", "target")

    raw = b""

    def __init__(
        self, method: str, target: str, http_version: str, raw_headers: list[tuple[bytes, bytes]]
    ) -> None:
        self.method = method
        self.target = target
        self.http_version = http_version
        self.raw_headers = raw_headers


def add_commands(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with `_kit.curl` in every entry whose request can be sent again."""
    log = _dict(document.get("log"))
    entries = log.get("entries")
    if not isinstance(entries, list):
        return dict(document)
    return {**document, "log": {**log, "entries": [_add_command(entry) for entry in entries]}}


def _add_command(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    kit = _dict(entry.get("_kit"))
    command = None if "curl" in kit else write_command(entry)
    return entry if command is None else {**entry, "_kit": {**kit, "curl": command}}


def write_command(entry: Mapping[str, Any]) -> str | None:
    """Write the command that sends an entry's request again.

    Returns:
        The command for bash or zsh; None if the entry does not say enough, or too much.
    """
    request, kit = _dict(entry.get("request")), _dict(entry.get("_kit"))
    if not (_text(request.get("method")) and _text(request.get("url"))) and "unparsed" not in kit:
        return None
    try:
        body = _read_body(request)
        if len(body) > MAX_BODY:
            return None
        connection = _read_connection(request, kit)
        exchange = Exchange(connection, 1, _read_head(request, kit), 0.0)
        facts = _dict(kit.get("request_body"))
        length = request.get("bodySize")
        if facts.get("truncated") and isinstance(length, int):
            exchange.request_content = BodyRecord(body, length, "")
        else:
            exchange.request_content = body
        return format_curl(exchange)
    except ValueError:
        # A URL, a field or an address that is none; UnicodeError among it.
        return None


def _read_head(request: Mapping[str, Any], kit: Mapping[str, Any]) -> _Head | UnparsedHead:
    unparsed = kit.get("unparsed")
    if isinstance(unparsed, str):
        return UnparsedHead(unparsed.encode("latin-1"))
    fields = [_read_field(_dict(each)) for each in _list(request.get("headers"))]
    # What a browser writes of HTTP/2 has its pseudo-header fields (RFC 9113 section 8.3).
    fields = [field for field in fields if not field[0].startswith(b":")]
    url = _text(request.get("url"))
    if not any(name.lower() == b"host" for name, _ in fields) and "role" not in kit:
        fields.insert(0, (b"Host", urlsplit(url).netloc.rpartition("@")[2].encode("ascii")))
    version = "1.0" if _text(request.get("httpVersion")).upper() == "HTTP/1.0" else "1.1"
    target = to_origin_form(url).partition("#")[0]
    return _Head(_text(request.get("method")), target, version, fields)


def _read_field(field: Mapping[str, Any]) -> tuple[bytes, bytes]:
    name, value = _text(field.get("name")), _text(field.get("value"))
    if not name or not set("\r\n\0").isdisjoint(name + value):
        raise ValueError(f"no header field: {name!r}")
    return name.encode("latin-1"), value.encode("latin-1")


def _read_body(request: Mapping[str, Any]) -> bytes:
    post = _dict(request.get("postData"))
    text = post.get("text")
    if isinstance(text, str) and text:
        if "base64" in (post.get("_encoding"), post.get("encoding")):
            return base64.b64decode(text, validate=True)
        return text.encode()
    pairs = [_dict(each) for each in _list(post.get("params"))]
    return urlencode(
        [(_text(each.get("name")), _text(each.get("value"))) for each in pairs]
    ).encode()


def _read_connection(request: Mapping[str, Any], kit: Mapping[str, Any]) -> ConnectionInfo:
    """Tell where the request went: as the recorder has it, or else as the URL says."""
    parts = urlsplit(_text(request.get("url")))
    is_tls = parts.scheme in ("https", "wss")
    peer = (parts.hostname or "localhost", parts.port or (443 if is_tls else 80))
    stated = kit.get("local") if kit.get("role") == "server" else kit.get("peer")
    if isinstance(stated, str):
        host, _, port = stated.rpartition(":")
        peer = (host.strip("[]"), int(port)) if port.isascii() and port.isdigit() else peer
    sni = _dict(kit.get("tls")).get("sni") or (parts.hostname if "role" not in kit else None)
    return ConnectionInfo(
        "client",
        ("", 0),
        peer,
        tls_version="TLS" if is_tls else None,
        sni=sni if isinstance(sni, str) else None,
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
