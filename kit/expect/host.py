"""What a server has for expectations: stubs before its routes, gates, and waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from kit.expect.book import StubBook
from kit.expect.gates import Gate, Gates
from kit.expect.matchers import UNSET
from kit.expect.near_misses import format_unmatched
from kit.expect.wording import describe_unknown
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH
from kit.routing.endpoint import UNMATCHED, Miss

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from types import EllipsisType

    from kit.expect.stubs import Stub
    from kit.messages import Request
    from kit.routing import Endpoint, Router


class ExpectationHost:
    """The part of a server that expects requests.

    Attributes:
        stubs: the expectations; they stand before the routes.
        gates: what holds requests back.
    """

    def __init__(self) -> None:
        self.stubs: StubBook = StubBook()
        self.gates: Gates = Gates()

    def expect(
        self,
        method: str | Iterable[str] | EllipsisType,
        pattern: str,
        *,
        query: Any = None,
        headers: Any = None,
        cookies: Any = None,
        json: Any = UNSET,
        body: Any = None,
        form: Any = None,
        multipart: Any = None,
        match: Callable[[Request], object] | None = None,
        max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH,
        **unknown: Never,
    ) -> Stub:
        """Expect a request; what it is answered with is set on the stub that comes back.

        Among stubs the first that matches and is not used up answers; only then come
        the routes. Where a value is given there may also be a compiled pattern, a
        function, `...` for any value, or `partial(...)`.

        Args:
            method: a method, a list of them, or `...` for any.
            pattern: the path, with wildcards as routes have them.
            query: all parameters by name, or with `partial` some.
            headers: some header fields by name; None for one that must be absent.
            cookies: some cookies by name.
            json: the body as JSON.
            body: the body as text or bytes.
            form: all fields of a URL-encoded form by name.
            multipart: all parts of a multipart form by name.
            match: a function of the request.
            max_content_length: bytes of body it takes; more get 413.
            unknown: none; another name is refused with the one that may be meant.

        Raises:
            PatternError: the pattern is malformed.
            ConfigurationError: another argument cannot be held by any request.
            TypeError: there is no argument of that name.
        """
        if unknown:
            raise TypeError(describe_unknown(unknown))
        return self.stubs.expect(
            method,
            pattern,
            query=query,
            headers=headers,
            cookies=cookies,
            json=json,
            body=body,
            form=form,
            multipart=multipart,
            match=match,
            max_content_length=max_content_length,
        )

    def in_order(self) -> AbstractContextManager[object]:
        """Have the stubs that are registered inside `with` used one after the other.

        Raises:
            ConfigurationError: the block stands in another one, or registers fewer than two.
        """
        return self.stubs.in_order()

    def load_stubs(self, path: str | os.PathLike[str]) -> list[Stub]:
        """Register the stubs of a file, JSON or YAML, as `kit serve` does; return them.

        Raises:
            ConfigurationError: the file cannot be read, or says what cannot be; nothing
                is registered then.
        """
        from kit.expect import files

        return files.load(path, self.stubs).stubs

    def export_stubs(self, path: str | os.PathLike[str]) -> None:
        """Write the stubs to a file that `load_stubs` and `kit serve` read.

        Args:
            path: ends in `.json`, `.yaml` or `.yml`; the last two need PyYAML.

        Raises:
            ConfigurationError: a stub holds what a file cannot, such as a handler, an order
                or a fault; or the name ends in something else; or the file cannot be written.
        """
        from kit.expect import files

        files.write(path, self.stubs)

    def hold(self, method: str | Iterable[str] | EllipsisType, pattern: str) -> Gate:
        """Hold back requests to a route until they are released; see `Gate`.

        Args:
            method: a method, a list of them, or `...` for any.
            pattern: the path, with wildcards as routes have them.

        Raises:
            PatternError: the pattern is malformed.
            ConfigurationError: the method is none.
        """
        return self.gates.hold(method, pattern)

    def resolve_stubs(self, request: Request, router: Router, *, is_upgrade: bool) -> Endpoint:
        """Return what answers a request: a stub, a route, or a miss that tells of both."""
        return self.stubs.resolve(
            request, lambda: self._resolve_route(request, router, is_upgrade=is_upgrade)
        )

    def _resolve_route(self, request: Request, router: Router, *, is_upgrade: bool) -> Endpoint:
        endpoint = router.resolve(request, is_upgrade=is_upgrade)
        if not isinstance(endpoint, Miss) or endpoint.status_code not in UNMATCHED:
            return endpoint
        return Miss(
            endpoint.method,
            endpoint.status_code,
            # When it is called the body is there, and may be what did not match.
            lambda request: self._explain(request, router),
            endpoint.allow,
        )

    def _explain(self, request: Request, router: Router) -> str:
        routes_near = router.explain(request.method, request.path)
        stubs_near = self.stubs.explain(request)
        return format_unmatched(request, routes_near, stubs_near, stub_count=len(self.stubs))
