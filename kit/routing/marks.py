"""What the decorators write on a handler, and how it is read back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from kit.errors import ConfigurationError
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ATTRIBUTE = "__kit_marks__"


@dataclasses.dataclass(frozen=True, slots=True)
class RouteMark:
    """One route that a decorator asked for, with the options of that route."""

    http_method: str
    url_pattern: str
    max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH
    is_websocket: bool = False
    subprotocols: tuple[str, ...] = ()
    compress: bool = True
    max_message_bytes: int | None = None


class Marks(NamedTuple):
    """All that is written on one handler, in the order of its source lines."""

    routes: tuple[RouteMark, ...] = ()
    headers: tuple[str, ...] = ()
    params: tuple[str, ...] = ()

    def before(self, other: Marks) -> Marks:
        """Join these marks with those that stand below them."""
        return Marks(
            self.routes + other.routes, self.headers + other.headers, self.params + other.params
        )

    def completed(self, other: Marks) -> Marks:
        """Take from the other marks each kind that these leave out."""
        return Marks(
            self.routes or other.routes, self.headers or other.headers, self.params or other.params
        )


_NO_MARKS = Marks()


def add_marks(handler: Any, decorator: str, new: Marks) -> None:
    """Write marks on a handler, before those of the decorators below.

    Raises:
        ConfigurationError: the thing decorated is not a function, or has that very
            route already.
    """
    function = _function_of(handler)
    if not callable(function) or isinstance(function, type):
        msg = f"@{decorator}(...) decorates a function or method, not {handler!r}"
        raise ConfigurationError(msg)
    old = own_marks(function)
    for mark in new.routes:
        if any(_key(mark) == _key(other) for other in old.routes):
            name = getattr(function, "__qualname__", repr(function))
            msg = f"{name} has the route {mark.http_method} {mark.url_pattern} already"
            raise ConfigurationError(msg)
    try:
        # A new tuple, as functools.wraps shares the old one with other functions.
        setattr(function, _ATTRIBUTE, new.before(old))
    except (AttributeError, TypeError):
        msg = f"@{decorator}(...) cannot write on {handler!r}: wrap it in a function"
        raise ConfigurationError(msg) from None


def _key(mark: RouteMark) -> tuple[str, str]:
    return mark.http_method, mark.url_pattern


def _function_of(handler: Any) -> Any:
    """Find the function inside a static method, class method or bound method."""
    return getattr(handler, "__func__", handler)


def own_marks(handler: Any) -> Marks:
    """Read the marks written on this very handler."""
    marks = getattr(_function_of(handler), _ATTRIBUTE, _NO_MARKS)
    return marks if isinstance(marks, Marks) else _NO_MARKS


def inherited_marks(owner: type, name: str) -> Marks:
    """Read the marks of a class's attribute; what it does not state is inherited.

    An attribute that is not callable (`handler = None`) has none, and so takes the
    inherited routes away.
    """
    marks = _NO_MARKS
    for value in _definitions(owner, name):
        if not callable(_function_of(value)):
            break
        marks = marks.completed(own_marks(value))
    return marks


def _definitions(owner: type, name: str) -> Iterator[Any]:
    for each in owner.__mro__:
        if name in vars(each):
            yield vars(each)[name]


def marks_of(callback: Callable[..., Any]) -> Marks:
    """Read the marks of a callback; those of a bound method include inherited ones."""
    own = own_marks(callback)
    instance = getattr(callback, "__self__", None)
    if instance is None:
        return own
    owner = instance if isinstance(instance, type) else type(instance)
    return own.completed(inherited_marks(owner, getattr(callback, "__name__", "")))


def find_mark(callback: Callable[..., Any], http_method: str, url_pattern: str) -> RouteMark:
    """Find the mark whose options belong to a route.

    A callback registered under another pattern than it was decorated with takes the
    options of its first mark for that method, so a websocket handler stays one.
    """
    nearest = None
    for mark in marks_of(callback).routes:
        if mark.http_method == http_method:
            if mark.url_pattern == url_pattern:
                return mark
            nearest = nearest or mark
    if nearest is not None:
        return dataclasses.replace(nearest, url_pattern=url_pattern)
    return RouteMark(http_method, url_pattern)
