"""What a cassette answers with is known when the whole request is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.routing.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.messages import Request
    from kit.record.cassette import Cassette


class Pending(Endpoint):
    """Stands for what answers a request until its body is there.

    Args:
        cassette: decides then.
        request: its head.
        max_content_length: a larger body gets 413.
    """

    __slots__ = ("_cassette",)

    needs_body = True

    def __init__(self, cassette: Cassette, request: Request, max_content_length: int) -> None:
        self._cassette = cassette
        self.method: str = request.method
        self.pattern: str = request.path
        self.name: str = f"cassette {cassette.path.name}"
        self.callback: Callable[..., Any] = self._call
        self.call: Callable[..., Any] = self._call
        self.max_content_length = max_content_length
        self.is_websocket = self.is_async = False
        self.subprotocols: tuple[str, ...] = ()
        self.compress = False
        self.max_message_bytes: int | None = None
        self.is_match = True
        self.pace: Any = None

    def decide(self, request: Request) -> Endpoint:
        """Give what answers the request, now that its body is there."""
        return self._cassette.decide(request, is_websocket=False)

    def _call(self, request: Request) -> Any:
        return self.decide(request).call(request)
