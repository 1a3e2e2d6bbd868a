"""Responses: what a handler returns, and what a caller gets."""

from __future__ import annotations

import io
import reprlib
import zlib
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kit.errors import ConfigurationError, StateError
from kit.headers import Headers, check_fields
from kit.messages import content
from kit.messages.cookies import CookieSetting
from kit.messages.encoded import Encoded, add_trailers, stream_file, stream_iterable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from kit.headers import HeadersLike, RawHeaders
    from kit.serializable import Serializable

_NO_HEADERS: Final = Headers()
_OCTETS: Final = b"application/octet-stream"
_TEXT: Final = b"text/plain; charset=utf-8"
_JSON: Final = b"application/json"
_MSGPACK: Final = b"application/vnd.msgpack"
# A range is one of the encoded form, so packing it would change what it means
# (RFC 9110 section 14); the others have no content.
_NEVER_PACKED: Final = frozenset({204, 205, 206, 304})


class Response(CookieSetting):
    """A response.

    Args:
        payload: bytes; str, sent as UTF-8; a file-like object, sent from where
            it stands and then closed; or an iterable of bytes or str, streamed.
        status_code: 100 to 599.
        headers: anything that `Headers` takes. A Content-Type is added by the
            kind of payload unless given here.
        compress: gzip when the client accepts it, with `Vary`.
        trailers: fields that follow the body, which makes it chunked (RFC 9110
            section 6.5): anything that `Headers` takes, or a function that gives it
            when the last piece is out. A client of HTTP/1.0 does not get them.

    Attributes:
        payload: bytes for bytes and str, else the object itself.
        status_code: the HTTP status; 0 where the transport failed.
        headers: the fields as given, or as they came.
        reason: the reason phrase, as it came or as the status has it.
        url: on the client's side, where the response came from.

    Raises:
        ConfigurationError: the status is none.
        TypeError: the payload cannot be sent.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_content_type",
        "_exception",
        "_trailers",
        "compress",
        "payload",
        "reason",
        "status_code",
        "url",
    )

    payload: Any
    status_code: int
    compress: bool
    reason: str
    url: str
    _body: bytes | None
    _content_type: bytes | None
    _exception: BaseException | None
    _trailers: Headers | Callable[[], HeadersLike] | None

    def __init__(
        self,
        payload: Any = None,
        status_code: int = 200,
        headers: HeadersLike | None = None,
        compress: bool = False,
        *,
        trailers: HeadersLike | Callable[[], HeadersLike] | None = None,
    ) -> None:
        if type(payload) is bytes:
            self.payload = payload
            self._content_type = _OCTETS
        elif type(payload) is str:
            self.payload = payload.encode()
            self._content_type = _TEXT
        else:
            self.payload, self._content_type = _adopt(payload)
        self.status_code = status_code if status_code == 200 else _check_status(status_code)
        self.headers: Headers = _NO_HEADERS if headers is None else Headers(headers)
        self.compress = compress
        if trailers is None:
            self._trailers = None
        else:
            self._trailers = trailers if callable(trailers) else Headers(trailers)
            self.headers = Headers(headers)

    @classmethod
    def _received(
        cls, payload: object, status: int, reason: str, headers: Headers, body: bytes, url: str
    ) -> Self:
        """Make a response of what came over the wire."""
        self = cls.__new__(cls)
        self.payload = payload
        self.status_code = status
        self.reason = reason
        self.headers = headers
        self.compress = False
        self.url = url
        self._body = body
        self._content_type = None
        self._trailers = None
        return self

    if not TYPE_CHECKING:
        # Called for a slot that is not set yet, and only then: a server's
        # response never pays for what only a client's has.
        def __getattr__(self, name: str) -> object:
            make = _LAZY.get(name)
            if make is None:
                message = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=self)
            value = make(self)
            setattr(self, name, value)
            return value

    def __repr__(self) -> str:
        parts = [type(self).__name__, str(self.status_code)]
        if kind := content.media_type(self._stated_type()):
            parts.append(kind)
        parts.append(self._describe_payload())
        return f"<{' '.join(parts)}>"

    def _describe_payload(self) -> str:
        if self.payload is None:
            return "0 bytes"
        if isinstance(self.payload, bytes):
            return f"{len(self.payload)} bytes"
        return f"streamed from {type(self.payload).__name__}"

    @property
    def exception(self) -> BaseException | None:
        """On the client's side, what urllib would have raised; None when all is well."""
        return self._exception

    def _make_exception(self) -> BaseException | None:
        return None

    @property
    def trailers(self) -> Headers:
        """The fields that followed the body, or will; none if a function gives them."""
        return self._trailers if isinstance(self._trailers, Headers) else _NO_HEADERS

    @property
    def body(self) -> bytes:
        """The body as bytes, content codings undone.

        Raises:
            StateError: the payload is a stream, which can only be read once.
        """
        body = self._body
        if body is None:
            body = self._serialize()
        if body is None:
            msg = f"the payload is streamed from {type(self.payload).__name__}, not held as bytes"
            raise StateError(msg)
        return body

    def text(self) -> str:
        """Decode the body by its charset, UTF-8 where none is given.

        Raises:
            BodyError: the charset is not known, or the body is not in it.
        """
        return content.decode_text(self.body, self._stated_type())

    def json(self) -> Any:
        """Parse the body as JSON, whatever its Content-Type.

        Raises:
            BodyError: it is not JSON.
        """
        return content.parse_json(self.body)

    def _stated_type(self) -> str:
        return self.headers.text(b"content-type", (self._content_type or b"").decode("latin-1"))

    def _serialize(self) -> bytes | None:
        """Give the whole body, or None where the payload is a stream."""
        payload = self.payload
        if payload is None:
            return b""
        return payload if isinstance(payload, bytes) else None

    def encode(self, *, accept_gzip: bool = False) -> Encoded:
        """Make the response ready for framing; a streamed one only once.

        Args:
            accept_gzip: whether the client accepts gzip, see
                `is_gzip_acceptable`. It matters where `compress` is true.

        Raises:
            LocalProtocolError: a header field cannot be sent, or the payload
                cannot be serialized.
        """
        body = self._serialize()
        content_type = self._content_type
        # With trailers, the headers are always an object of their own.
        if body is not None and content_type and self.headers is _NO_HEADERS and not self.compress:
            return Encoded(self.status_code, [(b"Content-Type", content_type)], body, len(body))
        fields = self._list_fields()
        is_packed = False
        if self.compress:
            is_packed = accept_gzip and body != b"" and self._is_packable()
            fields = _mark_packed(fields, is_packed=is_packed)
        if body is not None:
            if is_packed:
                body = zlib.compress(body, wbits=content.GZIP_WBITS)
            encoded = Encoded(self.status_code, fields, body, len(body))
        else:
            encoded = self._encode_stream(fields, is_packed=is_packed)
        return encoded if self._trailers is None else add_trailers(encoded, self._trailers)

    def _list_fields(self) -> RawHeaders:
        check_fields(self.headers)
        fields = list(self.headers.raw)
        if self._content_type is not None:
            for name, _ in fields:
                if name.lower() == b"content-type":
                    break
            else:
                fields.append((b"Content-Type", self._content_type))
        return fields

    def _is_packable(self) -> bool:
        return (
            self.status_code >= 200
            and self.status_code not in _NEVER_PACKED
            and b"content-encoding" not in self.headers
        )

    def _encode_stream(self, fields: RawHeaders, *, is_packed: bool) -> Encoded:
        if hasattr(self.payload, "read"):
            stream, length = stream_file(self.payload, gzip=is_packed)
        else:
            stream, length = stream_iterable(self.payload, gzip=is_packed), None
        if length is None and not is_packed:
            stated = self.headers.first(b"content-length", b"")
            length = int(stated) if stated.isdigit() else None
        return Encoded(self.status_code, fields, stream, length)


