"""From a caller's arguments to the parts of a request, and from its end to a response."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kit.engine.transaction import Body, Origin, Transaction
from kit.errors import ConfigurationError
from kit.headers import Headers, HeadersLike
from kit.messages import Response, decode_content, error_from_transport, response_from_wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kit.limits import Limits
    from kit.serializable import Serializable

    Payload = bytes | str | dict[str, Any] | list[Any] | Serializable | IO[bytes] | None
    Query = Mapping[str, Any] | Sequence[tuple[str, Any]] | str | None

DEFAULT_PORTS = {"http": 80, "https": 443}


def check_origin(addr: object, protocol: object) -> Origin:
    """Return the origin that a client's address and protocol name.

    Raises:
        ConfigurationError: one of them cannot be.
    """
    if protocol not in DEFAULT_PORTS:
        raise ConfigurationError(f'protocol must be "http" or "https", not {protocol!r}')
    if (
        not isinstance(addr, tuple | list)
        or len(addr) != 2
        or not isinstance(addr[0], str)
        or not addr[0]
        or isinstance(addr[1], bool)
        or not isinstance(addr[1], int)
        or not 0 < addr[1] <= 65535
    ):
        raise ConfigurationError(
            "addr must be (host, port) of the server, for example "
            f'("127.0.0.1", 8080), not {addr!r}'
        )
    return str(protocol), addr[0], addr[1]


def build_target(path: str, query: Query) -> str:
    """Return the request target: the path, quoted where needed, and the query.

    Raises:
        ConfigurationError: the path does not begin with a slash.
    """
    if not path.startswith("/"):
        raise ConfigurationError(f'path must begin with "/", not {path!r}')
    target = quote(path.partition("#")[0], safe="/%:@!$&'()*+,;=-._~?")
    if not query:
        return target
    encoded = query if isinstance(query, str) else urlencode(query, doseq=True)
    return f"{target}{'&' if '?' in target else '?'}{encoded}"


def encode_payload(payload: Payload) -> tuple[Body | None, bytes]:
    """Give the body, and the Content-Type that goes with the payload's kind.

    Raises:
        TypeError: the payload cannot be sent.
    """
    if payload is None:
        return None, b""
    if isinstance(payload, bytes | bytearray | memoryview):
        return Body(bytes(payload)), b"application/octet-stream"
    if isinstance(payload, str):
        return Body(payload.encode()), b"text/plain; charset=utf-8"
    if isinstance(payload, dict | list):
        return Body(json.dumps(payload).encode()), b"application/json"
    if hasattr(payload, "dumpb"):
        return Body(payload.dumpb()), b"application/vnd.msgpack"
    if hasattr(payload, "read"):
        return Body(payload), b"application/octet-stream"
    raise TypeError(
        f"payload is {type(payload).__name__}, expected bytes, str, dict, list, "
        "a Serializable, a binary file or None"
    )


def complete_headers(headers: HeadersLike | None, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """Add what every request has to the headers given."""
    given = Headers(headers)
    fields = list(given.raw)
    if content_type and b"content-type" not in given:
        fields.append((b"Content-Type", content_type))
    if b"accept-encoding" not in given:
        fields.append((b"Accept-Encoding", b"gzip"))
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
    except Exception as error:  # noqa: BLE001 - becomes the response
        return error_from_transport(error, transaction.url)
    return response_from_wire(
        transaction.status, transaction.reason, transaction.raw_headers, body, transaction.url
    )
