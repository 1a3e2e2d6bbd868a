"""Resources, the routes they hold, and the decorators that declare them.

A decorator writes a mark on the method and returns the method itself, so decorators
stack, in any order with `staticmethod`, `classmethod` and wrappers that use
`functools.wraps`, and a decorated function can still be called as it stands. One
consequence: in a class body, below a method that is itself called `websocket`,
`get` or so, that name means the method. Import the module
(`import kit` and `@kit.websocket(...)`) to decorate further methods there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeGuard, TypeVar

from kit.errors import ConfigurationError
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH
from kit.routing.marks import (
    Marks,
    RouteMark,
    add_marks,
    find_mark,
    inherited_marks,
    marks_of,
    own_marks,
)
from kit.routing.patterns import Pattern

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Decorator(Protocol):
    """Writes a mark on a handler and returns the same handler."""

    def __call__(self, handler: Handler, /) -> Handler:
        """Decorate the handler."""
        ...


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_STANDARD_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)


class Route(NamedTuple):
    """One route: exactly a method, a pattern and a callback; the rest is read off it."""

    http_method: str
    url_pattern: str
    callback: Callable[..., Any]

    @property
    def mark(self) -> RouteMark:
        """The options given where the callback was decorated, or the defaults."""
        return find_mark(self.callback, self.http_method, self.url_pattern)

    @property
    def is_websocket(self) -> bool:
        """Whether the callback handles a websocket; the method is then `GET`."""
        return self.mark.is_websocket

    @property
    def is_async(self) -> bool:
        """Whether calling the callback gives a coroutine."""
        callback = self.callback
        return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
            getattr(callback, "__call__", None)  # noqa: B004  an instance with async __call__
        )

    @property
    def max_content_length(self) -> int:
        """Bytes of body the route takes; a larger one gets 413."""
        return self.mark.max_content_length

    @property
    def header_docs(self) -> tuple[str, ...]:
        """The request headers documented with `header`, in source order."""
        return marks_of(self.callback).headers

    @property
    def param_docs(self) -> tuple[str, ...]:
        """The query parameters documented with `param`, in source order."""
        return marks_of(self.callback).params

    @property
    def name(self) -> str:
        """The handler's qualified name, without the function it was defined in."""
        callback: Any = self.callback
        callback = getattr(callback, "func", callback)
        name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
        return str(name).rpartition("<locals>.")[2]

    @property
    def doc(self) -> str:
        """The first line of the handler's docstring, or `""`."""
        return (inspect.getdoc(self.callback) or "").partition("\n")[0]


class Resource:
    """A collection of related routes: subclass it and decorate its methods.

    An inherited method keeps its place. A subclass that defines the method again
    replaces the handler there: with decorators it also replaces the routes, without
    any it keeps them, and `name = None` takes them away. A subclass need not call
    `super().__init__()`.
    """

    def __init__(self) -> None:
        """Make the resource; it holds no state of its own."""

    def routes(self) -> list[Route]:
        """List the routes in definition order, those of base classes first."""
        owner = type(self)
        names = dict.fromkeys(
            name
            for each in reversed(owner.__mro__)
            for name, value in vars(each).items()
            if own_marks(value).routes
        )
        return [
            Route(mark.http_method, mark.url_pattern, getattr(self, name))
            for name in names
            for mark in inherited_marks(owner, name).routes
        ]


def get(path: str) -> Decorator:
    """Answer `GET` requests for a pattern, and `HEAD` requests with them.

    Raises:
        PatternError: the pattern is malformed. This and the following are raised
            where the decorator stands, and by every other decorator too.
        ConfigurationError: an argument cannot work.
    """
    return _route("get", "GET", path)


def delete(path: str) -> Decorator:
    """Answer `DELETE` requests for a pattern."""
    return _route("delete", "DELETE", path)


def put(path: str, max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH) -> Decorator:
    """Answer `PUT` requests for a pattern; a body of more bytes gets 413."""
    return _route("put", "PUT", path, max_content_length)


def post(path: str, max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH) -> Decorator:
    """Answer `POST` requests for a pattern; a body of more bytes gets 413."""
    return _route("post", "POST", path, max_content_length)


