"""What of a head is passed on, and how the upstream side is described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from kit.errors import ConfigurationError
from kit.headers import Headers
from kit.record import ConnectionInfo, Exchange
from kit.record.codings import narrow_codings
from kit.record.heads import to_origin_form

if TYPE_CHECKING:
    from collections.abc import Container

    from kit.engine.pool import Pool
    from kit.engine.transaction import Origin
    from kit.headers import RawHeaders
    from kit.limits import Limits
    from kit.messages import Request

HOP_BY_HOP: Final = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
"""Fields that are one connection's own (RFC 9110 section 7.6.1)."""
REWRITTEN: Final = frozenset((b"host", b"content-length", b"expect"))
"""Fields of a request that are made anew for upstream."""
HANDSHAKE: Final = frozenset(
    (
        *(b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-accept"),
        *(b"sec-websocket-extensions", b"sec-websocket-protocol"),
    )
)
"""Fields of a websocket's handshake, of which each connection has its own."""


class Carrier(Protocol):
    """What a proxy asks of the client it is given; `HTTPClient` has it."""

    limits: Limits
    _origin: Origin

    def _started(self) -> Pool: ...


class SentHead:
    """The head of a request to upstream, as an `Exchange` keeps it."""

    __slots__ = ("http_version", "method", "raw", "raw_headers", "target")

    def __init__(self, method: str, target: str, raw_headers: RawHeaders) -> None:
        self.method: str = method
        self.target: str = target
        self.http_version: str = "1.1"
        self.raw_headers: RawHeaders = raw_headers
        self.raw: bytes = join_head(f"{method} {target} HTTP/1.1", raw_headers)


def join_head(line: str, raw_headers: RawHeaders) -> bytes:
    """Write a head, start line to blank line."""
    lines = [line.encode("latin-1", "replace")]
    lines += [b"%b: %b" % field for field in raw_headers]
    return b"\r\n".join([*lines, b"", b""])


def check_prefix(path: object) -> str:
    """Return what stands before each path upstream, without a trailing slash.

    Raises:
        ConfigurationError: it is no path.
    """
    if not isinstance(path, str) or (path and not path.startswith("/")) or set(path) & set("?# "):
        raise ConfigurationError(f'path must be "" or begin with "/", as "/v1", not {path!r}')
    return path.rstrip("/")


def upstream_target(request: Request, prefix: str) -> str:
    """Return the target that a request has upstream; `*` has no path to put a prefix to."""
    target = to_origin_form(request.target).partition("#")[0]
    return prefix + target if target.startswith("/") else target


def request_fields(request: Request, *, is_recorded: bool) -> RawHeaders:
    """Return a request's fields as they are passed on, without Host.

    Where something records, upstream is asked for codings that a recording can undo.
    """
    dropped = HOP_BY_HOP | REWRITTEN | _named_by_connection(request.headers)
    fields = without(request.raw_headers, dropped)
    return list(narrow_codings(fields)) if is_recorded else fields


def handshake_fields(request: Request, *, is_recorded: bool) -> RawHeaders:
    """Return the fields of a websocket's request that are not the handshake's."""
    return without(request_fields(request, is_recorded=is_recorded), HANDSHAKE)


def response_fields(raw_headers: RawHeaders) -> RawHeaders:
    """Return a response's fields as they are passed on."""
    return without(raw_headers, HOP_BY_HOP | _named_by_connection(Headers.from_raw(raw_headers)))


def without(raw_headers: RawHeaders, dropped: Container[bytes]) -> RawHeaders:
    """Leave fields out, by their names in lower case."""
    return [field for field in raw_headers if field[0].lower() not in dropped]


def describe_upstream(
    client: Carrier, method: str, target: str, raw_headers: RawHeaders
) -> Exchange:
    """Begin the record of an exchange with upstream."""
    scheme, host, port = client._origin
    info = ConnectionInfo("client", ("", 0), (host, port))
    if scheme == "https":
        info.tls_version = "TLS"  # until there is a connection to tell which
    return Exchange(info, 1, SentHead(method, target, raw_headers))


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    return frozenset(token.encode("latin-1") for token in headers.tokens("connection"))
