"""The router: from a request to its handler, without any socket."""

from __future__ import annotations

import contextvars
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from kit.errors import BodyError, ConfigurationError, HandlerReturnError, RemoteProtocolError
from kit.messages import ErrorResponse, Request, Response
from kit.routing.endpoint import UNMATCHED, Endpoint, Miss
from kit.routing.near_misses import NearMiss, find_near_misses, format_near_misses, show_text
from kit.routing.patterns import Pattern
from kit.routing.resource import Resource, Route, check_method
from kit.routing.tree import Found, Tree

EXPLAINED_ROUTES = 100
"""With more routes than this a 404 does not tell which came near: that takes time."""

RouteTuple = tuple[str, str, Callable[..., Any]]

Entry = tuple[int, Pattern, Endpoint]


class _Index:
    """Trees for each method, made from all entries at once and never changed."""

    __slots__ = ("_by_method", "head", "trees", "websockets")

    def __init__(self, entries: Iterable[Entry]) -> None:
        by_method: dict[str, list[Entry]] = {}
        websockets = []
        for entry in entries:
            if entry[2].is_websocket:
                websockets.append(entry)
            else:
                by_method.setdefault(entry[2].method, []).append(entry)
        self.trees = {method: Tree(each) for method, each in by_method.items()}
        self.websockets = Tree(websockets) if websockets else None
        self._by_method = by_method
        self.head: Tree | None = None

    def tree_for_head(self) -> Tree | None:
        """Find the tree of HEAD, which has the routes of HEAD and of GET."""
        if "GET" not in self.trees:
            return self.trees.get("HEAD")
        if self.head is None:
            both = self._by_method.get("HEAD", []) + self._by_method["GET"]
            self.head = Tree(sorted(both, key=_order_of))
        return self.head

    def allowed_methods(self, path: str | None) -> tuple[str, ...]:
        """List the methods that a path has; None stands for any path.

        Raises:
            RemoteProtocolError: the path cannot be decoded.
        """
        methods = {
            method
            for method, tree in self.trees.items()
            if path is None or tree.find(path) is not None
        }
        if self.has_websocket(path):
            methods.add("GET")
        if "GET" in methods:
            methods.add("HEAD")
        if methods or path is None:
            methods.add("OPTIONS")
        return tuple(sorted(methods))

    def has_websocket(self, path: str | None) -> bool:
        """Tell whether a websocket route takes the path; None stands for any path."""
        tree = self.websockets
        return tree is not None and (path is None or tree.find(path) is not None)


