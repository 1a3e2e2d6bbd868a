"""A request: parsed when looked at."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qs, urlencode

from kit.errors import BodyError, SerializableError, StateError
from kit.headers import Headers
from kit.messages import content
from kit.messages.cookies import parse_cookies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from kit.headers import HeadersLike, RawHeaders
    from kit.serializable import Serializable

FORM_FIELDS: Final = 10_000
"""A form of more fields than this is refused."""

_FORM_TYPE: Final = "application/x-www-form-urlencoded"


class WebSocketChannel(Protocol):
    """What a websocket's request sends through; the engine gives it."""

    @property
    def subprotocol(self) -> str | None:
        """What was agreed on."""

    @property
    def close_code(self) -> int | None:
        """How it ended; None while it is open."""

    @property
    def close_reason(self) -> str:
        """Why it ended."""

    def send(self, payload: str | bytes) -> None:
        """Send `str` as a Text message and `bytes` as a Binary one, from any thread."""

    def ping(self, payload: bytes) -> None:
        """Send a ping."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake."""


class Request:
    """A request as a handler sees it; each part is parsed when it is first read.

    By hand, for a test, everything may be given in the form that is at hand:

    Args:
        addr: the client's (ip, port).
        method: the method token.
        path: the path as it is on the wire, percent-encoded; a `?query` and
            `#fragment` in it are split off.
        params: query parameters, decoded: single values or lists of them;
            those of `path` go first.
        fragment: the part behind `#`, which no client sends.
        headers: anything that `Headers` takes.
        stream: the body, a binary file; None or bytes will do.

    Attributes:
        client_address: the client's (ip, port).
        method: the method token.
        target: the request target exactly as it came.
        path: undecoded, without query and fragment; "/" and what follows,
            "*", or the authority of a CONNECT.
        params: decoded query parameters, `name -> values`; blank ones are kept.
        fragment: "" where there is none.
        headers: the header fields, found by any case.
        raw_headers: the header fields in the order and case in which they came.
        stream: the body as a binary file.
        matches: decoded wildcards of the route's pattern, `name -> text`.
        trailers: the fields that followed a chunked body (RFC 9110 section 6.5).
        http_version: "1.1" or "1.0".
        scheme: "http" or "https".
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_channel",
        "client_address",
        "fragment",
        "headers",
        "http_version",
        "matches",
        "method",
        "params",
        "path",
        "raw_headers",
        "scheme",
        "stream",
        "target",
        "trailers",
    )

    client_address: tuple[str, int]
    method: str
    target: str
    path: str
    params: dict[str, list[str]]
    fragment: str
    headers: Headers
    raw_headers: RawHeaders
    stream: IO[bytes]
    matches: dict[str, str]
    trailers: Headers
    http_version: str
    scheme: str
    _body: bytes | None
    _channel: WebSocketChannel | None

    def __init__(
        self,
        addr: tuple[str, int],
        method: str,
        path: str,
        params: Mapping[str, str | Iterable[str]] | None,
        fragment: str,
        headers: HeadersLike | None,
        stream: IO[bytes] | bytes | None,
    ) -> None:
        for name, value in (("method", method), ("path", path), ("fragment", fragment)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a str, not {value!r}")
        self.client_address = addr
        self.method = method
        self.headers = Headers(headers)
        self.raw_headers = self.headers.raw
        self.attach_body(b"" if stream is None else stream)
        bare, _, own_fragment = path.partition("#")
        self.fragment = fragment or own_fragment
        given = _list_params(params)
        if given:
            bare += ("&" if "?" in bare else "?") + urlencode(given, doseq=True)
        self.target = bare

    @classmethod
    def from_wire(
        cls,
        addr: tuple[str, int],
        method: str,
        target: str,
        raw_headers: RawHeaders,
        stream: IO[bytes] | bytes | None,
    ) -> Self:
        """Make a request of what a parser found, with no check and no parsing.

        Args:
            addr: the client's (ip, port).
            method: the method token.
            target: the request target in any of its four forms (RFC 9112
                section 3.2).
            raw_headers: kept by reference.
            stream: a binary file, or the whole body as bytes; None where
                there is no body.
        """
        self = cls.__new__(cls)
        self.client_address = addr
        self.method = method
        self.target = target
        self.raw_headers = raw_headers
        # The usual form, done here because every request needs its path.
        if target[:1] == "/" and "#" not in target:
            cut = target.find("?")
            self.path = target if cut < 0 else target[:cut]
        if stream is None:
            self._body = b""
        else:
            self.attach_body(stream)
        return self

    def attach_body(self, stream: IO[bytes] | bytes) -> None:
        """Take the body that has come, in whole or as a file at its start."""
        if isinstance(stream, bytes):
            self._body = stream
        else:
            self._body = None
            self.stream = stream

    if not TYPE_CHECKING:
        # Called for a slot that is not set yet, and only then: what was read
        # once costs nothing more than any slot does.
        def __getattr__(self, name: str) -> object:
            make = _LAZY.get(name)
            if make is None:
                message = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=self)
            value = make(self)
            setattr(self, name, value)
            return value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.target}>"

    @property
    def url(self) -> str:
        """The absolute URL, by the Host field; without that one, the target alone."""
        host = self.headers.text(b"host", "")
        if not host or not (self.target.startswith("/") or self.target == "*"):
            return self.target
        return f"{self.scheme}://{host}{self.target if self.target != '*' else ''}"

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies by name, as latin-1 text; the first of a name (RFC 6265 section 5.4)."""
        cookies: dict[str, str] = {}
        for field in self.headers.get(b"cookie", []):
            for name, value in parse_cookies(field.decode("latin-1")):
                cookies.setdefault(name, value)
        return cookies

    @property
    def body(self) -> bytes:
        """The whole body. It is read once; `stream` can still be read from its start."""
        body = self._body
        if body is None:
            stream = self.stream
            if stream.seekable():
                stream.seek(0)
                body = stream.read()
                stream.seek(0)
            else:
                body = stream.read()
                self.stream = io.BytesIO(body)
            self._body = body
        return body

    def read(self) -> bytes:
        """Read the whole body; the same as `body`."""
        return self.body

    @property
    def _content_type(self) -> str:
        return self.headers.text(b"content-type", "")

    def text(self) -> str:
        """Decode the body by its charset, UTF-8 where none is given.

        Raises:
            BodyError: the charset is not known, or the body is not in it.
        """
        return content.decode_text(self.body, self._content_type)

    def json(self) -> Any:
        """Parse the body as JSON, whatever its Content-Type.

        Raises:
            BodyError: it is not JSON (RFC 8259); a server answers 400.
        """
        return content.parse_json(self.body)

    def form(self) -> dict[str, list[str]]:
        """Parse a URL-encoded form, `name -> values`; blank values are kept.

        Raises:
            BodyError: the Content-Type is another, the text is not UTF-8, or
                there are more than 10,000 fields.
        """
        kind = content.media_type(self._content_type)
        if kind not in ("", _FORM_TYPE):
            msg = f"the body is {kind[:80]}, expected {_FORM_TYPE}"
            raise BodyError(msg)
        try:
            return parse_qs(
                self.body.decode(),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=FORM_FIELDS,
            )
        except UnicodeDecodeError as exc:
            msg = f"the form is not UTF-8 text: {exc}"
            raise BodyError(msg) from None
        except ValueError as exc:
            msg = f"the form does not parse, it may have {FORM_FIELDS} fields: {exc}"
            raise BodyError(msg) from None

    def message(self) -> Serializable:
        """Load the body as a `Serializable`: MessagePack or JSON, by its Content-Type.

        Raises:
            BodyError: the Content-Type is neither, or the body is no message
                of a known type; a server answers 400.
        """
        from kit.serializable import MEDIA_TYPE, Serializable

        try:
            if content.is_msgpack(self._content_type):
                return Serializable.loadb(self.body)
            if content.is_json(self._content_type):
                return Serializable.loads(self.body)
        except SerializableError as exc:
            raise BodyError(str(exc)) from exc
        kind = content.media_type(self._content_type)[:80] or "of no stated type"
        msg = f"the body is {kind}, expected {MEDIA_TYPE} or application/json"
        raise BodyError(msg)

    def _require_channel(self, call: str) -> WebSocketChannel:
        channel = self._channel
        if channel is None:
            msg = (
                f"{call} is for websockets, and this is a plain {self.method} request: "
                "use it in a handler decorated with @websocket"
            )
            raise StateError(msg)
        return channel

    def send(self, payload: object) -> None:
        """Send a message to the websocket's peer, from any thread.

        `str` goes as Text, bytes as Binary, a `Serializable` as Binary
        (MessagePack), a dict or list as Text (JSON).

        Raises:
            StateError: this is not a websocket's request.
            ConnectionClosedError: the websocket is closed.
            TypeError: the payload is of another type.
        """
        channel = self._require_channel("send()")
        channel.send(payload if isinstance(payload, str | bytes) else _encode_payload(payload))

    def ping(self, payload: bytes = b"") -> None:
        """Ping the websocket's peer; `payload` has at most 125 bytes.

        Raises:
            StateError: this is not a websocket's request.
            ConnectionClosedError: the websocket is closed.
        """
        self._require_channel("ping()").ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Start the websocket's closing handshake (RFC 6455 section 7.4).

        Raises:
            StateError: this is not a websocket's request.
            LocalProtocolError: the code may not be sent, or the reason is
                longer than 123 bytes.
        """
        self._require_channel("close()").close(code, reason)

    @property
    def subprotocol(self) -> str | None:
        """The websocket's agreed subprotocol, None where there is none."""
        return self._require_channel("subprotocol").subprotocol

    @property
    def close_code(self) -> int | None:
        """The code with which the websocket was closed; None while it is open."""
        return self._require_channel("close_code").close_code

    @property
    def close_reason(self) -> str:
        """The reason with which the websocket was closed; "" while it is open."""
        return self._require_channel("close_reason").close_reason