class _ObjectResponse(Response):
    """A response whose payload is an object, serialized when it is sent."""

    __slots__ = ()

    def _describe_payload(self) -> str:
        return reprlib.repr(self.payload)


class JsonResponse(_ObjectResponse):
    """A response in JSON.

    Args:
        obj: what `json.dumps` takes, and more: dataclasses, `Serializable`
            messages, enums, dates. It is serialized when it is sent.
        status_code: 100 to 599.
        headers: anything that `Headers` takes.
        compress: gzip when the client accepts it.
    """

    __slots__ = ()

    def __init__(
        self,
        obj: Any,
        status_code: int = 200,
        headers: HeadersLike | None = None,
        *,
        compress: bool = False,
    ) -> None:
        self.payload = obj
        self._content_type = _JSON
        self.status_code: int = status_code if status_code == 200 else _check_status(status_code)
        self.headers: Headers = _NO_HEADERS if headers is None else Headers(headers)
        self.compress = compress
        self._trailers = None

    def json(self) -> Any:
        """Give the object."""
        return self.payload

    def _serialize(self) -> bytes:
        return content.dump_json(self.payload)


class SerializableResponse(_ObjectResponse):
    """A response that carries a `Serializable` message, as MessagePack.

    Args:
        obj: the message.
        status_code: 100 to 599.
        headers: anything that `Headers` takes.
        compress: gzip when the client accepts it.

    Raises:
        TypeError: `obj` is not a `Serializable`.
    """

    __slots__ = ()

    payload: Serializable

    def __init__(
        self,
        obj: Serializable,
        status_code: int = 200,
        headers: HeadersLike | None = None,
        *,
        compress: bool = False,
    ) -> None:
        if not hasattr(obj, "dumpb"):
            msg = f"SerializableResponse takes a Serializable, not {type(obj).__name__}"
            raise TypeError(msg)
        self.payload = obj
        self._content_type = _MSGPACK
        self.status_code: int = status_code if status_code == 200 else _check_status(status_code)
        self.headers: Headers = _NO_HEADERS if headers is None else Headers(headers)
        self.compress = compress
        self._trailers = None

    def _serialize(self) -> bytes:
        return self.payload.dumpb()


