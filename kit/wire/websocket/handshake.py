"""The opening handshake, both roles (RFC 6455 section 4)."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from typing import TYPE_CHECKING, TypeVar

from kit.errors import ConfigurationError, HandshakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.extensions import Extension

    from kit.wire.websocket.protocol import WebSocketProtocol

    RawHeaders = Sequence[tuple[bytes, bytes]]

_T = TypeVar("_T")

_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_UPGRADE_REQUIRED = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
_VERSION = (b"Sec-WebSocket-Version", b"13")
_UPGRADE = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]


@dataclasses.dataclass(slots=True)
class Accepted:
    """A handshake that the server accepts.

    Attributes:
        headers: the fields of the 101 response, without its status line.
        protocol: the server's side of the open connection.
        subprotocol: the chosen one, if client and server have one in common.
    """

    headers: list[tuple[bytes, bytes]]
    protocol: WebSocketProtocol
    subprotocol: str | None


def accept_handshake(
    method: str,
    http_version: str,
    raw_headers: RawHeaders,
    *,
    subprotocols: Sequence[str] = (),
    compress: bool = True,
    max_message_bytes: int,
) -> Accepted:
    """Check a client's handshake and make the server's answer (RFC 6455 section 4.2).

    `Host` and `Origin` are the caller's to judge.

    Args:
        http_version: such as `"1.1"`.
        subprotocols: what this server speaks, best first. Without one in common the
            connection is accepted without any, which the client may then refuse.
        compress: whether an offer of permessage-deflate is taken.
        max_message_bytes: see `WebSocketProtocol`.

    Raises:
        HandshakeError: it is not valid; `status_code` and `headers` are those of the
            refusal: 426 for a request that asks for no websocket or for another
            version of it, 400 for the rest.
        ConfigurationError: `subprotocols` holds what is no token.
    """
    ours = _check_subprotocols(subprotocols)
    _check_upgrade(method, http_version, raw_headers)
    key = _check_key(raw_headers)
    from websockets.utils import accept_key

    from kit.wire.websocket.protocol import WebSocketProtocol

    headers = [*_UPGRADE, (b"Sec-WebSocket-Accept", accept_key(key).encode())]
    offered = _parse_subprotocols(raw_headers)
    subprotocol = next((name for name in ours if name in offered), None)
    if subprotocol is not None:
        headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode()))
    answer, extensions = _answer_extensions(
        raw_headers, compress=compress, max_message_bytes=max_message_bytes
    )
    if answer:
        headers.append((b"Sec-WebSocket-Extensions", answer.encode()))
    protocol = WebSocketProtocol(
        "server",
        max_message_bytes=max_message_bytes,
        extensions=extensions,
        subprotocol=subprotocol,
    )
    return Accepted(headers, protocol, subprotocol)


class ClientHandshake:
    """A client's handshake (RFC 6455 section 4.1).

    Args:
        subprotocols: what to offer, best first.
        compress: whether to offer permessage-deflate.
        max_message_bytes: see `WebSocketProtocol`.

    Attributes:
        headers: fields to add to the GET request, which needs a `Host` besides.

    Raises:
        ConfigurationError: `subprotocols` holds what is no token, or one twice.
    """

    __slots__ = ("_accept", "_compress", "_max_message_bytes", "_subprotocols", "headers")

    def __init__(
        self,
        subprotocols: Sequence[str] = (),
        *,
        compress: bool = True,
        max_message_bytes: int,
    ) -> None:
        self._subprotocols = _check_subprotocols(subprotocols)
        self._compress = compress
        self._max_message_bytes = max_message_bytes
        from websockets.utils import accept_key, generate_key

        key = generate_key()
        self._accept = accept_key(key)
        self.headers: list[tuple[bytes, bytes]] = [
            *_UPGRADE,
            (b"Sec-WebSocket-Key", key.encode()),
            _VERSION,
        ]
        if compress:
            self.headers.append((b"Sec-WebSocket-Extensions", self._offer().encode()))
        if self._subprotocols:
            offer = ", ".join(self._subprotocols).encode()
            self.headers.append((b"Sec-WebSocket-Protocol", offer))

    def finish(self, status: int, raw_headers: RawHeaders) -> WebSocketProtocol:
        """Check the server's response; return the client's side of the open connection.

        Raises:
            HandshakeError: a `RemoteProtocolError` that says what the server got wrong;
                `status_code` is the server's when it did not answer 101.
        """
        self._check_response(status, raw_headers)
        from kit.wire.websocket.protocol import WebSocketProtocol

        return WebSocketProtocol(
            "client",
            max_message_bytes=self._max_message_bytes,
            subprotocol=self._chosen_subprotocol(raw_headers),
            extensions=self._chosen_extensions(raw_headers),
        )

    def _offer(self) -> str:
        from websockets.headers import build_extension

        from kit.wire.websocket.deflate import ClientDeflateFactory

        factory = ClientDeflateFactory(self._max_message_bytes)
        return build_extension([(factory.name, factory.get_request_params())])

    def _check_response(self, status: int, raw_headers: RawHeaders) -> None:
        if status != 101:
            msg = f"server answered {status} to the websocket handshake, expected 101"
            raise HandshakeError(msg, status)
        if "websocket" not in _tokens(raw_headers, b"upgrade"):
            raise HandshakeError("server's 101 response lacks the field Upgrade: websocket")
        if "upgrade" not in _tokens(raw_headers, b"connection"):
            raise HandshakeError("server's 101 response lacks the field Connection: Upgrade")
        accepts = _values(raw_headers, b"sec-websocket-accept")
        if accepts != [self._accept]:
            got = ", ".join(accepts) or "none"
            raise HandshakeError(f"server's Sec-WebSocket-Accept is {got}, expected {self._accept}")

    def _chosen_subprotocol(self, raw_headers: RawHeaders) -> str | None:
        chosen = _parse_subprotocols(raw_headers)
        if not chosen:
            return None
        if len(chosen) > 1:
            msg = f"server chose {len(chosen)} subprotocols, expected one: {', '.join(chosen)}"
            raise HandshakeError(msg)
        if chosen[0] not in self._subprotocols:
            offered = ", ".join(self._subprotocols) or "none"
            msg = f"server chose the subprotocol {chosen[0]}, offered were: {offered}"
            raise HandshakeError(msg)
        return chosen[0]

    def _chosen_extensions(self, raw_headers: RawHeaders) -> Sequence[Extension]:
        chosen = _parse_extensions(raw_headers)
        if not chosen:
            return ()
        from websockets.exceptions import NegotiationError

        from kit.wire.websocket.deflate import ClientDeflateFactory

        factory = ClientDeflateFactory(self._max_message_bytes)
        extensions: list[Extension] = []
        for name, params in chosen:
            if not self._compress or name != factory.name:
                raise HandshakeError(f"server chose the extension {name}, which was not offered")
            try:
                extensions.append(factory.process_response_params(params, extensions))
            except NegotiationError as error:
                msg = f"server's answer to {name} does not fit the offer: {error}"
                raise HandshakeError(msg) from None
        return extensions


def _values(raw_headers: RawHeaders, name: bytes) -> list[str]:
    return [
        value.strip(b" \t").decode("latin-1")
        for field, value in raw_headers
        if field.lower() == name
    ]


def _tokens(raw_headers: RawHeaders, name: bytes) -> list[str]:
    joined = ",".join(_values(raw_headers, name))
    return [token.strip(" \t").lower() for token in joined.split(",")]


def _check_upgrade(method: str, http_version: str, raw_headers: RawHeaders) -> None:
    if method != "GET":
        raise HandshakeError(f"websocket handshake by {method}, expected GET")
    # RFC 9110 section 7.8: "A server that receives an Upgrade header field in an HTTP/1.0
    # request MUST ignore that Upgrade field."
    if http_version != "1.1":
        msg = f"websocket handshake over HTTP/{http_version}, expected HTTP/1.1"
        raise HandshakeError(msg, 426, _UPGRADE_REQUIRED)
    if "websocket" not in _tokens(raw_headers, b"upgrade"):
        msg = "this is a websocket: expected the header field Upgrade: websocket"
        raise HandshakeError(msg, 426, _UPGRADE_REQUIRED)
    if "upgrade" not in _tokens(raw_headers, b"connection"):
        msg = "this is a websocket: expected the header field Connection: Upgrade"
        raise HandshakeError(msg, 426, _UPGRADE_REQUIRED)
    versions = _values(raw_headers, b"sec-websocket-version")
    if versions != ["13"]:
        got = ", ".join(versions) or "none"
        msg = f"Sec-WebSocket-Version is {got}, expected 13"
        raise HandshakeError(msg, 426, (*_UPGRADE_REQUIRED, _VERSION))


def _check_key(raw_headers: RawHeaders) -> str:
    keys = _values(raw_headers, b"sec-websocket-key")
    if not keys:
        raise HandshakeError("websocket handshake without Sec-WebSocket-Key")
    if len(keys) > 1:
        msg = f"websocket handshake with {len(keys)} Sec-WebSocket-Key fields, expected one"
        raise HandshakeError(msg)
    try:
        size = len(base64.b64decode(keys[0].encode("latin-1"), validate=True))
    except binascii.Error:
        raise HandshakeError(f"Sec-WebSocket-Key {keys[0]!r} is not base64") from None
    if size != 16:
        raise HandshakeError(f"Sec-WebSocket-Key {keys[0]!r} holds {size} bytes, expected 16")
    return keys[0]


def _check_subprotocols(subprotocols: Sequence[object]) -> list[str]:
    if isinstance(subprotocols, str):
        msg = f"subprotocols must be a sequence of names, not the str {subprotocols!r}"
        raise ConfigurationError(msg)
    names: list[str] = []
    for name in subprotocols:
        if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
            msg = f"subprotocol {name!r} is not a token (RFC 9110 section 5.6.2), such as 'chat.v1'"
            raise ConfigurationError(msg)
        # RFC 6455 section 4.1: "The elements that comprise this value ... MUST all be
        # unique strings."
        if name in names:
            raise ConfigurationError(f"subprotocol {name!r} is given twice")
        names.append(name)
    return names


def _parse_subprotocols(raw_headers: RawHeaders) -> list[str]:
    values = _values(raw_headers, b"sec-websocket-protocol")
    if not values:
        return []
    from websockets.headers import parse_subprotocol

    return _parse(parse_subprotocol, values)


def _parse_extensions(
    raw_headers: RawHeaders,
) -> Sequence[tuple[str, Sequence[tuple[str, str | None]]]]:
    values = _values(raw_headers, b"sec-websocket-extensions")
    if not values:
        return []
    from websockets.headers import parse_extension

    return _parse(parse_extension, values)


def _parse(parse: Callable[[str], Sequence[_T]], values: Sequence[str]) -> list[_T]:
    from websockets.exceptions import InvalidHeaderFormat

    try:
        return [item for value in values for item in parse(value)]
    except InvalidHeaderFormat as error:
        raise HandshakeError(f"malformed websocket handshake: {error}") from None


def _answer_extensions(
    raw_headers: RawHeaders, *, compress: bool, max_message_bytes: int
) -> tuple[str, Sequence[Extension]]:
    offers = _parse_extensions(raw_headers)
    if not compress or not offers:
        return "", ()
    from websockets.exceptions import NegotiationError
    from websockets.headers import build_extension

    from kit.wire.websocket.deflate import ServerDeflateFactory

    factory = ServerDeflateFactory(max_message_bytes)
    for name, params in offers:
        if name != factory.name:
            continue
        try:
            answer, extension = factory.process_request_params(params, ())
        except NegotiationError:
            # RFC 7692 section 5: an offer that cannot be met is declined, the next is tried.
            continue
        return build_extension([(factory.name, answer)]), (extension,)
    return "", ()