class Fallback(Protocol):
    """Answers what no route takes: a recording, or another server."""

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what answers a request, of which perhaps only the head is there.

        It is called where nobody may wait. What has to see the body, or to look
        further, gives an endpoint with `needs_body`.
        """
        ...


class Router:
    """Finds the handler for a request: the first registered route that matches.

    Lookups take as long among ten thousand routes as among ten. Routes may be
    registered at any time and from any thread: a lookup sees all of a registration
    or nothing of it.

    Attributes:
        fallback: answers what would else get 404, 405 or 426; None for nobody.
    """

    def __init__(self) -> None:
        """Make a router without routes."""
        self.fallback: Fallback | None = None
        self._lock = threading.Lock()
        self._registered: list[tuple[Route, Pattern]] = []
        self._entries: list[Entry] = []
        self._index: _Index | None = None

    def __repr__(self) -> str:
        """Show how many routes there are."""
        return f"<Router {len(self._registered)} routes>"

    def registerRoutes(self, routes: Resource | Iterable[RouteTuple]) -> None:
        """Add the routes of a resource, or a list of (method, pattern, callback).

        Either all of them are registered or, when an exception is raised, none.

        Raises:
            PatternError: a pattern is malformed.
            ConfigurationError: this is not a resource or a list of such tuples.
        """
        checked = [_check_route(each) for each in _list_routes(routes)]
        with self._lock:
            order = len(self._entries)
            self._entries += [
                (order + i, pattern, Endpoint(route)) for i, (route, pattern) in enumerate(checked)
            ]
            self._registered += checked
            self._index = None

    def routes(self) -> list[Route]:
        """List what is registered, in order."""
        return [route for route, _ in self._registered.copy()]

    def resolve(self, request: Request, *, is_upgrade: bool | None = None) -> Endpoint:
        """Find the endpoint that answers a request, and set `request.matches`.

        Never raises for what a request holds: where no route matches, the endpoint
        (with `is_match` false) answers 404, 405 with `Allow`, 426 where only a
        websocket would do, 400 for a path that cannot be decoded, and 204 with
        `Allow` for `OPTIONS`.

        Args:
            request: the request.
            is_upgrade: whether it asks for a websocket; by default its headers tell.
                If so, websocket routes are looked at before others, else never.
        """
        index = self._index or self._build_index()
        try:
            if index.websockets is not None and request.method == "GET":
                found = self._find_websocket(index.websockets, request, is_upgrade=is_upgrade)
                if found is not None:
                    endpoint, request.matches = found
                    return endpoint
            method = request.method
            tree = index.trees.get(method) if method != "HEAD" else index.tree_for_head()
            found = tree.find(request.path) if tree is not None else None
            if found is not None:
                endpoint, request.matches = found
                return endpoint
            miss = self._miss(index, request)
            if self.fallback is None or miss.status_code not in UNMATCHED:
                return miss
            if is_upgrade is None:
                is_upgrade = is_websocket_upgrade(request)
            return self.fallback.resolve(request, is_upgrade=is_upgrade)
        except RemoteProtocolError as error:
            request.matches = {}
            reason = error.reason
            return Miss(request.method, error.status_code, lambda _: reason)

    def dispatch(self, request: Request) -> Response:
        """Answer a request with its handler, on the caller's thread.

        An `async def` handler runs to its end on an event loop of its own, also
        where the calling thread runs one already: that one waits meanwhile.

        Returns:
            What the handler returned; a 400 if it let a `BodyError` pass; a 426 for
            a websocket, which needs a server; a refusal where no route matches.

        Raises:
            HandlerReturnError: the handler returned something else.
            Exception: whatever else the handler raised.
        """
        endpoint = self.resolve(request).decide(request)
        if endpoint.is_websocket:
            endpoint = _needs_websocket(request.method)
        try:
            response = endpoint.call(request)
            if inspect.iscoroutine(response):
                response = run_coroutine(response)
        except BodyError as error:
            return ErrorResponse(str(error), 400)
        if not isinstance(response, Response):
            raise HandlerReturnError(endpoint.name, response)
        return response

    def explain(self, method: str, path: str, *, is_upgrade: bool | None = None) -> list[NearMiss]:
        """Tell for each route which of its conditions hold, the nearest first.

        Args:
            method: the request's method.
            path: its undecoded path, without query.
            is_upgrade: whether it asks for a websocket; None ignores that.
        """
        registered = self._registered.copy()
        return find_near_misses(registered, method, path, is_upgrade=is_upgrade)

    def _build_index(self) -> _Index:
        with self._lock:
            if self._index is None:
                self._index = _Index(self._entries)
            return self._index

    def _find_websocket(
        self, tree: Tree, request: Request, *, is_upgrade: bool | None
    ) -> Found | None:
        if is_upgrade is None:
            is_upgrade = is_websocket_upgrade(request)
        return tree.find(request.path) if is_upgrade else None

    def _miss(self, index: _Index, request: Request) -> Miss:
        request.matches = {}
        method, path = request.method, request.path
        if (method, path) == ("OPTIONS", "*"):
            return Miss(method, 204, _nothing, index.allowed_methods(None))
        if method in ("GET", "HEAD") and index.has_websocket(path):
            return _needs_websocket(method)
        allow = index.allowed_methods(path)
        if not allow:
            return Miss(method, 404, self._describe_miss)
        if method == "OPTIONS":
            return Miss(method, 204, _nothing, allow)
        return Miss(method, 405, self._describe_method, allow)

    def _describe_miss(self, request: Request) -> str:
        text = f"no route matches {request.method} {show_text(request.path)}"
        if not self._registered:
            return f"{text}: none is registered"
        if len(self._registered) > EXPLAINED_ROUTES:
            return f"{text}, none of {len(self._registered)}"
        near_misses = self.explain(request.method, request.path)
        return f"{text}; the nearest are\n\n{format_near_misses(near_misses)}\n"

    def _describe_method(self, request: Request) -> str:
        allow = (self._index or self._build_index()).allowed_methods(request.path)
        methods = ", ".join(allow)
        path = show_text(request.path)
        return f"{request.method} is not allowed on {path}, which has {methods}"


def is_websocket_upgrade(request: Request) -> bool:
    """Tell whether a request asks for a websocket (RFC 6455 section 4.2.1)."""
    headers = request.headers
    return "websocket" in headers.tokens("upgrade") and "upgrade" in headers.tokens("connection")


def check_fallback(fallback: Any) -> Fallback | None:
    """Return what can be a router's fallback.

    Raises:
        ConfigurationError: it has no `resolve`.
    """
    if fallback is not None and not callable(getattr(fallback, "resolve", None)):
        msg = f"a fallback is a kit.Cassette, a kit.Proxy or None, not {fallback!r}"
        raise ConfigurationError(msg)
    checked: Fallback | None = fallback
    return checked


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end on a private event loop, wherever it is called.

    A thread that runs a loop cannot run a second one, so there the private loop
    gets a thread; the caller's context variables are set in it.
    """
    import asyncio

    def run() -> Any:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(coroutine)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "kit-dispatch") as executor:
        return executor.submit(contextvars.copy_context().run, run).result()


def _order_of(entry: Entry) -> int:
    return entry[0]


def _nothing(_: Request) -> str:
    return ""


def _needs_websocket(method: str) -> Miss:
    return Miss(method, 426, _describe_upgrade)


def _describe_upgrade(request: Request) -> str:
    path = show_text(request.path)
    return f"{path} is a websocket: it needs a websocket handshake over a connection"


def _list_routes(routes: object) -> list[object]:
    wanted = "registerRoutes takes a Resource instance or a list of (method, pattern, callback)"
    if isinstance(routes, Resource):
        return list(routes.routes())
    if isinstance(routes, type) and issubclass(routes, Resource):
        msg = f"{wanted}, not the class {routes.__qualname__}: write {routes.__qualname__}()"
        raise ConfigurationError(msg)
    if isinstance(routes, tuple) and routes and isinstance(routes[0], str):
        msg = f"{wanted}, not one tuple: put {routes!r} into a list"
        raise ConfigurationError(msg)
    if isinstance(routes, str | bytes | dict) or not isinstance(routes, Iterable):
        msg = f"{wanted}, not {routes!r}"
        raise ConfigurationError(msg)
    return list(routes)


def _check_route(route: object) -> tuple[Route, Pattern]:
    if not isinstance(route, tuple | list) or len(route) != 3:
        msg = f"a route is a tuple (method, pattern, callback), not {route!r}"
        raise ConfigurationError(msg)
    method, text, callback = route
    check_method(method)
    pattern = Pattern(text)
    if not callable(callback):
        msg = f"the callback of {method} {text} is not callable: {callback!r}"
        raise ConfigurationError(msg)
    return Route(method, pattern.text, callback), pattern
