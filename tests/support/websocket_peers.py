"""Websocket clients that no one here wrote, behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client

from support.deadlines import scaled

TIMEOUT_S = 20.0

T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - a result that a test expects
    """The handshake was refused: (status, body or None where the client does not tell)."""


class Ended(Exception):  # noqa: N818 - a result that a test expects
    """The peer closed: (code, reason)."""


class Peer(Protocol):
    """A websocket client; a context manager that opens and closes."""

    subprotocol: str | None
    is_compressed: bool

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def send(self, payload: str | bytes) -> None: ...
    def send_fragments(self, pieces: Iterable[str] | Iterable[bytes]) -> None: ...
    def receive(self) -> str | bytes:
        """Return the next message; raises Ended."""
        ...

    def ping(self) -> None:
        """Ping, and wait for the Pong."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close, and wait for the answer."""
        ...


class SyncWebsockets:
    """`websockets.sync`."""

    def __init__(self, url: str, context: ssl.SSLContext | None, **options: Any) -> None:
        self.stack = contextlib.ExitStack()
        self.url, self.context = url, context
        self.options = _options_of_websockets(**options)

    def __enter__(self) -> Self:
        try:
            self.socket = self.stack.enter_context(
                websockets.sync.client.connect(
                    self.url,
                    ssl=self.context,
                    proxy=None,
                    max_size=None,
                    open_timeout=scaled(TIMEOUT_S),
                    close_timeout=scaled(TIMEOUT_S),
                    **self.options,
                )
            )
        except websockets.exceptions.InvalidStatus as error:
            raise Refused(error.response.status_code, error.response.body) from error
        self.subprotocol = self.socket.subprotocol
        self.is_compressed = bool(self.socket.protocol.extensions)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    def send(self, payload: str | bytes) -> None:
        self.socket.send(payload)

    def send_fragments(self, pieces: Iterable[str] | Iterable[bytes]) -> None:
        self.socket.send(pieces)

    def receive(self) -> str | bytes:
        try:
            message: str | bytes = self.socket.recv(scaled(TIMEOUT_S))
        except websockets.exceptions.ConnectionClosed as error:
            raise _ended(error) from error
        return message

    def ping(self) -> None:
        assert self.socket.ping().wait(scaled(TIMEOUT_S))

    def close(self, code: int, reason: str) -> None:
        self.socket.close(code, reason)


class _Async:
    def __init__(self, url: str, context: ssl.SSLContext | None, **options: Any) -> None:
        self.stack = contextlib.ExitStack()
        self.url, self.context, self.options = url, context, options

    def __enter__(self) -> Any:
        with contextlib.ExitStack() as stack:
            self.runner = stack.enter_context(asyncio.Runner())
            self._run(self._open())
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        with self.stack:
            self._run(self._shut())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(coroutine, scaled(TIMEOUT_S)))

    async def _open(self) -> None:
        raise NotImplementedError

    async def _shut(self) -> None:
        raise NotImplementedError


class AsyncWebsockets(_Async):
    """`websockets.asyncio`."""

    async def _open(self) -> None:
        try:
            self.socket = await websockets.asyncio.client.connect(
                self.url,
                ssl=self.context,
                proxy=None,
                max_size=None,
                open_timeout=scaled(TIMEOUT_S),
                close_timeout=scaled(TIMEOUT_S),
                **_options_of_websockets(**self.options),
            )
        except websockets.exceptions.InvalidStatus as error:
            raise Refused(error.response.status_code, error.response.body) from error
        self.subprotocol = self.socket.subprotocol
        self.is_compressed = bool(self.socket.protocol.extensions)

    async def _shut(self) -> None:
        await self.socket.close()

    def send(self, payload: str | bytes) -> None:
        self._run(self.socket.send(payload))

    def send_fragments(self, pieces: Iterable[str] | Iterable[bytes]) -> None:
        self._run(self.socket.send(pieces))

    def receive(self) -> str | bytes:
        try:
            return self._run(self.socket.recv())
        except websockets.exceptions.ConnectionClosed as error:
            raise _ended(error) from error

    def ping(self) -> None:
        async def ping() -> None:
            await (await self.socket.ping())

        self._run(ping())

    def close(self, code: int, reason: str) -> None:
        self._run(self.socket.close(code, reason))


class AiohttpWebsockets(_Async):
    """aiohttp's, which has no way to send fragments but its writer."""

    async def _open(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.context or True)
        )
        try:
            self.socket = await self.session.ws_connect(
                self.url,
                protocols=self.options.get("subprotocols", ()),
                compress=15 if self.options.get("compress", True) else 0,
                max_msg_size=0,
            )
        except aiohttp.WSServerHandshakeError as error:
            await self.session.close()
            raise Refused(error.status, None) from error
        self.subprotocol = self.socket.protocol
        self.is_compressed = bool(self.socket.compress)
        self.closed = self.socket._writer.protocol.closed  # type: ignore[attr-defined]

    async def _shut(self) -> None:
        await self.socket.close()
        await self.session.close()
        if self.closed is not None:
            # aiohttp does not wait for TLS's end, and the loop closes before it.
            await asyncio.wait([self.closed])

    def send(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            self._run(self.socket.send_str(payload))
        else:
            self._run(self.socket.send_bytes(payload))

    def receive(self) -> str | bytes:
        message = self._run(self.socket.receive())
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        if message.type == aiohttp.WSMsgType.CLOSE:
            raise Ended(message.data, message.extra)
        raise Ended(self.socket.close_code, str(message.data or ""))

    def ping(self) -> None:
        self._run(self.socket.ping(b"from aiohttp"))

    def close(self, code: int, reason: str) -> None:
        self._run(self.socket.close(code=code, message=reason.encode()))


def _options_of_websockets(
    *, subprotocols: list[str] | None = None, compress: bool = True
) -> dict[str, Any]:
    return {"subprotocols": subprotocols, "compression": "deflate" if compress else None}


def _ended(error: websockets.exceptions.ConnectionClosed) -> Ended:
    if error.rcvd is None:
        return Ended(1006, "")
    return Ended(error.rcvd.code, error.rcvd.reason)


PEERS: dict[str, Any] = {
    "websockets.sync": SyncWebsockets,
    "websockets.asyncio": AsyncWebsockets,
    "aiohttp": AiohttpWebsockets,
}