def _encode_payload(payload: object) -> str | bytes:
    if isinstance(payload, bytearray | memoryview):
        return bytes(payload)
    if isinstance(payload, dict | list):
        return content.dump_json(payload).decode()
    from kit.serializable import Serializable

    if isinstance(payload, Serializable):
        return payload.dumpb()
    msg = (
        f"cannot send {type(payload).__name__} on a websocket, expected str, bytes, dict, list "
        "or Serializable"
    )
    raise TypeError(msg)


def _list_params(params: Mapping[str, str | Iterable[str]] | None) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for name, values in (params or {}).items():
        many = [values] if isinstance(values, str | bytes) else list(values)
        listed[_decode(name)] = [_decode(value) for value in many]
    return listed


def _decode(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


def _split_target(target: str) -> tuple[str, str]:
    """Split a request target into path and query."""
    target = target.partition("#")[0]
    if not target.startswith("/"):
        # RFC 9112 section 3.2.2: a server must take the absolute form too.
        scheme, separator, rest = target.partition("://")
        if separator and scheme.lower() in ("http", "https"):
            cut = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
            target = rest[cut:] if rest[cut : cut + 1] == "/" else f"/{rest[cut:]}"
    path, _, query = target.partition("?")
    return path, query


def _make_params(request: Request) -> dict[str, list[str]]:
    query = _split_target(request.target)[1]
    return parse_qs(query, keep_blank_values=True) if query else {}


def _make_stream(request: Request) -> IO[bytes]:
    return io.BytesIO(request._body or b"")


_LAZY: Final[dict[str, Callable[[Request], object]]] = {
    "path": lambda request: _split_target(request.target)[0],
    "params": _make_params,
    "fragment": lambda request: request.target.partition("#")[2],
    "headers": lambda request: Headers.from_raw(request.raw_headers),
    "stream": _make_stream,
    "matches": lambda request: {},  # noqa: ARG005
    "trailers": lambda request: Headers(),  # noqa: ARG005
    "http_version": lambda request: "1.1",  # noqa: ARG005
    "scheme": lambda request: "http",  # noqa: ARG005
    "_channel": lambda request: None,  # noqa: ARG005
}
