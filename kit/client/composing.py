"""From a caller's arguments to the parts of a request, and from its end to a response."""

from __future__ import annotations

import io
import re
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kit.engine.transaction import DEFAULT_PORTS, Body, Origin, Transaction
from kit.errors import ConfigurationError, KitError, LocalProtocolError
from kit.headers import Headers, HeadersLike, check_fields
from kit.messages import Response, decode_content, error_from_transport, response_from_wire
from kit.messages.content import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kit.limits import Limits
    from kit.serializable import Serializable

    Payload = bytes | str | dict[str, Any] | list[Any] | Serializable | IO[bytes] | None
    Query = Mapping[str, Any] | Sequence[tuple[str, Any]] | str | None

PATH_SAFE = "/%:@!$&'()*+,;=-._~?"
QUERY_SAFE = PATH_SAFE + "[]"

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_HOST = re.compile(r"[^\s/@\[\]\x00-\x1f\x7f]+")


def check_origin(addr: object, protocol: object) -> Origin:
    """Return the origin that a client's address and protocol name.

    Raises:
        ConfigurationError: one of them cannot be.
    """
    if not isinstance(protocol, str) or protocol not in DEFAULT_PORTS:
        raise ConfigurationError(f'protocol must be "http" or "https", not {protocol!r}')
    if (
        not isinstance(addr, tuple | list)
        or len(addr) != 2
        or not isinstance(addr[0], str)
        or not _HOST.fullmatch(addr[0])
        or isinstance(addr[1], bool)
        or not isinstance(addr[1], int)
        or not 0 < addr[1] <= 65535
    ):
        raise ConfigurationError(
            "addr must be (host, port) of the server, for example "
            f'("127.0.0.1", 8080), not {addr!r}'
        )
    return protocol, addr[0], addr[1]


def check_bound(name: str, value: object, *, least: float) -> None:
    """Check that a client's bound is a number, and not too small.

    Raises:
        ConfigurationError: it is not.
    """
    kinds = int if isinstance(least, int) else int | float
    # Said this way round, so that NaN is refused.
    if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
        what = f"a whole number of at least {least}" if kinds is int else "a positive number"
        raise ConfigurationError(f"{name} must be {what}, not {value!r}")


def check_method(method: object) -> str:
    """Return the method, if a request can have it.

    Raises:
        ConfigurationError: it is no token, or CONNECT, which makes a tunnel.
    """
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise ConfigurationError(f'method must be a name such as "PATCH", not {method!r}')
    if method == "CONNECT":
        raise ConfigurationError("method CONNECT asks for a tunnel, which this client has not")
    return method


def check_callable(name: str, value: object) -> None:
    """Check that a callback can be called.

    Raises:
        TypeError: it cannot.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not {value!r}")


def check_sink(sink: object) -> None:
    """Check that a response's body can be written to a sink.

    Raises:
        TypeError: it cannot.
    """
    if sink is not None and (not hasattr(sink, "write") or isinstance(sink, io.TextIOBase)):
        raise TypeError(f"sink must be a file open for writing in binary mode, not {sink!r}")


def build_target(path: object, query: Query) -> str:
    """Return the request target: the path, quoted where needed, and the query.

    Raises:
        ConfigurationError: the path does not begin with a slash.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigurationError(f'path must begin with "/", not {path!r}')
    target = _quote(path.partition("#")[0], PATH_SAFE)
    if not query:
        return target
    encoded = _quote(query, QUERY_SAFE) if isinstance(query, str) else _encode_query(query)
    return f"{target}{'&' if '?' in target else '?'}{encoded}"


def _encode_query(query: Any) -> str:
    try:
        return urlencode(query, doseq=True)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"query must be a dict, a list of pairs or a str, not {query!r}"
        ) from error


def _encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(
            f"a str is sent as UTF-8, which has no lone surrogates: {error.reason} at index "
            f"{error.start}; give bytes for anything else"
        ) from error


def _quote(text: str, safe: str) -> str:
    _encode_text(text)
    # What is quoted already stays so.
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)


def encode_payload(payload: Payload) -> tuple[Body | None, bytes]:
    """Give the body, and the Content-Type that goes with the payload's kind.

    Raises:
        TypeError: the payload cannot be sent.
        LocalProtocolError: it holds what JSON cannot carry.
    """
    if payload is None:
        return None, b""
    if isinstance(payload, bytes | bytearray | memoryview):
        return Body(bytes(payload)), b"application/octet-stream"
    if isinstance(payload, str):
        return Body(_encode_text(payload)), b"text/plain; charset=utf-8"
    if isinstance(payload, dict | list):
        return Body(dump_json(payload)), b"application/json"
    if hasattr(payload, "dumpb"):
        return Body(payload.dumpb()), b"application/vnd.msgpack"
    if isinstance(payload, io.TextIOBase):  # type: ignore[unreachable] # not by its type, but given
        raise TypeError('payload is a text file: open it in binary mode ("rb")')
    if hasattr(payload, "read"):
        return Body(payload), b"application/octet-stream"
    raise TypeError(
        f"payload is {type(payload).__name__}, expected bytes, str, dict, list, "
        "a Serializable, a binary file or None"
    )


def complete_headers(
    headers: HeadersLike | None, content_type: bytes = b"", *, accept_encoding: bytes = b"gzip"
) -> list[tuple[bytes, bytes]]:
    """Add what every request has to the headers given.

    Raises:
        TypeError: they are not headers.
        LocalProtocolError: one of them cannot be sent.
    """
    given = Headers(headers)
    check_fields(given)
    fields = list(given.raw)
    if content_type and b"content-type" not in given:
        fields.append((b"Content-Type", content_type))
    if b"accept-encoding" not in given:
        fields.append((b"Accept-Encoding", accept_encoding))
    if b"user-agent" not in given:
        from kit.version import __version__

        fields.append((b"User-Agent", b"wirekit/" + __version__.encode()))
    return fields


def build_response(transaction: Transaction, limits: Limits) -> Response:
    """Make the response of what a transaction has come to."""
    if transaction.error is not None:
        return error_from_transport(transaction.error, transaction.url)
    try:
        body = decode_content(
            transaction.raw_headers, transaction.whole_body(), limits.response_bytes
        )
    except KitError as error:
        return error_from_transport(error, transaction.url)
    response = response_from_wire(
        transaction.status, transaction.reason, transaction.raw_headers, body, transaction.url
    )
    if transaction.raw_trailers:
        response._trailers = Headers.from_raw(transaction.raw_trailers)
    return response
