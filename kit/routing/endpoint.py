"""Endpoints: what a request resolves to, and what is called to answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.limits import DEFAULT_MAX_CONTENT_LENGTH
from kit.messages import ErrorResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kit.messages import Request
    from kit.routing.resource import Route


UNMATCHED = frozenset((404, 405, 426))
"""What a request gets that nothing matches."""
UNMATCHED_FIELD = "Kit-Unmatched"
"""Tells such a response from one that a handler gave."""


class Endpoint:
    """The handler of a route with its options, read once at registration.

    Attributes:
        method: the route's HTTP method.
        pattern: the route's pattern, as text.
        callback: the handler.
        name: the handler's qualified name, for messages.
        call: calls the handler: `call(request)`, or for a websocket
            `call(request, opcode, payload)`; a coroutine comes back if `is_async`.
        max_content_length: bytes of request body it takes.
        is_websocket: whether it handles a websocket.
        is_async: whether the handler is an `async def`.
        subprotocols: what a websocket handler speaks, preferred first.
        compress: whether a websocket may be compressed.
        max_message_bytes: bound of a websocket message; None for the server's own.
        is_match: False where no route was found and `call` gives the refusal.
        pace: for whoever runs handlers, to note what it knows about this one.
    """

    __slots__ = (
        "call",
        "callback",
        "compress",
        "is_async",
        "is_match",
        "is_websocket",
        "max_content_length",
        "max_message_bytes",
        "method",
        "name",
        "pace",
        "pattern",
        "subprotocols",
    )

    needs_body = False
    """Whether the body is needed to `decide` what really answers."""
    delay_s: float = 0.0
    """How long the answer is to be delayed."""
    fault_rules: Sequence[Any] = ()
    """Which of its requests have a fault."""

    def __init__(self, route: Route) -> None:
        mark = route.mark
        self.method: str = route.http_method
        self.pattern: str = route.url_pattern
        self.callback: Callable[..., Any] = route.callback
        self.call: Callable[..., Any] = route.callback
        self.name: str = route.name
        self.max_content_length: int = mark.max_content_length
        self.is_websocket: bool = mark.is_websocket
        self.is_async: bool = route.is_async
        self.subprotocols: tuple[str, ...] = mark.subprotocols
        self.compress: bool = mark.compress
        self.max_message_bytes: int | None = mark.max_message_bytes
        self.is_match: bool = True
        self.pace: Any = None

    def decide(self, request: Request) -> Endpoint:  # noqa: ARG002 - for those that need it
        """Return what answers a request whose body is there; see `needs_body`."""
        return self

    def __repr__(self) -> str:
        """Show the route and the handler."""
        return f"<{type(self).__name__} {self.method} {self.pattern} {self.name}>"


class Miss(Endpoint):
    """Answers a request that no route matches.

    Attributes:
        status_code: the status of the answer.
        allow: the methods the path does have, sorted.
    """

    __slots__ = ("_compose", "allow", "status_code")

    def __init__(
        self,
        method: str,
        status_code: int,
        compose: Callable[[Request], str],
        allow: tuple[str, ...] = (),
    ) -> None:
        self.method = method
        self.pattern = ""
        self.callback: Callable[..., Any] = self._answer
        self.call: Callable[..., Any] = self._answer
        self.name: str = f"(answers {status_code})"
        self.max_content_length = DEFAULT_MAX_CONTENT_LENGTH
        self.is_websocket = self.is_async = self.is_match = False
        self.subprotocols: tuple[str, ...] = ()
        self.compress = False
        self.max_message_bytes: int | None = None
        self.pace: Any = None
        self.status_code: int = status_code
        self.allow: tuple[str, ...] = allow
        self._compose = compose

    def _answer(self, request: Request) -> Response:
        headers = {"Allow": ", ".join(self.allow)} if self.allow else {}
        if self.status_code == 204:
            return Response(None, 204, headers)
        if self.status_code in UNMATCHED:
            headers[UNMATCHED_FIELD] = "true"
        if self.status_code == 426:
            # RFC 9110 section 15.5.22: the response must name the protocol.
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
        return ErrorResponse(self._compose(request), self.status_code, headers)
