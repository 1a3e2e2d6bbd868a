"""A server's fallback that passes on to an upstream server, and its answers back.

Requests are passed on from threads of the bench, so that the leader, which carries the
client's traffic too, never waits for itself; websockets are joined on the asyncio
thread and hold none. What crosses the upstream side is told to observers, as upstream
gave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kit.engine.handling import summarize
from kit.engine.pace import Pace
from kit.errors import ConfigurationError, KitError
from kit.limits import MIB
from kit.messages import ErrorResponse, Response
from kit.opcodes import WebSocketOpCode
from kit.proxy.fields import check_prefix
from kit.proxy.passage import Passage
from kit.record import Observers
from kit.routing import Endpoint

if TYPE_CHECKING:
    from kit.messages import Request
    from kit.proxy.fields import Carrier
    from kit.proxy.tunnel import Tunnel
    from kit.record import Observer

MAX_CONTENT_LENGTH: Final = 64 * MIB
"""A request with a larger body gets 413 unless the proxy is told otherwise."""


class Proxy:
    """Passes requests and websockets on to an upstream server.

    Use it as a server's `fallback`. Fields of the connection are not passed on (RFC 9110
    section 7.6.1), Host is upstream's, redirects are passed on as they come. Of an
    upstream that fails a client hears by 502, and by 504 of one that does not answer
    within the client's `timeout_s`.

    Args:
        client: a started `HTTPClient` of the upstream server; it is not stopped here.
        path: what stands before each path upstream, such as "/v1".
        observer: told of each exchange with upstream, as the client sees it.
        max_content_length: bytes of request body that are passed on; more get 413.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        client: Carrier,
        *,
        path: str = "",
        observer: Observer | None = None,
        max_content_length: int = MAX_CONTENT_LENGTH,
    ) -> None:
        if not hasattr(client, "_started") or not hasattr(client, "_origin"):
            raise ConfigurationError(f"client must be a kit.HTTPClient, not {client!r}")
        self._client = client
        self._observers = Observers() if observer is None else Observers(observer)
        self.path: str = check_prefix(path)
        self.max_content_length = max_content_length

    @property
    def url(self) -> str:
        """The upstream base URL, without a trailing slash."""
        scheme, host, port = self._client._origin
        bracketed = f"[{host}]" if ":" in host else host
        return f"{scheme}://{bracketed}:{port}{self.path}"

    def add_observer(self, observer: Observer) -> None:
        """Have another observer told of each exchange with upstream."""
        self._observers.add(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Tell an observer no more."""
        self._observers.remove(observer)

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what passes a request on; see `kit.routing.router.Fallback`."""
        return _ProxyEndpoint(self, request, is_websocket=is_upgrade and request.method == "GET")

    def forward(self, request: Request) -> Response:
        """Pass a request on; wait for the response, or for the head of a streamed one."""
        if request.method == "CONNECT":
            text = f"CONNECT asks for a tunnel, which a proxy of {self.url} alone has not\n"
            return ErrorResponse(text, 501)
        try:
            passage = Passage(self._client, self._observers, request, self.path)
            passage.submit()
            return passage.await_response()
        except (OSError, KitError) as error:
            return self._explain(error)

    def _explain(self, error: Exception) -> Response:
        """Make the answer to what upstream did not answer (RFC 9110 section 15.6)."""
        status = 504 if isinstance(error, TimeoutError) else 502
        is_distrust = type(error).__name__ == "SSLCertVerificationError"
        advice = "\ngive the client cafile= or ssl_context= to trust it" if is_distrust else ""
        return ErrorResponse(f"upstream {self.url} failed: {summarize(error)}{advice}\n", status)

    def __repr__(self) -> str:
        return f"<Proxy of {self.url}>"


class _ProxyEndpoint(Endpoint):
    """Passes one request on."""

    __slots__ = ("_proxy", "_tunnel")

    def __init__(self, proxy: Proxy, request: Request, *, is_websocket: bool) -> None:
        self._proxy = proxy
        self._tunnel: Tunnel | None = None
        self.method = request.method
        self.pattern = request.path
        self.name = f"proxy of {proxy.url}"
        self.max_content_length = proxy.max_content_length
        self.is_websocket = self.is_async = is_websocket
        self.callback: Any = self._join if is_websocket else proxy.forward
        self.call = self.callback
        self.subprotocols = ()
        self.compress = True
        self.max_message_bytes = None
        self.is_match = True
        # It waits for upstream, always: so never in place, where all traffic waits with it.
        self.pace = None if is_websocket else Pace()

    async def _join(
        self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
    ) -> Response | None:
        if self._tunnel is None:
            return await self._open(request)
        if opcode == WebSocketOpCode.Close:
            self._tunnel.close_up(request.close_code, request.close_reason)
        else:
            self._tunnel.send_up(payload)
        return None

    async def _open(self, request: Request) -> Response | None:
        from kit.proxy.tunnel import Tunnel

        proxy = self._proxy
        try:
            self._tunnel = Tunnel(proxy._client, proxy._observers, proxy.path)
            return await self._tunnel.open(request)
        except (OSError, KitError) as error:
            return proxy._explain(error)
