"""One entry of a HAR file, made a value."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from kit.errors import LocalProtocolError, RecordingError, UnsafePathError
from kit.headers import Headers, check_fields
from kit.messages.content import media_type
from kit.paths import path_join_safe
from kit.record.entry import (
    RECEIVE,
    SEND,
    Entry,
    RecordedFrame,
    RecordedRequest,
    RecordedResponse,
    Timings,
)
from kit.record.har.document import encode_text
from kit.record.har.websockets import FrameFacts, Message, cut_messages, find_control_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.record.har import schema
    from kit.record.har.reader import HarLimits

_OWN_EXTRAS = frozenset({"frames", "chunks", "request_body", "response_body"})
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_MAX_STATUS = 999
_SWITCHING = 101
_WEBSOCKET = "websocket"
# Seconds of the year 5138; as milliseconds they are of 1973.
_SECONDS_END = 1e11
_SHOWN = 200
# A hundred years: what lasts longer was no exchange, and sums of it would overflow.
_MAX_MS = 100 * 365 * 86_400_000.0
_PHASES = ("blocked", "dns", "connect", "ssl", "send", "wait", "receive")


class EntryReader:
    """Reads the entries of one file.

    Args:
        path: the file, "" if there is none.
        limits: what is refused for its size.
    """

    __slots__ = ("_files", "_files_bytes", "_index", "_started_at", "limits", "path")

    def __init__(self, path: str, limits: HarLimits) -> None:
        self.path: str = path
        self.limits: HarLimits = limits
        self._index = 0
        self._started_at = 0.0
        self._files: dict[str, bytes] = {}
        self._files_bytes = 0

    def read(
        self, index: int, given: schema.Entry, started_at: float, kit: dict[str, Any]
    ) -> Entry:
        """Make the value of an entry.

        Raises:
            RecordingError: it holds what cannot be.
        """
        self._index, self._started_at = index, started_at
        extras = self._read_extras(kit)
        is_socket = _is_websocket(given)
        response = self._read_response(given, extras, is_socket=is_socket)
        connection = given.connection
        return Entry(
            index=index,
            started_at=started_at,
            request=self._read_request(given.request, extras),
            response=response,
            timings=self._read_timings(given.timings),
            frames=self._read_frames(given, extras) if is_socket else None,
            server_ip=given.server_ip or "",
            connection="" if connection is None else str(connection),
            pageref=given.pageref or "",
            resource_type=_WEBSOCKET if is_socket else given.resource_type or "",
            kit={name: value for name, value in kit.items() if name not in _OWN_EXTRAS},
        )

    def _refuse(self, reason: str) -> NoReturn:
        raise RecordingError(self.path, reason, entry=self._index)

    def _check_count(self, what: str, items: Sequence[object], name: str) -> None:
        limit = getattr(self.limits, name)
        if len(items) > limit:
            self._refuse(f"it has {len(items)} {what}: the limit {name} is {limit}")

    def _read_extras(self, kit: dict[str, Any]) -> schema.Extras:
        import msgspec

        from kit.record.har import schema

        try:
            extras = msgspec.convert(kit, schema.Extras)
        except msgspec.ValidationError as error:
            self._refuse(f"its _kit is not what it should be: {str(error)[:_SHOWN]}")
        self._check_count("frames in _kit", extras.frames or (), "frames")
        self._check_count("chunks in _kit", extras.chunks or (), "frames")
        self._read_trailers(extras.response_trailers or ())
        return extras

    def _read_trailers(self, fields: Sequence[tuple[str, str]]) -> None:
        self._check_count("response trailers in _kit", fields, "header_fields")
        try:
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        except UnicodeEncodeError as error:
            self._refuse(f"a response trailer in _kit holds what is not latin-1: {error.object!a}")
        self._check_fields("response trailers in _kit", raw)

    def _check_fields(self, what: str, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """See that fields can be sent, as they will be when the answer is played."""
        try:
            check_fields(Headers.from_raw(list(fields)))
        except LocalProtocolError as error:
            self._refuse(f"the {what} cannot be sent: {str(error)[:_SHOWN]}")

    # Messages

    def _read_request(self, given: schema.Request, extras: schema.Extras) -> RecordedRequest:
        headers = self._read_headers(given.headers or ())
        facts = extras.request_body
        return RecordedRequest(
            method=given.method,
            url=self._check_url(given.url),
            http_version=given.http_version or "",
            headers=headers,
            headers_size=_whole(given.headers_size),
            body=self._read_post_data(given, _content_type_of(headers)),
            body_size=_whole(given.body_size),
            is_encoded=facts.encoded,
            is_truncated=facts.truncated,
            sha256=facts.sha256,
        )

    def _check_url(self, url: str) -> str:
        if any(character in url for character in "\r\n\0"):
            self._refuse(f"the request's url {url[:_SHOWN]!r} holds a control character")
        return url

    def _read_response(
        self, entry: schema.Entry, extras: schema.Extras, *, is_socket: bool
    ) -> RecordedResponse:
        given = entry.response
        if given is None:
            return RecordedResponse(error="the file has no response", http_version="")
        status = given.status or 0
        # Chrome and Firefox write 0, Playwright -1, where there was none.
        if status > _MAX_STATUS:
            self._refuse(f"the response's status is {status}, expected 100 to 999, or 0 for none")
        headers = self._read_headers(given.headers or ())
        self._check_fields("response's headers", headers)
        marks: tuple[tuple[float, int], ...] = ()
        body = b"" if is_socket else self._read_content(given.content, _content_type_of(headers))
        if entry.event_messages and not body:
            body, marks = self._join_events(entry.event_messages)
        elif extras.chunks:
            marks = self._read_marks(extras.chunks, len(body))
        facts = extras.response_body
        return RecordedResponse(
            status=max(0, status),
            reason=given.status_text or "",
            http_version=given.http_version or "",
            headers=headers,
            headers_size=_whole(given.headers_size),
            body=body,
            body_size=_whole(given.body_size),
            is_encoded=facts.encoded,
            is_truncated=facts.truncated,
            sha256=facts.sha256,
            marks=marks,
            error=given.error or given.failure,
        )

    def _read_headers(self, fields: Sequence[schema.NamedValue]) -> tuple[tuple[bytes, bytes], ...]:
        # Chrome writes repeated fields as one, with a line each.
        count = len(fields) + sum(field.value.count("\n") for field in fields if field.value)
        if count > self.limits.header_fields:
            limit = self.limits.header_fields
            self._refuse(f"it has {count} header fields: the limit header_fields is {limit}")
        headers = []
        for field in fields:
            # HTTP/2 has pseudo-header fields, which repeat the request line.
            if not field.name or field.name.startswith(":"):
                continue
            name, lines = _encode(field.name), (field.value or "").split("\n")
            headers += [(name, _encode(line.strip(" \t\r"))) for line in lines]
        return tuple(headers)

    # Bodies

    def _read_post_data(self, request: schema.Request, content_type: str) -> bytes:
        given = request.post_data
        if given is None:
            return b""
        kind = content_type or given.mime_type or ""
        if given.file:
            return self._read_file(given.file)
        encoding = given.own_encoding or given.encoding
        if given.text:
            if not encoding and _is_byte_text(given.text, request.body_size):
                return given.text.encode("latin-1")
            return self._decode(given.text, encoding, kind, "postData.text")
        if given.params:
            return self._join_params(given.params, kind)
        return b""

    def _join_params(self, params: Sequence[schema.NamedValue], kind: str) -> bytes:
        if media_type(kind) == "multipart/form-data":
            return _join_parts(params, kind)
        return urlencode(
            [(param.name, param.value or "") for param in params], errors="surrogatepass"
        ).encode("ascii")

    def _read_content(self, given: schema.Content | None, content_type: str) -> bytes:
        if given is None:
            return b""
        if given.file:
            return self._read_file(given.file)
        if not given.text:
            return b""
        kind = content_type or given.mime_type or ""
        return self._decode(given.text, given.encoding, kind, "content.text")

    def _decode(self, text: str, encoding: str | None, kind: str, what: str) -> bytes:
        limit = self.limits.body_bytes
        if encoding and encoding.lower() != "base64":
            self._refuse(f"the encoding of {what} is {encoding[:40]!r}, expected base64 or none")
        body = self._decode_base64(text, what) if encoding else encode_text(text, kind)
        if len(body) > limit:
            self._refuse(f"{what} has {len(body)} bytes: the limit body_bytes is {limit}")
        return body

    def _decode_base64(self, text: str, what: str) -> bytes:
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            self._refuse(f"{what} is not base64: {error}")

    def _read_file(self, name: str) -> bytes:
        """Read a body from a file beside the recording, if it was not read before."""
        if name in self._files:
            return self._files[name]
        if not self.path:
            self._refuse(f"its body is in the file {name[:_SHOWN]!r}: load the recording by path")
        body = self._files[name] = self._open_file(name)
        self._count_file(body)
        return body

    def _count_file(self, body: bytes) -> None:
        self._files_bytes += len(body)
        limit = self.limits.file_bytes
        if self._files_bytes > limit:
            self._refuse(f"the files of bodies have more than {limit} bytes: the limit file_bytes")

    def _open_file(self, name: str) -> bytes:
        limit = self.limits.body_bytes
        try:
            file = Path(path_join_safe(str(Path(self.path).absolute().parent), name))
            if not file.is_file():
                self._refuse(f"its body is in the file {name[:_SHOWN]!r}, which is not there")
            with file.open("rb") as opened:
                body = opened.read(limit + 1)
        except UnsafePathError as error:
            self._refuse(f"its body is in a file beside the recording, but {error}")
        except OSError as error:
            self._refuse(f"its body in the file {name[:_SHOWN]!r} cannot be read: {error.strerror}")
        if len(body) > limit:
            self._refuse(f"the file {name[:_SHOWN]!r} is too long: the limit body_bytes is {limit}")
        return body

    # Streams and websockets

    def _read_marks(
        self, chunks: Sequence[tuple[float, int]], length: int
    ) -> tuple[tuple[float, int], ...]:
        total = sum(size for _, size in chunks)
        if any(size < 0 for _, size in chunks) or total != length:
            self._refuse(f"the chunks in _kit have {total} bytes, its body has {length}")
        return tuple((self._read_ms("a chunk in _kit", at), size) for at, size in chunks)

    def _read_ms(self, what: str, milliseconds: float) -> float:
        """Give milliseconds in seconds."""
        self._check_ms(what, milliseconds)
        return round(milliseconds / 1000, 6)

    def _check_ms(self, what: str, milliseconds: float) -> None:
        if not abs(milliseconds) <= _MAX_MS:
            self._refuse(f"{what} is at {milliseconds:g} ms, expected at most {_MAX_MS:g}")

    def _join_events(
        self, events: Sequence[schema.EventMessage]
    ) -> tuple[bytes, tuple[tuple[float, int], ...]]:
        """Write the server-sent events that a browser has parsed."""
        self._check_count("server-sent events", events, "frames")
        pieces = [_write_event(event) for event in events]
        marks = tuple(
            (self._offset(event.time), len(piece))
            for event, piece in zip(events, pieces, strict=True)
        )
        return b"".join(pieces), marks

    def _offset(self, time: float) -> float:
        # Chrome and mitmproxy write seconds, Playwright milliseconds.
        if time > _SECONDS_END:
            time /= 1000
        return round(max(0.0, time - self._started_at), 6)

    def _read_frames(self, given: schema.Entry, extras: schema.Extras) -> tuple[RecordedFrame, ...]:
        found = given.socket_messages
        if found is None:
            found = self._read_socket_file(given.response)
        self._check_count("websocket messages", found, "frames")
        messages = [self._read_message(message) for message in found]
        if extras.frames is not None:
            facts = [self._read_frame(frame) for frame in extras.frames]
            if (frames := cut_messages(messages, facts)) is not None:
                return frames
        return tuple(
            RecordedFrame(
                direction=message.direction,
                opcode=message.opcode,
                data=message.data,
                offset_s=message.offset_s,
            )
            for message in messages
        )

    def _read_socket_file(self, response: schema.Response | None) -> list[schema.SocketMessage]:
        """Read messages that Playwright keeps in a file of their own, one a line."""
        import msgspec

        from kit.record.har import schema

        content = response.content if response else None
        if content is None or not content.file:
            return []
        try:
            lines = self._read_file(content.file)
            self._count_file(lines)  # what is made of it is made for each entry anew
            return msgspec.json.Decoder(schema.SocketMessage).decode_lines(lines)
        except (ValueError, RecursionError) as error:
            name, told = content.file[:_SHOWN], str(error)[:_SHOWN]
            self._refuse(f"the file {name!r} holds no websocket messages: {told}")

    def _read_message(self, given: schema.SocketMessage) -> Message:
        direction, opcode = self._check_frame(given.type, given.opcode)
        if given.own_data is not None:
            data = self._decode_base64(given.own_data, "the data of a websocket message")
        elif opcode == 1:
            data = given.data.encode("utf-8", "surrogatepass")
        else:
            data = self._decode_base64(given.data, "the data of a websocket message")
        if len(data) > self.limits.body_bytes:
            limit = self.limits.body_bytes
            self._refuse(f"a websocket message is too long: the limit body_bytes is {limit}")
        if direction == RECEIVE and (fault := find_control_fault(opcode, data)):
            self._refuse(f"a websocket message cannot be sent: {fault}")
        return Message(direction, opcode, data, self._offset(given.time))

    def _check_frame(self, direction: str, opcode: int) -> tuple[str, int]:
        if direction not in (SEND, RECEIVE):
            self._refuse(f"a websocket message's type is {direction[:40]!r}, not send or receive")
        if not 0 <= opcode <= 15:
            self._refuse(f"a websocket message's opcode is {opcode}, expected 0 to 15")
        return direction, opcode

    def _read_frame(self, given: schema.Frame) -> FrameFacts:
        direction, opcode = self._check_frame(given.direction, given.opcode)
        kept = given.size if given.kept is None else given.kept
        if not 0 <= kept <= given.size:
            self._refuse(f"a frame in _kit keeps {kept} bytes of {given.size}")
        offset_s = self._read_ms("a frame in _kit", given.time)
        return FrameFacts(direction, opcode, given.fin, offset_s, given.size, kept)

    def _read_timings(self, given: schema.Timings | None) -> Timings:
        if given is None:
            return Timings()
        phases = {name: _phase(getattr(given, name)) for name in _PHASES}
        for name, phase in phases.items():
            if phase > _MAX_MS:
                self._refuse(f"its timing {name} is {phase:g} ms, expected at most {_MAX_MS:g}")
        told = {name: max(0, phases[name]) for name in ("send", "wait", "receive")}
        return Timings(**(phases | told))


def _is_websocket(given: schema.Entry) -> bool:
    """Tell whether an entry is a websocket; Firefox writes it without its messages."""
    if given.socket_messages is not None:
        return True
    if given.response is None or given.response.status != _SWITCHING:
        return False
    return given.resource_type == _WEBSOCKET or given.request.url.startswith(("ws:", "wss:"))


def _is_byte_text(text: str, body_size: float | None) -> bool:
    """Tell whether each character stands for a byte, as Firefox writes binary bodies."""
    return len(text) == body_size and not text.isascii() and max(text) <= "\xff"


def _content_type_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.decode("latin-1")
    return ""


def _encode(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _whole(size: float | None) -> int:
    # Tools write -1 where they do not know, and null, and fractions.
    return -1 if size is None or not 0 <= size < 2**63 else int(size)


def _phase(milliseconds: float | None) -> float:
    return -1 if milliseconds is None or milliseconds < 0 else round(milliseconds, 3)


def _join_parts(params: Sequence[schema.NamedValue], kind: str) -> bytes:
    """Write the parts of a multipart body that a tool has taken apart."""
    found = _BOUNDARY.search(kind)
    boundary = (found[1] or found[2]).encode("latin-1", "replace") if found else b"boundary"
    body = b""
    for param in params:
        disposition = f'form-data; name="{_quote(param.name)}"'
        if param.fileName is not None:
            disposition += f'; filename="{_quote(param.fileName)}"'
        head = f"Content-Disposition: {disposition}\r\n"
        if param.contentType:
            head += f"Content-Type: {_quote(param.contentType)}\r\n"
        value = (param.value or "").encode("utf-8", "surrogatepass")
        body += b"--%b\r\n%b\r\n%b\r\n" % (boundary, _encode(head), value)
    return body + b"--%b--\r\n" % boundary


def _quote(text: str) -> str:
    # As browsers do: the HTML standard, multipart/form-data encoding algorithm.
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _write_event(event: schema.EventMessage) -> bytes:
    lines = [f"id: {event.event_id}"] if event.event_id else []
    if event.event_name and event.event_name != "message":
        lines.append(f"event: {event.event_name}")
    lines += [f"data: {line}" for line in event.data.split("\n")]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogatepass")
