"""Assertions on which route takes a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kit.errors import ConfigurationError
from kit.messages import Request
from kit.routing import Router, format_near_misses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kit.routing import Endpoint, Route

_NEAREST = 3
_WEBSOCKET = "WEBSOCKET"


class HasRouter(Protocol):
    """A server, or whatever else keeps its routes in a router."""

    @property
    def router(self) -> Router:
        """Where the routes are registered."""


def assert_route(
    router: Router | HasRouter,
    method: str,
    target: str,
    *,
    to: Callable[..., Any] | str | None = None,
    matches: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Assert that a request is taken by a route, without sending it.

    Args:
        router: a router, or a server that has one.
        method: the request's method; "WEBSOCKET" for a websocket handshake.
            Where a GET finds nothing a websocket route counts too.
        target: path and query, as in a request line.
        to: the route that must take it: its handler, the handler's name
            ("UserResource.get_user" or its last part), or the route's pattern,
            with or without a method before it.
        matches: what the pattern's names must stand for, all of them.

    Returns:
        What the pattern's names stand for.

    Raises:
        AssertionError: another route takes the request, or none.
    """
    __tracebackhide__ = True
    found = _router_of(router)
    endpoint, request = _resolve(found, method, target)
    if not endpoint.is_match:
        raise AssertionError(_describe_miss(found, endpoint, request, to))
    if to is not None and not _is_same(endpoint, to):
        raise AssertionError(_describe_other(found, endpoint, request, to))
    if matches is not None and request.matches != dict(matches):
        raise AssertionError(_describe_matches(endpoint, request, matches))
    return request.matches


def assert_no_route(router: Router | HasRouter, method: str, target: str) -> None:
    """Assert that no route takes a request.

    Args:
        router: a router, or a server that has one.
        method: the request's method; "WEBSOCKET" for a websocket handshake.
        target: path and query, as in a request line.

    Raises:
        AssertionError: a route does.
    """
    __tracebackhide__ = True
    endpoint, request = _resolve(_router_of(router), method, target)
    if endpoint.is_match:
        msg = f"no route should take {method} {target}, but {_name(endpoint)} does"
        raise AssertionError(f"{msg}{_format_matches(request.matches)}")


def _router_of(router: Router | HasRouter) -> Router:
    found = router if isinstance(router, Router) else getattr(router, "router", None)
    if not isinstance(found, Router):
        msg = f"expected a Router, or a server that has one, not {type(router).__name__}"
        raise ConfigurationError(msg)
    return found


def _resolve(router: Router, method: str, target: str) -> tuple[Endpoint, Request]:
    is_websocket = method == _WEBSOCKET
    request = _make_request("GET" if is_websocket else method, target)
    endpoint = router.resolve(request, is_upgrade=is_websocket)
    if is_websocket and endpoint.is_match and not endpoint.is_websocket:
        # A plain route answers a handshake too, but never with a websocket.
        return _refuse(router), request
    if method == "GET" and not endpoint.is_match:
        upgrade = _make_request(method, target)
        websocket = router.resolve(upgrade, is_upgrade=True)
        if websocket.is_match:
            return websocket, upgrade
    return endpoint, request


def _refuse(router: Router) -> Endpoint:
    empty = type(router)()
    return empty.resolve(_make_request("GET", "/"))


def _make_request(method: str, target: str) -> Request:
    return Request.from_wire(("127.0.0.1", 0), method, target, [], None)


def _is_same(route: Endpoint | Route, to: Callable[..., Any] | str) -> bool:
    method, pattern, callback = _parts_of(route)
    if not isinstance(to, str):
        return callback == to or getattr(callback, "__func__", callback) == to
    wanted_method, _, wanted = to.rpartition(" ")
    if wanted.startswith("/"):
        return pattern == wanted and wanted_method in ("", method)
    return route.name == to or route.name.endswith(f".{to}")


def _parts_of(route: Endpoint | Route) -> tuple[str, str, Callable[..., Any]]:
    if isinstance(route, tuple):
        return route.http_method, route.url_pattern, route.callback
    return route.method, route.pattern, route.callback


def _describe_miss(
    router: Router, miss: Endpoint, request: Request, to: Callable[..., Any] | str | None
) -> str:
    status = getattr(miss, "status_code", 404)
    lines = [f"no route takes {request.method} {request.target}{_expected(to)}"]
    if status != 404:
        lines[0] += f"; it would be answered {status}"
    lines += _describe_expected(router, to)
    return "\n".join(lines + _list_nearest(router, request))


def _describe_other(
    router: Router, endpoint: Endpoint, request: Request, to: Callable[..., Any] | str
) -> str:
    lines = [
        f"{request.method} {request.target} goes to {_name(endpoint)}{_expected(to)}",
        *_describe_expected(router, to),
    ]
    shadowed = _find_shadowed(router, endpoint, request, to)
    if shadowed is not None:
        lines.append(
            f"{_name(shadowed)} would match too, but {_name(endpoint)} stands before it: "
            "the first registered route that matches is used"
        )
        return "\n".join(lines)
    return "\n".join(lines + _list_nearest(router, request))


def _find_shadowed(
    router: Router, endpoint: Endpoint, request: Request, to: Callable[..., Any] | str
) -> Route | None:
    for route in router.routes():
        if _is_same(route, to):
            alone = Router()
            alone.registerRoutes([route])
            again = _make_request(request.method, request.target)
            if alone.resolve(again, is_upgrade=endpoint.is_websocket).is_match:
                return route
    return None


def _describe_expected(router: Router, to: Callable[..., Any] | str | None) -> list[str]:
    if to is None:
        return []
    registered = [route for route in router.routes() if _is_same(route, to)]
    if not registered:
        return [f"{_name_of_expected(to)} is not registered"]
    return [f"it is registered as {' and '.join(_name(route) for route in registered)}"]


def _describe_matches(endpoint: Endpoint, request: Request, matches: Mapping[str, str]) -> str:
    got, wanted = request.matches, dict(matches)
    lines = [f"{request.method} {request.target} goes to {_name(endpoint)}, matched differently:"]
    for name in dict.fromkeys((*got, *wanted)):
        if name not in wanted:
            lines.append(f"  ✗ {name} is {got[name]!r}, not expected at all")
        elif name not in got:
            lines.append(f"  ✗ {name} is not in the pattern, expected {wanted[name]!r}")
        elif got[name] != wanted[name]:
            lines.append(f"  ✗ {name} is {got[name]!r}, expected {wanted[name]!r}")
        else:
            lines.append(f"  ✓ {name} is {got[name]!r}")
    return "\n".join(lines)


def _list_nearest(router: Router, request: Request) -> list[str]:
    near_misses = router.explain(request.method, request.path)
    if not near_misses:
        return ["the router has no routes"]
    text = format_near_misses(near_misses, limit=_NEAREST)
    return ["nearest routes:", *(f"  {line}" for line in text.splitlines())]


def _expected(to: Callable[..., Any] | str | None) -> str:
    return "" if to is None else f", expected {_name_of_expected(to)}"


def _name_of_expected(to: Callable[..., Any] | str) -> str:
    return to if isinstance(to, str) else getattr(to, "__qualname__", repr(to))


def _name(route: Endpoint | Route) -> str:
    method, pattern, _ = _parts_of(route)
    kind = "websocket" if route.is_websocket else method
    return f"{kind} {pattern} -> {route.name}"


def _format_matches(matches: Mapping[str, str]) -> str:
    if not matches:
        return ""
    return " with " + ", ".join(f"{name}={value!r}" for name, value in matches.items())