class ErrorResponse(Response):
    """An error: one that the server returns, or one that the client met.

    On the client's side `exception` is an `urllib.error.HTTPError` for a
    status of 400 and more, and an `urllib.error.URLError` for a failed
    transport, with `status_code` 0. A message of a type that is not defined
    here comes as an error too, with the status as it came.

    Args:
        obj: a text, bytes, a dict or list (sent as JSON), or an exception
            (its text is sent, and it stays in `exception`).
        status_code: 400 to 599.
        headers: anything that `Headers` takes.

    Raises:
        ConfigurationError: the status is not one of an error.
        TypeError: `obj` is none of these.
    """

    __slots__ = ()

    payload: Any

    def __init__(
        self, obj: Any, status_code: int = 400, headers: HeadersLike | None = None
    ) -> None:
        self._exception = obj if isinstance(obj, BaseException) else None
        if isinstance(obj, dict | list):
            self.payload = obj
            self._content_type = _JSON
        elif obj is None or isinstance(obj, str | bytes | bytearray | memoryview):
            self.payload, self._content_type = _adopt(obj)
        elif isinstance(obj, BaseException):
            self.payload, self._content_type = _adopt(str(obj) or type(obj).__name__)
        else:
            msg = (
                "ErrorResponse takes str, bytes, a dict or list, or an exception, "
                f"not {type(obj).__name__}"
            )
            raise TypeError(msg)
        self.status_code: int = _check_status(status_code, lowest=400)
        self.headers: Headers = _NO_HEADERS if headers is None else Headers(headers)
        self.compress = False
        self._trailers = None

    def _describe_payload(self) -> str:
        if self.status_code == 0:
            return repr(self._exception)
        if isinstance(self.payload, bytes):
            return reprlib.repr(self.payload.decode("utf-8", "replace"))
        return reprlib.repr(self.payload)

    def _serialize(self) -> bytes | None:
        if isinstance(self.payload, dict | list):
            return content.dump_json(self.payload)
        return super()._serialize()

    def _make_exception(self) -> BaseException:
        import email.message
        import urllib.error

        fields = email.message.Message()
        for name, value in self.headers.raw:
            fields[name.decode("latin-1")] = value.decode("latin-1")
        return urllib.error.HTTPError(
            self.url, self.status_code, self.reason, fields, io.BytesIO(self.body)
        )


def _check_status(status: object, lowest: int = 100) -> int:
    if isinstance(status, int) and not isinstance(status, bool) and lowest <= status <= 599:
        return int(status)
    msg = f"status_code must be an int from {lowest} to 599, not {status!r}"
    raise ConfigurationError(msg)


def _adopt(payload: object) -> tuple[object, bytes | None]:
    """Give the payload as it is kept, and the Content-Type that goes with it."""
    if payload is None:
        return None, None
    if isinstance(payload, str):
        return payload.encode(), _TEXT
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload), _OCTETS
    if callable(getattr(payload, "read", None)):
        return payload, _TEXT if isinstance(payload, io.TextIOBase) else _OCTETS
    if isinstance(payload, Mapping):
        _refuse(payload, "wrap it in JsonResponse(...)")
    if isinstance(payload, AsyncIterable):
        _refuse(payload, "it can only be awaited; collect it in an async handler first")
    if isinstance(payload, list | tuple):
        if not all(isinstance(piece, str | bytes | bytearray | memoryview) for piece in payload):
            _refuse(payload, "it holds more than bytes and str; wrap it in JsonResponse(...)")
        return payload, _TEXT if payload and isinstance(payload[0], str) else _OCTETS
    if not isinstance(payload, Iterable):
        _refuse(payload, "wrap it in JsonResponse(...) or SerializableResponse(...)")
    return payload, _OCTETS


def _refuse(payload: object, advice: str) -> NoReturn:
    msg = (
        f"payload is {type(payload).__name__}, expected bytes, str, a file-like object or an "
        f"iterable of bytes or str: {advice}"
    )
    raise TypeError(msg)


def _mark_packed(fields: RawHeaders, *, is_packed: bool) -> RawHeaders:
    """Say how the response depends on Accept-Encoding (RFC 9110 section 12.5.5)."""
    varies = Headers.from_raw(fields).tokens(b"vary")
    if "*" not in varies and "accept-encoding" not in varies:
        fields.append((b"Vary", b"Accept-Encoding"))
    if is_packed:
        # The length that was given is that of the payload before packing.
        fields = [field for field in fields if field[0].lower() != b"content-length"]
        fields.append((b"Content-Encoding", b"gzip"))
    return fields


def _find_reason(response: Response) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(response.status_code).phrase
    except ValueError:
        return ""


_LAZY: Final[dict[str, Callable[[Response], object]]] = {
    "reason": _find_reason,
    "url": lambda response: "",  # noqa: ARG005
    "_body": lambda response: None,  # noqa: ARG005
    "_exception": lambda response: response._make_exception(),
}
