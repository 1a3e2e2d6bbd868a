"""The stubs of a server: registered, looked up, counted, accounted for."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from kit.errors import ConfigurationError
from kit.expect.choice import Choice, Outcry
from kit.expect.matchers import UNSET
from kit.expect.near_misses import NEAREST, StubNearMiss, find_nearest_stubs
from kit.expect.problems import Problem, find_problems
from kit.expect.seen import Seen
from kit.expect.stubs import Order, Stub
from kit.expect.wording import count
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kit.expect.answers import StubEndpoint
    from kit.messages import Request
    from kit.routing import Endpoint


class StubBook:
    """Stubs in the order of their registration; every method may be called by any thread.

    Attributes:
        has_stubs: whether there is any; all that a request without one costs.
    """

    __slots__ = ("_lock", "_next_number", "_orders", "_stubs", "has_stubs")

    def __init__(self) -> None:
        self.has_stubs: bool = False
        self._lock = threading.Lock()
        self._stubs: tuple[Stub, ...] = ()
        self._next_number = 1
        # One order at a time for each thread, as a thread registers in its own order.
        self._orders = threading.local()

    def __len__(self) -> int:
        return len(self._stubs)

    def __iter__(self) -> Iterator[Stub]:
        return iter(self._stubs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._stubs)} stubs>"

    def expect(
        self,
        method: Any,
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
    ) -> Stub:
        """Register a stub: the requests it takes. What it answers is set on it.

        Where a value is expected there may also be a compiled pattern, a function,
        `...` for any, `partial(...)`, and None for "must be absent" (in JSON that is
        `absent`); see `kit.expect.matchers`.

        Args:
            method: a method, a list of them, or `...` for any. HEAD is not taken for GET.
            pattern: the path, with wildcards as routes have them.
            query: all parameters by name, or with `partial` some; text is parsed.
            headers: some header fields by name.
            cookies: some cookies by name.
            json: the body as JSON.
            body: the body as `str` or `bytes`; a function is given the bytes.
            form: all fields of a URL-encoded form by name, or with `partial` some.
            multipart: all parts of a multipart form by name, or with `partial` some;
                `file` stands for a file.
            match: a function of the request.
            max_content_length: bytes of body it takes; more get 413.

        Raises:
            PatternError: the pattern is malformed.
            ConfigurationError: another argument cannot be held by any request.
        """
        _check_length(max_content_length)
        given = {
            "query": query,
            "headers": headers,
            "cookies": cookies,
            "json": json,
            "body": body,
            "form": form,
            "multipart": multipart,
            "match": match,
        }
        order = getattr(self._orders, "current", None)
        with self._lock:
            stub = Stub(
                self._lock,
                self._next_number,
                method,
                pattern,
                given,
                max_content_length=max_content_length,
                order=order,
            )
            self._next_number += 1
            self._stubs += (stub,)
            self.has_stubs = True
        return stub

    @contextlib.contextmanager
    def in_order(self) -> Iterator[None]:
        """Expect the stubs registered inside the block, by this thread, one after the other.

        Each is expected exactly once unless more is said on it. One may take requests
        when all before it took as many as expected; as soon as it takes one, those
        before it are over.

        Raises:
            ConfigurationError: the block stands in another one, or registers fewer than two.
        """
        if getattr(self._orders, "current", None) is not None:
            raise ConfigurationError("in_order() stands in another in_order(): end that one first")
        self._orders.current = order = Order()
        try:
            yield
        finally:
            self._orders.current = None
        if len(order) < 2:
            raise ConfigurationError(
                f"in_order() holds {count(len(order), 'stub')}, which is no order: register all "
                "that are to come one after the other inside one `with` block"
            )

    def clear(self) -> None:
        """Take all stubs out; requests being answered are not disturbed."""
        with self._lock:
            self._stubs = ()
            self.has_stubs = False

    # Requests

    def candidates(self, request: Request) -> StubEndpoint | Choice | Outcry | None:
        """Find what may answer a request, of which perhaps only the head is there.

        A request without a body is decided upon at once. One with a body gets a
        `Choice` (with `needs_body`), whose `decide` is to be called when the body is
        there; so a request is counted when it is there as a whole.

        Returns:
            None if no stub takes the request.
        """
        seen = Seen(request)
        found = []
        for stub in self._stubs:
            if not stub.is_used_up:
                try:
                    matches = stub.match_head(seen)
                except BaseException as error:  # noqa: BLE001 - raised again as the answer
                    return Outcry(stub, error)
                if matches is not None:
                    found.append((stub, matches))
        if not found:
            return None
        choice = Choice(seen, found)
        return choice if has_body(request) else choice.find_stub()

    def resolve(self, request: Request, resolve_route: Callable[[], Endpoint]) -> Endpoint:
        """Find what answers a request: a stub, what `resolve_route` gives, or a `Choice`."""
        found = self.candidates(request)
        if found is None:
            return resolve_route()
        if isinstance(found, Choice):
            found.set_fallback(resolve_route(), request.matches)
        return found

    # Accounts

    def explain(self, request: Request, *, limit: int = NEAREST) -> list[StubNearMiss]:
        """Say of the nearest stubs why they did not take a request, the nearest first.

        The request must be there with its body. Predicates are asked again.
        """
        return find_nearest_stubs(self._stubs, request, limit)

    def problems(self, requests: Iterable[Request] = ()) -> list[Problem]:
        """List the stubs that did not take what was expected.

        Args:
            requests: those that came and that no stub took, for the explanation.
        """
        return find_problems(self._stubs, list(requests))


def has_body(request: Request) -> bool:
    """Tell from a request's head whether a body follows it (RFC 9112 section 6.3)."""
    headers = request.headers
    length = headers.first(b"content-length", b"")
    return b"transfer-encoding" in headers or length.strip(b" \t0") != b""


def _check_length(length: object) -> None:
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise ConfigurationError(
            f"max_content_length is a number of bytes, an int of 0 or more, not {length!r}"
        )