def patch(path: str, max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH) -> Decorator:
    """Answer `PATCH` requests for a pattern; a body of more bytes gets 413."""
    return _route("patch", "PATCH", path, max_content_length)


def route(
    method: str, path: str, *, max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH
) -> Decorator:
    """Answer requests of any method, standard or not (RFC 9110 section 9.1)."""
    return _route("route", method, path, max_content_length)


def websocket(
    path: str,
    *,
    subprotocols: Iterable[str] = (),
    compress: bool = True,
    max_message_bytes: int | None = None,
) -> Decorator:
    """Handle the websockets opened on a pattern.

    Args:
        path: the pattern.
        subprotocols: those the handler speaks, the preferred one first.
        compress: whether to accept permessage-deflate when it is offered.
        max_message_bytes: a larger message closes the socket with 1009; by default
            the server's limit.
    """
    if max_message_bytes is not None:
        _check_length("max_message_bytes", max_message_bytes)
    mark = RouteMark(
        "GET",
        _check_pattern("websocket", path),
        is_websocket=True,
        subprotocols=_check_subprotocols(subprotocols),
        compress=compress,
        max_message_bytes=max_message_bytes,
    )
    return _marking("websocket", Marks(routes=(mark,)))


def header(header: str) -> Decorator:
    """Document a request header that the handler looks at."""
    if not is_token(header):
        msg = f'@header needs a field name such as @header("X-Token"), not {_show(header)}'
        raise ConfigurationError(msg)
    return _marking("header", Marks(headers=(header,)))


def param(param: str) -> Decorator:
    """Document a query parameter that the handler looks at."""
    if not _is_text(param):
        msg = f'@param needs a parameter name such as @param("page"), not {_show(param)}'
        raise ConfigurationError(msg)
    return _marking("param", Marks(params=(param,)))


def check_method(method: object) -> str:
    """Return the method if it is a token that a request can carry.

    Raises:
        ConfigurationError: it is not, or it is a standard method in lower case.
    """
    if not is_token(method):
        msg = f'an HTTP method is a token such as "GET", not {_show(method)}'
        raise ConfigurationError(msg)
    if method not in _STANDARD_METHODS and method.upper() in _STANDARD_METHODS:
        # RFC 9110 section 9.1: the method token is case-sensitive.
        msg = f'HTTP methods are case-sensitive: write "{method.upper()}", not {method!r}'
        raise ConfigurationError(msg)
    return method


def _route(
    decorator: str,
    method: str,
    path: str,
    max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH,
) -> Decorator:
    _check_length("max_content_length", max_content_length)
    pattern = _check_pattern(decorator, path)
    mark = RouteMark(check_method(method), pattern, max_content_length)
    return _marking(decorator, Marks(routes=(mark,)))


def _marking(decorator: str, marks: Marks) -> Decorator:
    def decorate(handler: Handler, /) -> Handler:
        add_marks(handler, decorator, marks)
        return handler

    return decorate


def _check_pattern(decorator: str, path: object) -> str:
    if not isinstance(path, str):
        msg = f'@{decorator} needs a pattern such as @{decorator}("/path"), not {_show(path)}'
        raise ConfigurationError(msg)
    return Pattern(path).text


def _check_length(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{name} is a number of bytes, an int of 0 or more, not {value!r}"
        raise ConfigurationError(msg)


def _check_subprotocols(subprotocols: Iterable[str]) -> tuple[str, ...]:
    names = (subprotocols,) if isinstance(subprotocols, str) else tuple(subprotocols)
    for name in names:
        if isinstance(subprotocols, str) or not is_token(name):
            msg = f'subprotocols is a list of tokens such as ["chat.v1"], not {subprotocols!r}'
            raise ConfigurationError(msg)
    return names


def is_token(value: object) -> TypeGuard[str]:
    """Tell whether a value is a token (RFC 9110 section 5.6.2)."""
    return isinstance(value, str) and _TOKEN.match(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _show(value: object) -> str:
    """Name a wrong argument; a function is one that was decorated without parentheses."""
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__qualname__', value)} itself"
    return repr(value)
