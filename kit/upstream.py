"""The upstream server of a proxy or a cassette, told by its URL alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from kit.client import HTTPClient
from kit.errors import ConfigurationError, StateError
from kit.proxy import Proxy
from kit.proxy.proxy import MAX_CONTENT_LENGTH

if TYPE_CHECKING:
    import os
    import ssl
    from types import TracebackType

    from kit.engine.pool import Pool
    from kit.limits import Limits

DEFAULT_TIMEOUT_S = 30.0


class Upstream(Proxy):
    """A proxy of the server at a URL, with a client of its own.

    Nothing is opened before something is to be passed on. Stop it when the servers that
    use it have stopped; it is a context manager.

    Args:
        url: `http://` or `https://`, host, and optionally a port and a path, which then
            stands before each path that is asked for.
        cafile: path of the CA certificates to trust, PEM; the system's if None.
        ssl_context: for what a path can't say; instead of `cafile`.
        timeout_s: how long upstream may make no progress.
        limits: the client's bounds.
        max_content_length: bytes of request body that are passed on; more get 413.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        url: str,
        *,
        cafile: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        limits: Limits | None = None,
        max_content_length: int = MAX_CONTENT_LENGTH,
    ) -> None:
        scheme, host, port, path = split_url(url)
        self._lazy = _LazyClient(
            (host, port),
            scheme,
            cafile=cafile,
            ssl_context=ssl_context,
            timeout_s=timeout_s,
            limits=limits,
        )
        super().__init__(self._lazy, path=path, max_content_length=max_content_length)

    def stop(self) -> None:
        """End the client: what is under way is cancelled. Stopping twice does nothing."""
        self._lazy.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Upstream {self.url}>"


class _LazyClient(HTTPClient):
    """A client that starts with its first request."""

    _opening = threading.Lock()

    def _started(self) -> Pool:
        if self._state == "new":
            with self._opening:
                if self._state == "new":
                    self.start()
        if self._state == "stopped":
            raise StateError("it has been stopped: make a new kit.Upstream")
        return super()._started()


def split_url(url: object) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of an upstream's URL.

    Raises:
        ConfigurationError: it cannot be one.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ConfigurationError(
            "an upstream is told by its base URL, such as "
            f'"https://api.example.com/v1", not {url!r}'
        )
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"the URL of the upstream {host} holds credentials, which no request would carry: "
            "leave them out, and have the client send an Authorization header"
        )
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), parts.path
