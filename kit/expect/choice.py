"""Several stubs, or a stub and a route, of which the body decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.routing.endpoint import Endpoint, Miss

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.expect.answers import StubEndpoint
    from kit.expect.seen import Seen
    from kit.expect.stubs import Stub
    from kit.messages import Request

Candidates = list[tuple["Stub", dict[str, str]]]
"""Stubs that hold the request's head, each with the wildcards' values."""


class Choice(Endpoint):
    """Stands for what answers a request until its body is there.

    Attributes:
        needs_body: True: `decide` gives what is to be called.
    """

    __slots__ = ("_candidates", "_fallback", "_fallback_matches", "_seen")

    needs_body = True

    def __init__(self, seen: Seen, candidates: Candidates) -> None:
        first = candidates[0][0]
        self._seen = seen
        self._candidates = candidates
        self._fallback: Endpoint | None = None
        self._fallback_matches: dict[str, str] = {}
        self.method: str = first.method
        self.pattern: str = first.pattern
        self.callback: Callable[..., Any] = self._call
        self.call: Callable[..., Any] = self._call
        self.name: str = first.name
        self.max_content_length: int = max(stub.max_content_length for stub, _ in candidates)
        self.is_websocket = self.is_async = False
        self.subprotocols: tuple[str, ...] = ()
        self.compress = False
        self.max_message_bytes: int | None = None
        self.is_match = True
        self.pace: Any = None

    def set_fallback(self, endpoint: Endpoint, matches: dict[str, str]) -> None:
        """Set what answers if no stub does, and the request's matches for that case."""
        self._fallback = endpoint
        self._fallback_matches = matches
        self.max_content_length = max(self.max_content_length, endpoint.max_content_length)

    def find_stub(self) -> StubEndpoint | Outcry | None:
        """Take the first stub that holds the whole request and is not used up, and count it.

        The request's matches are set to the stub's. Where a stub's function raises what is
        no Exception, that is the answer, and no stub has taken the request.
        """
        seen = self._seen
        for stub, matches in self._candidates:
            # Compared outside the lock: predicates may take their time.
            try:
                is_held = stub.match_body(seen)
            except BaseException as error:  # noqa: BLE001 - raised again as the answer
                return Outcry(stub, error)
            if is_held:
                endpoint = stub.try_take()
                if endpoint is not None:
                    seen.request.matches = matches
                    return endpoint
        return None

    def decide(self, request: Request) -> Endpoint:
        """Give what answers the request, now that its body is there.

        A stub that takes it has counted it. A body that the endpoint is too small for
        is answered 413, as it would have been had the head decided.
        """
        endpoint: Endpoint | None = self.find_stub()
        if endpoint is None:
            endpoint = self._fallback or Miss(request.method, 404, _describe_none)
            request.matches = self._fallback_matches
        limit = endpoint.max_content_length
        if limit < self.max_content_length and len(request.body) > limit:
            return Miss(request.method, 413, lambda _: _describe_too_large(request, limit))
        return endpoint.decide(request)

    def _call(self, request: Request) -> Any:
        return self.decide(request).call(request)


class Outcry(Endpoint):
    """Raises, as a handler would, what a function has that a stub asks about a request.

    It is no `Exception`, which would only say that the request is not the stub's: a test's
    `pytest.fail()` is meant to be heard.

    Args:
        stub: the stub.
        error: what its function has raised.
    """

    __slots__ = ("_error",)

    def __init__(self, stub: Stub, error: BaseException) -> None:
        self._error = error
        self.method: str = stub.method
        self.pattern: str = stub.pattern
        self.callback: Callable[..., Any] = self._raise
        self.call: Callable[..., Any] = self._raise
        self.name: str = stub.name
        self.max_content_length: int = stub.max_content_length
        self.is_websocket = self.is_async = False
        self.subprotocols: tuple[str, ...] = ()
        self.compress = False
        self.max_message_bytes: int | None = None
        self.is_match = True
        self.pace: Any = None

    def _raise(self, _: Request) -> Any:
        raise self._error


def _describe_none(request: Request) -> str:
    return f"no stub takes {request.method} {request.path}"


def _describe_too_large(request: Request, limit: int) -> str:
    return (
        f"the request body has {len(request.body)} bytes, this route takes {limit} "
        "(max_content_length)"
    )
