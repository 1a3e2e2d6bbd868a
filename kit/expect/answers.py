"""What a stub answers with: one response, several in turn, or a function's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from kit.errors import ConfigurationError, LocalProtocolError
from kit.expect.wording import count, shorten
from kit.headers import Headers, check_fields
from kit.messages import Request, Response
from kit.messages.content import dump_json
from kit.routing.endpoint import Endpoint

if TYPE_CHECKING:
    from kit.expect.stubs import Stub
    from kit.faults.plan import FaultRule
    from kit.headers import HeadersLike

Then: TypeAlias = Literal["repeat last", "cycle", "error"]
"""What follows the last response of a sequence."""

Handler: TypeAlias = Callable[[Request], Any]


class StubEndpoint(Endpoint):
    """A stub's answer, ready to be called.

    Attributes:
        stub: the stub.
        delay_s: seconds to wait before it is called.
    """

    __slots__ = ("delay_s", "stub")

    def __init__(self, stub: Stub, handler: Handler) -> None:
        self.stub: Stub = stub
        self.delay_s: float = stub.delay_s
        self.method: str = stub.method
        self.pattern: str = stub.pattern
        self.callback = handler
        self.name: str = stub.name
        self.max_content_length: int = stub.max_content_length
        self.is_websocket = False
        self.is_async: bool = is_coroutine_function(handler)
        self.subprotocols: tuple[str, ...] = ()
        self.compress = False
        self.max_message_bytes: int | None = None
        self.is_match = True
        self.pace: Any = None
        keep = stub._keep

        def call(request: Request) -> Any:
            keep(request)
            return handler(request)

        self.call = call

    @property
    def fault_rules(self) -> tuple[FaultRule, ...]:  # type: ignore[override]
        """Those of the stub, as they are now."""
        return self.stub.fault_rules


class Answer:
    """The endpoints of a stub, one for each of its responses.

    Args:
        stub: the stub.
        handlers: what gives the responses, in turn.
        then: what follows the last one.
    """

    __slots__ = ("_endpoints", "_given", "_then")

    def __init__(self, stub: Stub, handlers: Iterable[Handler], then: Then = "repeat last") -> None:
        self._endpoints = [StubEndpoint(stub, handler) for handler in handlers]
        self._then = then
        self._given = 0

    def take(self) -> StubEndpoint:
        """Give the next one; the stub's lock is held."""
        endpoints = self._endpoints
        index, self._given = self._given, self._given + 1
        if index < len(endpoints):
            return endpoints[index]
        return endpoints[index % len(endpoints)] if self._then == "cycle" else endpoints[-1]

    def explain_end(self) -> str | None:
        """Say why there is no further response; None if there is one."""
        if self._then == "error" and self._given >= len(self._endpoints):
            sequence = count(len(self._endpoints), "response")
            return f"used up: its sequence of {sequence} has ended"
        return None

    @property
    def is_endless(self) -> bool:
        """Whether there is always a further response."""
        return self._then != "error"

    def set_delay(self, delay_s: float) -> None:
        """Have all of them wait."""
        for endpoint in self._endpoints:
            endpoint.delay_s = delay_s


def is_coroutine_function(handler: object) -> bool:
    """Tell whether calling gives a coroutine."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - an instance with async __call__
    )


def make_response(payload: object, status_code: int, headers: HeadersLike | None) -> Response:
    """Make a response that can be sent many times.

    Raises:
        ConfigurationError: it cannot be sent, or only once.
    """
    if isinstance(payload, Mapping):
        raise ConfigurationError(
            f"respond() takes bytes or str, not {type(payload).__name__}: for JSON there is "
            "respond_json()"
        )
    try:
        response = Response(payload, status_code, headers)
    except (TypeError, LocalProtocolError) as error:
        raise ConfigurationError(f"respond(): {error}") from None
    return check_response(response, "respond()")


def make_json_response(value: object, status_code: int, headers: HeadersLike | None) -> Response:
    """Make a JSON response of the value as it is now.

    Raises:
        ConfigurationError: it cannot be sent.
    """
    try:
        data = dump_json(value)
        fields = list(Headers(headers).raw)
        if not any(name.lower() == b"content-type" for name, _ in fields):
            fields.append((b"Content-Type", b"application/json"))
        response = Response(data, status_code, fields)
    except (TypeError, LocalProtocolError) as error:
        raise ConfigurationError(f"respond_json(): {error}") from None
    return check_response(response, "respond_json()")


def check_response(response: object, where: str) -> Response:
    """Return a response that can be sent many times.

    Raises:
        ConfigurationError: it is none, cannot be sent, or only once.
    """
    if not isinstance(response, Response):
        given = shorten(repr(response), 160)
        raise ConfigurationError(f"{where} takes a kit.Response, not {given}")
    payload = response.payload
    if hasattr(payload, "read") or isinstance(payload, Iterator):
        raise ConfigurationError(
            f"{where}: a response streamed from {type(payload).__name__} can be sent only once: "
            "give bytes, or a function that makes a new one: "
            "handle(lambda request: Response(open(...)))"
        )
    try:
        check_fields(response.headers)
    except LocalProtocolError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return response


def check_handler(handler: object, where: str) -> Handler:
    """Return what can be called with a request.

    Raises:
        ConfigurationError: it is a response, a class, or nothing that can be called.
    """
    if isinstance(handler, Response):
        raise ConfigurationError(
            f"{where} takes a function: for a response there is respond_with()"
        )
    if not callable(handler) or isinstance(handler, type):
        given = shorten(repr(handler), 160)
        raise ConfigurationError(f"{where} takes a function of the request, not {given}")
    return handler


def check_sequence(responses: object, then: Then | None) -> tuple[list[Handler], Then]:
    """Return what gives the responses of a sequence, in turn, and what follows the last.

    Raises:
        ConfigurationError: it is empty, holds something else, or `then` is missing or unknown.
    """
    known = ", ".join(f'"{each}"' for each in get_args(Then))
    if then is None:
        raise ConfigurationError(
            f"respond_sequence() takes then=, what follows the last response: one of {known}"
        )
    if then not in get_args(Then):
        raise ConfigurationError(f"then is one of {known}, not {then!r}")
    if isinstance(responses, str | bytes | Mapping) or not isinstance(responses, Iterable):
        raise ConfigurationError(
            f"respond_sequence() takes a list of responses, not {shorten(repr(responses), 160)}"
        )
    handlers = [
        check_handler(each, f"respond_sequence()[{index}]")
        if callable(each) and not isinstance(each, Response | type)
        else always(check_response(each, f"respond_sequence()[{index}]"))
        for index, each in enumerate(responses)
    ]
    if not handlers:
        raise ConfigurationError("respond_sequence() takes at least one response, not none")
    return handlers, then


def always(response: Response) -> Handler:
    """Make the handler that gives one response every time."""

    def answer(_: Request) -> Response:
        return response

    return answer
