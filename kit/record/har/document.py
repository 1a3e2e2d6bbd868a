"""Entries as a HAR 1.2 document: plain dicts and lists, ready to be written as JSON."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from kit.clock import isoformat
from kit.errors import BodyError
from kit.messages.content import decode_text, dump_json, find_charset
from kit.record.har.conversion import entries_of
from kit.record.har.websockets import dump_frames, dump_messages, join_frames
from kit.record.journal import Journal
from kit.record.redaction import DEFAULT, Redaction
from kit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kit.record.entry import Entry, Page, RecordedMessage, RecordedRequest, RecordedResponse
    from kit.record.exchange import Exchange

VERSION: Final = "1.2"
CREATOR: Final = ("wirekit", __version__)

# What no text has. Escape is there for terminal output that is sent as text.
_BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def export(
    exchanges: Iterable[Exchange],
    *,
    pages: Iterable[Page] = (),
    pageref: str = "",
    redaction: Redaction | None = DEFAULT,
    explain: Callable[[Exchange], str] | None = None,
    is_volatile: bool = True,
    creator: tuple[str, str] = CREATOR,
    kit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write exchanges as a HAR document.

    Args:
        exchanges: a journal, whose dropped exchanges are told in `log._kit`, or exchanges.
        pages: one per test, where there are tests.
        pageref: the id of the page that the exchanges belong to.
        redaction: what is taken out; None for nothing.
        explain: see `entries_of`.
        is_volatile: see `entries_of`.
        creator: name and version of what makes the document.
        kit: further facts of the recording as a whole, JSON values.
    """
    facts = dict(kit or {})
    if isinstance(exchanges, Journal) and exchanges.dropped:
        facts.setdefault("dropped", exchanges.dropped)
    entries = entries_of(exchanges, pageref=pageref, explain=explain, is_volatile=is_volatile)
    return dump(entries, pages=pages, redaction=redaction, creator=creator, kit=facts)


