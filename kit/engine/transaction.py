"""A client's request on its way: what is asked for, and what has come back."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin, urlsplit

from kit.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kit.engine.requester import Requester
    from kit.limits import Limits
    from kit.wire.http1 import ResponseHead

BLOCK_BYTES = 65536
MAX_REDIRECTS = 10

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110 section 9.2.2)."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPS_METHOD = frozenset({307, 308})
PRIVATE_FIELDS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
BODY_FIELDS = frozenset({b"content-type", b"content-length", b"content-encoding"})

Origin = tuple[str, str, int]
"""(scheme, host, port)"""
SocketAddress = tuple[int, tuple[Any, ...]]
"""(family, address) as `socket` takes them."""


class Upgrade(Protocol):
    """A transaction's wish to become a websocket."""

    def open(self, connection: Requester, head: ResponseHead, rest: bytes) -> int:
        """Take the connection over after a 101; return what to poll for."""
        ...

    def step(self, ready: int) -> int: ...
    def expire(self) -> int: ...
    def parked(self) -> int | None: ...
    def break_off(self, error: BaseException) -> None: ...


class Body:
    """A request's body: bytes, or a file from where it stands.

    Attributes:
        length: bytes, None if it cannot be told before the end.
    """

    def __init__(self, source: bytes | IO[bytes]) -> None:
        self._source = source
        self._start = 0
        self.length: int | None
        if isinstance(source, bytes):
            self.length = len(source)
            return
        try:
            self._start = source.tell()
            self.length = source.seek(0, io.SEEK_END) - self._start
            source.seek(self._start)
            self.is_repeatable = True
        except (AttributeError, OSError, ValueError):
            self.length = None
            self.is_repeatable = False

    is_repeatable = True

    def whole(self) -> bytes | None:
        """Return the body if it is bytes."""
        return self._source if isinstance(self._source, bytes) else None

    def blocks(self) -> Iterator[bytes]:
        """Yield the body from its start."""
        source = self._source
        if isinstance(source, bytes):
            yield source
            return
        if self.is_repeatable:
            source.seek(self._start)
        while block := source.read(BLOCK_BYTES):
            yield block


class Transaction:
    """One request, through redirects and a repeat, to its one result.

    Args:
        finish: called once with the transaction, on the relay's threads.

    Attributes:
        status, reason, raw_headers, body: the final response, once `error` is
            None and it is done.
        error: why there is no response.
        state: what it is doing, in words.
        connection: what carries it right now.
        addresses: what is left to dial, once the name is resolved.
        upgrade: what takes the connection over after a 101.
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
        self.origin = origin
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.sink = sink
        self.redirects_left = redirects
        self.is_repeat = False
        self.is_cancelled = False
        self.state = "waiting for a connection"
        self.connection: Requester | None = None
        self.addresses: list[SocketAddress] = []
        self.upgrade: Upgrade | None = None
        self.status = 0
        self.reason = ""
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.error: BaseException | None = None
        self._finish = finish
        self._pieces: list[bytes] = []
        self.received_bytes = 0

    @property
    def url(self) -> str:
        """The absolute URL that is being asked for."""
        scheme, host, port = self.origin
        default = {"http": 80, "https": 443}[scheme]
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}{'' if port == default else f':{port}'}{self.target}"

    def host_field(self) -> bytes:
        """Return the value of the Host field (RFC 9110 section 7.2)."""
        return urlsplit(self.url).netloc.encode("ascii", "replace")

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
            self.sink.write(piece)
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

    def finish(self, error: BaseException | None = None) -> None:
        """Hand the result over, once."""
        finish, self._finish = self._finish, _ignore
        self.error = error
        self.state = "done" if error is None else "failed"
        self.connection = None
        finish(self)

    def redirect(self) -> bool:
        """Turn into the request that the response points to; False if it points nowhere.

        As in RFC 9110 section 15.4, and as urllib has it: 303, and 301 and 302
        after a POST, become a GET without a body; what is private stays with
        its origin.
        """
        location = next((v for n, v in self.raw_headers if n.lower() == b"location"), None)
        if self.status not in REDIRECTS or location is None or self.redirects_left <= 0:
            return False
        origin, target = _resolve(self.url, location.decode("latin-1"))
        if origin is None or (
            self.status in KEEPS_METHOD and self.body is not None and not self.body.is_repeatable
        ):
            return False
        dropped = BODY_FIELDS if self._drop_body() else frozenset()
        if origin != self.origin:
            dropped |= PRIVATE_FIELDS
        self.headers = [field for field in self.headers if field[0].lower() not in dropped]
        self.origin, self.target = origin, target
        self.redirects_left -= 1
        self.is_repeat = False
        return True

    def _drop_body(self) -> bool:
        if self.status in KEEPS_METHOD or self.method in {"GET", "HEAD"}:
            return False
        if self.status == 303 or self.method == "POST":
            self.method, self.body = "GET", None
            return True
        return False


def _resolve(base: str, location: str) -> tuple[Origin | None, str]:
    try:
        parts = urlsplit(urljoin(base, location))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return None, ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None, ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.scheme, parts.hostname, port), target


def _ignore(transaction: Transaction) -> None:
    """Do nothing, as the result has been handed over."""
