"""The client's websockets, with servers that no one here wrote."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import websockets.exceptions
import websockets.sync.server
from aiohttp import WSMsgType, web

from kit import (
    CertificateAuthority,
    ErrorResponse,
    HandshakeError,
    HTTPClient,
    WebSocketHandle,
    WebSocketOpCode,
)
from support.deadlines import scaled
from support.origins import Script, played, read_head, serve_aiohttp

Open, Close = WebSocketOpCode.Open, WebSocketOpCode.Close
Text, Binary = WebSocketOpCode.Text, WebSocketOpCode.Binary


@dataclasses.dataclass
class Echo:
    """A server that sends back what it gets, and does what some messages say."""

    address: tuple[str, int]
    ends: list[tuple[int | None, str | None]]
    ended: threading.Event


@contextlib.contextmanager
def run_websockets(context: ssl.SSLContext | None, compress: bool) -> Iterator[Echo]:
    ends: list[tuple[int | None, str | None]] = []
    ended = threading.Event()

    def handle(connection: websockets.sync.server.ServerConnection) -> None:
        try:
            for message in connection:
                if message == "close":
                    connection.close(4001, "as you wish")
                elif message == "fragments":
                    connection.send(["grü", "ße ", "👋"])
                elif message == "ping":
                    connection.send(str(connection.ping(b"there?").wait(scaled(10))))
                else:
                    connection.send(message)
        except websockets.exceptions.ConnectionClosedError:
            pass
        ends.append((connection.close_code, connection.close_reason))
        ended.set()

    def refuse(connection: Any, request: Any) -> Any:
        if request.path == "/refused":
            return connection.respond(http.HTTPStatus.FORBIDDEN, "members only")
        return None

    server = websockets.sync.server.serve(
        handle,
        "127.0.0.1",
        0,
        ssl=context,
        compression="deflate" if compress else None,
        subprotocols=["chat.v2", "chat.v1"],  # type: ignore[list-item]
        select_subprotocol=lambda _, offered: offered[0] if offered else None,
        process_request=refuse,
        max_size=None,
    )
    thread = threading.Thread(target=server.serve_forever, name="websockets-origin")
    thread.start()
    try:
        yield Echo(server.socket.getsockname()[:2], ends, ended)
    finally:
        server.shutdown()
        thread.join(scaled(20))


@contextlib.contextmanager
def run_aiohttp(context: ssl.SSLContext | None, compress: bool) -> Iterator[Echo]:
    ends: list[tuple[int | None, str | None]] = []
    ended = threading.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/refused":
            return web.Response(status=403, text="members only")
        socket = web.WebSocketResponse(
            protocols=("chat.v1", "chat.v2"), compress=compress, max_msg_size=0, autoclose=False
        )
        await socket.prepare(request)
        end: tuple[int | None, str | None] = (None, None)
        while True:
            message = await socket.receive()
            if message.type == WSMsgType.CLOSE:
                end = (message.data, message.extra)
                await socket.close(code=message.data or 1000)
                break
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            if message.data == "close":
                await socket.close(code=4001, message=b"as you wish")
                break
            if message.data == "ping":
                await socket.ping(b"there?")
                await socket.send_str("True")
            elif isinstance(message.data, str):
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        ends.append(end)
        ended.set()
        return socket

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    with serve_aiohttp(app, context) as address:
        yield Echo(address, ends, ended)


SERVERS = {"websockets": run_websockets, "aiohttp": run_aiohttp}


@pytest.fixture(params=sorted(SERVERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["packed", "unpacked"])
def compress(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def echo(kind: str, scheme: str, compress: bool, authority: CertificateAuthority) -> Iterator[Echo]:
    context = authority.server_context() if scheme == "tls" else None
    with SERVERS[kind](context, compress) as echo:
        yield echo


@pytest.fixture
def client(echo: Echo, scheme: str, authority: CertificateAuthority) -> Iterator[HTTPClient]:
    protocol = "https" if scheme == "tls" else "http"
    context = authority.client_context() if scheme == "tls" else None
    with HTTPClient(echo.address, protocol, ssl_context=context) as client:
        yield client


def receive(socket: WebSocketHandle) -> tuple[WebSocketOpCode, str | bytes]:
    return socket.receive(scaled(20))


def opened(client: HTTPClient, path: str = "/echo", **options: Any) -> WebSocketHandle:
    socket = client.websocket(path, **options)
    assert receive(socket) == (Open, "")
    return socket


def finish(socket: WebSocketHandle) -> None:
    socket.close()
    assert receive(socket) == (Close, "")


def test_messages_come_back_as_they_were_sent(client: HTTPClient) -> None:
    socket = opened(client)
    payloads: list[str | bytes] = ["hello", b"\x00\xff", "", b"", "grüße 👋", b"y" * 65536]
    for payload in payloads:
        socket.send(payload)
    assert [receive(socket) for _ in payloads] == [
        (Text if isinstance(payload, str) else Binary, payload) for payload in payloads
    ]
    finish(socket)
    assert socket.close_code == 1000


@pytest.mark.parametrize(
    "payload", ["ab" * 500_000, bytes(range(256)) * 4096], ids=["str", "bytes"]
)
def test_a_message_of_one_MiB_comes_back(client: HTTPClient, payload: str | bytes) -> None:
    socket = opened(client)
    socket.send(payload)
    assert receive(socket)[1] == payload
    finish(socket)


def test_a_client_need_not_offer_compression(client: HTTPClient) -> None:
    socket = opened(client, compress=False)
    socket.send("x" * 10_000)
    assert receive(socket) == (Text, "x" * 10_000)
    finish(socket)


def test_fragments_arrive_as_one_message(client: HTTPClient, kind: str) -> None:
    if kind == "aiohttp":
        pytest.skip("aiohttp sends no fragments")
    socket = opened(client)
    socket.send("fragments")
    assert receive(socket) == (Text, "grüße 👋")
    finish(socket)


def test_a_ping_is_answered(client: HTTPClient) -> None:
    socket = opened(client)
    socket.send("ping")
    assert receive(socket) == (Text, "True")
    socket.ping(b"and you?")
    socket.send("after")
    assert receive(socket) == (Text, "after")
    finish(socket)


@pytest.mark.parametrize(
    ("offered", "agreed"), [([], None), (["chat.v1"], "chat.v1"), (["chat.v2", "x"], "chat.v2")]
)
def test_a_subprotocol_is_agreed_on(
    client: HTTPClient, offered: list[str], agreed: str | None
) -> None:
    socket = opened(client, subprotocols=offered)
    assert socket.subprotocol == agreed
    finish(socket)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (4999, "ü" * 61)])
def test_the_clients_code_and_reason_reach_the_server(
    client: HTTPClient, echo: Echo, code: int, reason: str
) -> None:
    socket = opened(client)
    socket.close(code, reason)
    assert receive(socket) == (Close, "")
    assert echo.ended.wait(scaled(20))
    assert echo.ends == [(code, reason)]
    assert socket.close_code == code


def test_the_servers_code_and_reason_reach_the_client(client: HTTPClient) -> None:
    socket = opened(client)
    socket.send("close")
    assert receive(socket) == (Close, "")
    assert (socket.close_code, socket.close_reason) == (4001, "as you wish")


def test_a_refused_handshake_is_a_Close_with_the_response(client: HTTPClient) -> None:
    socket = client.websocket("/refused")

    assert receive(socket) == (Close, "")
    response = socket.response
    assert isinstance(response, ErrorResponse)
    assert (response.status_code, response.text().strip()) == (403, "members only")
    assert socket.close_code == 1006


def test_a_callback_gets_all_in_order_on_the_callers_thread(client: HTTPClient) -> None:
    seen: list[tuple[WebSocketOpCode, str | bytes]] = []
    idents: set[int] = set()
    pause = threading.Event()

    def note(opcode: WebSocketOpCode, payload: str | bytes) -> None:
        seen.append((opcode, payload))
        idents.add(threading.get_ident())
        if opcode == Open:
            for number in range(50):
                socket.send(str(number))
        elif payload == "49":
            socket.close()

    socket = client.websocket("/echo", callback=note)
    for _ in range(2000):
        client.update()
        if seen and seen[-1][0] == Close:
            break
        pause.wait(scaled(0.01))

    assert seen == [(Open, ""), *((Text, str(number)) for number in range(50)), (Close, "")]
    assert idents == {threading.get_ident()}


def test_ten_websockets_do_not_mix(client: HTTPClient) -> None:
    sockets = [opened(client) for _ in range(10)]
    for at, socket in enumerate(sockets):
        for number in range(20):
            socket.send(f"{at}-{number}")
    for at, socket in enumerate(sockets):
        assert [receive(socket)[1] for _ in range(20)] == [f"{at}-{n}" for n in range(20)]
    for socket in sockets:
        finish(socket)


# What no proper server does, played by hand


def test_a_switch_with_a_wrong_key_is_a_HandshakeError() -> None:
    def only(connection: Any) -> None:
        read_head(connection)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )

    script: Script = only
    with played(script) as address, HTTPClient(address) as client:
        socket = client.websocket("/")
        assert receive(socket) == (Close, "")
        response = socket.response
    assert isinstance(response, ErrorResponse)
    reason = getattr(response.exception, "reason", None)
    assert isinstance(reason, HandshakeError)


def test_a_server_that_vanishes_is_a_Close_with_1006() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        loops.append(asyncio.get_running_loop())
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    with serve_aiohttp(app, None) as address, HTTPClient(address) as client:
        socket = opened(client, "/")
        assert receive(socket) == (Close, "")
        assert socket.close_code == 1006