def dump(
    entries: Iterable[Entry],
    *,
    pages: Iterable[Page] = (),
    redaction: Redaction | None = DEFAULT,
    creator: tuple[str, str] = CREATOR,
    kit: Mapping[str, Any] | None = None,
    note_step: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Write entries, in their order, as a HAR document; see `export`.

    `note_step` is called twice for each entry while they are redacted, which may take long.
    """
    kept, shown = list(entries), list(pages)
    if redaction is not None:
        kept, shown = redaction.redact_all(kept, shown, note_step=note_step)
    log: dict[str, Any] = {
        "version": VERSION,
        "creator": {"name": creator[0], "version": creator[1]},
    }
    if shown:
        log["pages"] = [_dump_page(page) for page in shown]
    log["entries"] = [dump_entry(entry) for entry in kept]
    if kit:
        log["_kit"] = dict(kit)
    return {"log": log}


def write(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write a document to a file, as a whole or not at all.

    It goes to a new file in the same directory first, which then takes the place of
    the old one. Missing directories are made.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    target = Path(path)
    data = format_document(document)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def format_document(document: Mapping[str, Any]) -> bytes:
    """Give the document as JSON with a line per value, so that versions compare well."""
    import json

    import msgspec

    try:
        return msgspec.json.format(dump_json(document), indent=2) + b"\n"
    except msgspec.DecodeError:
        # A lone surrogate, as names of files have them, can only be written as an escape.
        text = json.dumps(document, indent=2, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace") + b"\n"


def _dump_page(page: Page) -> dict[str, Any]:
    dumped: dict[str, Any] = {
        "startedDateTime": isoformat(page.started_at),
        "id": page.id,
        "title": page.title or page.id,
        "pageTimings": {},
    }
    if page.kit:
        dumped["_kit"] = dict(page.kit)
    return dumped


def dump_entry(entry: Entry) -> dict[str, Any]:
    """Write one entry."""
    dumped: dict[str, Any] = {"pageref": entry.pageref} if entry.pageref else {}
    dumped |= {
        "startedDateTime": isoformat(entry.started_at),
        "time": entry.timings.total_ms,
        "request": _dump_request(entry.request),
        "response": _dump_response(entry.response),
        "cache": {},
        "timings": _dump_timings(entry),
    }
    if entry.server_ip:
        dumped["serverIPAddress"] = entry.server_ip
    if entry.connection:
        dumped["connection"] = entry.connection
    if entry.resource_type or entry.is_websocket:
        dumped["_resourceType"] = entry.resource_type or "websocket"
    if entry.frames is not None:
        dumped["_webSocketMessages"] = dump_messages(join_frames(entry.frames), entry.started_at)
    if kit := _dump_kit(entry):
        dumped["_kit"] = kit
    return dumped


def _dump_timings(entry: Entry) -> dict[str, float]:
    timings = entry.timings
    return {
        "blocked": timings.blocked,
        "dns": timings.dns,
        "connect": timings.connect,
        "ssl": timings.ssl,
        "send": timings.send,
        "wait": timings.wait,
        "receive": timings.receive,
    }


def _dump_kit(entry: Entry) -> dict[str, Any]:
    kit = dict(entry.kit)
    if body := _dump_body_facts(entry.request):
        kit["request_body"] = body
    if body := _dump_body_facts(entry.response):
        kit["response_body"] = body
    if entry.response.marks:
        kit["chunks"] = [[round(at * 1000, 3), size] for at, size in entry.response.marks]
    if entry.frames is not None:
        kit["frames"] = dump_frames(entry.frames)
    return kit


def _dump_body_facts(message: RecordedMessage) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if message.is_truncated:
        facts |= {"truncated": True, "kept": len(message.body)}
    if message.sha256 is not None:
        facts["sha256"] = message.sha256
    if message.is_encoded:
        facts["encoded"] = True
    return facts


def _dump_request(request: RecordedRequest) -> dict[str, Any]:
    dumped: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "httpVersion": request.http_version,
        "cookies": _list_cookies(request),
        "headers": _dump_fields(request.headers),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(request.query, keep_blank_values=True)
        ],
        "headersSize": request.headers_size,
        "bodySize": request.body_size,
    }
    if request.body:
        # `text` and `params` exclude each other; only the text gives the bytes back.
        text, encoding = _dump_body(request)
        dumped["postData"] = {"mimeType": request.content_type, "text": text}
        if encoding:
            dumped["postData"]["_encoding"] = encoding
    return dumped


def _dump_response(response: RecordedResponse) -> dict[str, Any]:
    content: dict[str, Any] = {"size": len(response.body)}
    if response.is_truncated and response.body_size >= 0:
        content["size"] = response.body_size
    elif _is_decoded(response):
        content["compression"] = len(response.body) - response.body_size
    content["mimeType"] = response.content_type
    if response.body:
        content["text"], encoding = _dump_body(response)
        if encoding:
            content["encoding"] = encoding
    dumped: dict[str, Any] = {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": response.http_version,
        "cookies": [_dump_set_cookie(line) for line in response.fields.get(b"set-cookie", [])],
        "headers": _dump_fields(response.headers),
        "content": content,
        "redirectURL": response.fields.text(b"location", ""),
        "headersSize": response.headers_size,
        "bodySize": response.body_size,
    }
    if response.error is not None:
        dumped["_error"] = response.error
    return dumped


def _is_decoded(response: RecordedResponse) -> bool:
    """Tell whether the body was packed on the wire, and by how much is known."""
    is_coded = b"content-encoding" in response.fields and not response.is_encoded
    return is_coded and response.body_size >= 0


def _dump_fields(fields: Iterable[tuple[bytes, bytes]]) -> list[dict[str, str]]:
    return [
        {"name": name.decode("latin-1"), "value": value.decode("latin-1")} for name, value in fields
    ]


def _dump_body(message: RecordedMessage) -> tuple[str, str]:
    """Give a body as text, and "base64" if it is not the text it holds."""
    body = message.body
    if not message.is_encoded:
        try:
            text = decode_text(body, message.content_type)
        except BodyError:
            text = None
        if (
            text is not None
            and not _BINARY.search(text)
            and encode_text(text, message.content_type) == body
        ):
            return text, ""
    return base64.b64encode(body).decode("ascii"), "base64"


def encode_text(text: str, content_type: str) -> bytes:
    """Encode a body by the charset of its Content-Type; in UTF-8 where that cannot be."""
    charset = find_charset(content_type) or "utf-8"
    try:
        # An unknown charset is asked for only of the codecs that `decode_text` takes.
        decode_text(b"", content_type)
        return text.encode(charset)
    except (BodyError, UnicodeError):
        return text.encode("utf-8", "surrogatepass")


def _list_cookies(request: RecordedRequest) -> list[dict[str, str]]:
    cookies = []
    for line in request.fields.get(b"cookie", []):
        for pair in line.decode("latin-1").split(";"):
            name, separator, value = pair.strip().partition("=")
            if separator:
                cookies.append({"name": name, "value": value})
    return cookies


def _dump_set_cookie(line: bytes) -> dict[str, Any]:
    """Parse a Set-Cookie value (RFC 6265 section 5.2)."""
    pair, *attributes = line.decode("latin-1").split(";")
    name, _, value = pair.strip().partition("=")
    cookie: dict[str, Any] = {"name": name, "value": value}
    for attribute in attributes:
        key, _, given = attribute.strip().partition("=")
        match key.lower():
            case "path" | "domain" as field:
                cookie[field] = given
            case "expires":
                with contextlib.suppress(ValueError, IndexError, OverflowError):
                    cookie["expires"] = isoformat(parsedate_to_datetime(given).timestamp())
            case "httponly":
                cookie["httpOnly"] = True
            case "secure":
                cookie["secure"] = True
            case "samesite":
                cookie["sameSite"] = given
    return cookie
