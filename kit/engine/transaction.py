"""A client's request on its way: what is asked for, and what has come back."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote_from_bytes, urljoin, urlsplit

from kit.errors import LimitError, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kit.engine.requester import Requester
    from kit.engine.timers import Call
    from kit.faults.book import Injection
    from kit.limits import Limits
    from kit.wire.http1 import ResponseHead

BLOCK_BYTES = 65536
MAX_REDIRECTS = 10

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110 section 9.2.2)."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPS_METHOD = frozenset({307, 308})
PRIVATE_FIELDS = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"host"})
BODY_FIELDS = frozenset(
    {b"content-type", b"content-length", b"content-encoding", b"transfer-encoding"}
)
DEFAULT_PORTS = {"http": 80, "https": 443}
QUOTED_SAFE = "/%:@!$&'()*+,;=-._~?[]"
"""What stays as it is in the path and query of a Location."""

Origin = tuple[str, str, int]
"""(scheme, host, port)"""
SocketAddress = tuple[int, tuple[Any, ...]]
"""(family, address) as `socket` takes them."""


class Upgrade(Protocol):
    """A transaction's wish to become a websocket."""

    @property
    def is_closing(self) -> bool:
        """Whether the closing handshake is under way."""
        ...

    def agree(self, connection: Requester, head: ResponseHead) -> None:
        """Take the connection over after a 101.

        Raises:
            HandshakeError: the server's handshake is not valid.
        """
        ...

    def open(self, rest: bytes) -> int:
        """Begin, with what came along with the 101; return what to poll for."""
        ...

    def step(self, ready: int) -> int: ...
    def expire(self) -> int: ...
    def parked(self) -> int | None: ...
    def break_off(self, error: BaseException) -> None: ...


class Body:
    """A request's body: bytes, or a file from where it stands.

    Attributes:
        length: bytes, None if it cannot be told before the end.
        is_repeatable: whether it can be read once more.
    """

    def __init__(self, source: bytes | IO[bytes]) -> None:
        self._source = source
        self._start = 0
        self.is_repeatable: bool = True
        self.length: int | None
        if isinstance(source, bytes):
            self.length = len(source)
            return
        try:
            self._start = source.tell()
            source.seek(0, io.SEEK_END)
            self.length = max(0, source.tell() - self._start)
            source.seek(self._start)
        except (AttributeError, OSError, ValueError, TypeError):
            self.length = None
            self.is_repeatable = False

    def whole(self) -> bytes | None:
        """Return the body if it is bytes."""
        return self._source if isinstance(self._source, bytes) else None

    def blocks(self) -> Iterator[bytes]:
        """Yield the body from its start, if it is a file.

        Raises:
            LocalProtocolError: the file cannot be read, or does not give bytes.
        """
        source = cast("IO[bytes]", self._source)
        try:
            if self.is_repeatable:
                source.seek(self._start)
            while block := source.read(BLOCK_BYTES):
                yield bytes(block)
        except Exception as error:
            # Not as it is: an OSError would look like one of the connection's.
            msg = f"the payload's file cannot be read: {type(error).__name__}: {error}"
            raise LocalProtocolError(msg) from error


class Transaction:
    """One request, through redirects and a repeat, to its one result.

    Args:
        finish: called once with the transaction, on the relay's threads.

    Attributes:
        status, reason, raw_headers, raw_trailers, body: the final response, once
            `error` is None and it is done.
        error: why there is no response.
        state: what it is doing, in words.
        connection: what carries it right now.
        addresses: what is left to dial, once the name is resolved.
        alarm: the time limit of the name's resolution.
        upgrade: what takes the connection over after a 101.
        injection: the fault it is to have, until it has it.
    """

    def __init__(
        self,
        origin: Origin,
        method: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        body: Body | None,
        *,
        sink: IO[bytes] | None,
        redirects: int,
        finish: Callable[[Transaction], None],
    ) -> None:
        self.origin: Origin = origin
        self.method: str = method
        self.target: str = target
        self.headers: list[tuple[bytes, bytes]] = headers
        self.body = body
        self.sink = sink
        self._max_redirects = self._redirects_left = redirects
        self.is_repeat: bool = False
        self.is_cancelled = False
        self.state: str = "waiting for a connection"
        self.connection: Requester | None = None
        self.addresses: list[SocketAddress] = []
        self.alarm: Call | None = None
        self.upgrade: Upgrade | None = None
        self.injection: Injection | None = None
        self.status: int = 0
        self.reason: str = ""
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.raw_trailers: list[tuple[bytes, bytes]] = []
        self.error: BaseException | None = None
        self._finish = finish
        self._pieces: list[bytes] = []
        self.received_bytes: int = 0

    @property
    def url(self) -> str:
        """The absolute URL that is being asked for."""
        return f"{self.origin[0]}://{_authority(self.origin)}{self.target}"

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return the request's fields: Host first (RFC 9110 section 7.2), unless it is given."""
        if any(name.lower() == b"host" for name, _ in self.headers):
            return self.headers
        return [(b"Host", _authority(self.origin).encode("ascii")), *self.headers]

    def begin_response(
        self, status: int, reason: str, raw_headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Take the final head."""
        self.status, self.reason, self.raw_headers = status, reason, raw_headers
        self._pieces, self.received_bytes = [], 0

    def take(self, piece: bytes, limits: Limits) -> None:
        """Take a piece of the response's body.

        Raises:
            LimitError: the body is larger than `Limits.response_bytes`.
        """
        self.received_bytes += len(piece)
        if self.sink is not None and self.status < 300:
            _write_all(self.sink, piece)
            return
        if self.received_bytes > limits.response_bytes:
            raise LimitError(
                "response_bytes",
                limits.response_bytes,
                f"the response of {self.url} is too large to be held (give a sink to write it to)",
            )
        self._pieces.append(piece)

    def whole_body(self) -> bytes:
        """Return the response's body as it came."""
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    def is_repeatable(self) -> bool:
        """Tell whether it may be sent once more after a connection that broke unanswered."""
        return (
            not self.is_repeat
            and self.method in SAFE_TO_REPEAT
            and (self.body is None or self.body.is_repeatable)
        )

    @property
    def is_finished(self) -> bool:
        """Whether the result has been handed over."""
        return self._finish is _ignore

    def finish(self, error: BaseException | None = None) -> None:
        """Hand the result over, once."""
        if self.is_finished:
            return
        finish, self._finish = self._finish, _ignore
        self.error = error
        self.state = "done" if error is None else "failed"
        self.connection = None
        finish(self)

    def release(self) -> None:
        """Hand over no result, as it has become a websocket."""
        self._finish = _ignore
        self.state = "open"
        self.connection = None

    def redirect(self) -> bool:
        """Turn into the request that the response points to; False if it points nowhere.

        As in RFC 9110 section 15.4, and as urllib has it: 303, and 301 and 302
        after a POST, become a GET without a body; what is private stays with
        its origin. With no redirects allowed, each is a response like any other.

        Raises:
            LimitError: it would be one redirect more than allowed.
        """
        location = next((v for n, v in self.raw_headers if n.lower() == b"location"), None)
        if self.status not in REDIRECTS or location is None or self._max_redirects <= 0:
            return False
        origin, target = _resolve(self.url, location.decode("latin-1"))
        if origin is None or (
            self.status in KEEPS_METHOD and self.body is not None and not self.body.is_repeatable
        ):
            return False
        if self._redirects_left <= 0:
            raise LimitError(
                "max_redirects", self._max_redirects, f"{self.url} redirects once more"
            )
        dropped = BODY_FIELDS if self._drop_body() else frozenset()
        if origin != self.origin:
            dropped |= PRIVATE_FIELDS
        self.headers = [field for field in self.headers if field[0].lower() not in dropped]
        self.origin, self.target = origin, target
        self.addresses = []
        self._redirects_left -= 1
        self.is_repeat = False
        return True

    def _drop_body(self) -> bool:
        if self.status in KEEPS_METHOD or self.method in {"GET", "HEAD"}:
            return False
        if self.status == 303 or self.method == "POST":
            self.method, self.body = "GET", None
            return True
        return False


def _authority(origin: Origin) -> str:
    """Give host and port as they stand in a URL (RFC 3986 section 3.2)."""
    scheme, host, port = origin
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            host = host.encode("ascii", "replace").decode("ascii")
    if ":" in host:
        host = f"[{host.partition('%')[0]}]"  # RFC 6874 section 4: no zone leaves this machine
    return host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"


def _resolve(base: str, location: str) -> tuple[Origin | None, str]:
    try:
        parts = urlsplit(urljoin(base, location))
        host, port = parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None, ""
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None, ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A Location is to be ASCII; those that are not hold the bytes of the server's encoding.
    quoted = quote_from_bytes(target.encode("latin-1", "replace"), safe=QUOTED_SAFE)
    return (parts.scheme, host, port), quoted


def _write_all(sink: IO[bytes], piece: bytes) -> None:
    # A file without a buffer may take less than it is given; others may tell nothing.
    taken: int | None = sink.write(piece)
    while taken is not None and taken < len(piece):
        if taken <= 0:
            msg = "the sink takes no more bytes"
            raise OSError(msg)
        piece = piece[taken:]
        taken = sink.write(piece)


def _ignore(transaction: Transaction) -> None:
    """Do nothing, as the result has been handed over."""
