"""What HTTP and websocket clients make of each fault: measured, and written as a table.

`python tests/support/fault_outcomes.py` prints the table as Markdown.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import urllib.error
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp
import httpx
import urllib3
import websockets.exceptions
import websockets.sync.client

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

from kit import (
    ErrorResponse,
    HTTPClient,
    HTTPServer,
    Limits,
    Request,
    Response,
    WaitTimeoutError,
    WebSocketOpCode,
    faults,
    websocket,
)
from kit.faults import Fault
from kit.routing import Resource
from support.deadlines import scaled

T = TypeVar("T")

PATIENT_S = 20.0
"""How long a client waits for what comes."""
IMPATIENT_S = 0.25
"""How long it waits for what never comes."""
UPLOAD_BYTES = 24 * 1024 * 1024
"""More than the system buffers between two ends of a connection."""
TEXT = "hello world"

HTTP_CLIENTS = ("urllib3", "httpx", "aiohttp", "kit")
WEBSOCKET_CLIENTS = ("websockets", "aiohttp", "kit")
CLIENTS = ("urllib3", "httpx", "aiohttp", "websockets", "kit")


class Case(NamedTuple):
    """A fault and the scene it is applied in.

    Attributes:
        fault: the fault.
        scene: "get", "stream", "reuse", "upload", "connect" or "websocket".
        is_silent: whether the client waits for something that never comes.
        is_left_open: whether the server never closes a websocket.
    """

    fault: Fault
    scene: str = "get"
    is_silent: bool = False
    is_left_open: bool = False

    @property
    def name(self) -> str:
        return f"{self.fault!r} {self.scene}"

    @property
    def label(self) -> str:
        """The fault as it stands in the table."""
        scene = SCENES[self.scene]
        return f"`{self.fault!r}`{f', {scene}' if scene else ''}"

    @property
    def clients(self) -> tuple[str, ...]:
        if self.scene == "websocket":
            return WEBSOCKET_CLIENTS
        # What happens to one response happens to that of a handshake too.
        return CLIENTS if self.scene in ("get", "connect") else HTTP_CLIENTS

    @property
    def timeout_s(self) -> float:
        return scaled(IMPATIENT_S if self.is_silent else PATIENT_S)

    @property
    def close_s(self) -> float:
        return scaled(IMPATIENT_S if self.is_left_open else PATIENT_S)


SCENES = {
    "get": "",
    "stream": "chunked",
    "reuse": "second request",
    "upload": "upload",
    "connect": "connection",
    "websocket": "websocket",
}

CASES = [
    Case(faults.Refuse(), "connect"),
    Case(faults.NeverAnswer(), "connect", is_silent=True),
    Case(faults.Reset(), "connect"),
    Case(faults.EmptyReply(), "connect"),
    Case(faults.Reset()),
    Case(faults.Reset(after=10)),
    Case(faults.Reset(after=10_000), "stream"),
    Case(faults.Reset(after="end")),
    Case(faults.EmptyReply()),
    Case(faults.Truncate(after=10)),
    Case(faults.Truncate(after=10_000), "stream"),
    Case(faults.Stall(after=10), is_silent=True),
    Case(faults.Stall(after=10_000), "stream", is_silent=True),
    Case(faults.NeverAnswer(), is_silent=True),
    Case(faults.Dribble(size=20, interval_s=0.001)),
    Case(faults.CloseOnReuse(), "reuse"),
    Case(faults.StopReading(), "upload", is_silent=True),
    Case(faults.EarlyResponse(413), "upload"),
    Case(faults.Delay(0.05)),
    Case(faults.UniformDelay(0.01, 0.05)),
    Case(faults.LogNormalDelay(0.01, max_s=0.1)),
    Case(faults.ChunkDelay(0.005), "stream"),
    Case(faults.MalformedChunk(), "stream"),
    Case(faults.WrongLength(by=5)),
    Case(faults.WrongLength(by=-5)),
    Case(faults.WrongLength(by=-5), "stream"),
    Case(faults.Garbage("before")),
    Case(faults.Garbage("after"), "stream"),
    Case(faults.RawBytes(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw")),
    Case(faults.InterimBurst(5)),
    Case(faults.InterimBurst(5, 100)),
    Case(faults.EndlessHeaders()),
    Case(faults.RefuseHandshake(403), "websocket"),
    Case(faults.WrongAccept(), "websocket"),
    Case(faults.Reset(), "websocket"),
    Case(faults.ResetMidMessage(), "websocket"),
    Case(faults.CloseWithoutFrame(), "websocket"),
    Case(faults.NeverAnswerClose(), "websocket", is_left_open=True),
    Case(faults.InvalidUtf8(), "websocket"),
    Case(faults.StalledFragment(), "websocket", is_silent=True, is_left_open=True),
    Case(faults.WrongMask(), "websocket"),
    Case(faults.OversizedFrame(), "websocket"),
    Case(faults.UnaskedPong(), "websocket"),
]


# The server


class Talk(Resource):
    """Sends one message when a websocket opens."""

    @websocket("/talk")
    def talk(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Open:
            request.send(TEXT)


def text(request: Request) -> Response:
    return Response(TEXT)


def stream(request: Request) -> Response:
    return Response(iter([b"x" * 4000] * 5))


def upload(request: Request) -> Response:
    return Response(str(len(request.read())))


@contextlib.contextmanager
def serve(case: Case) -> Iterator[HTTPServer]:
    """Run a server on which the case's fault is ordered."""
    with HTTPServer(("127.0.0.1", 0), limits=Limits(grace_s=scaled(1))) as server:
        server.registerRoutes(Talk())
        server.registerRoutes([("GET", "/text", text), ("GET", "/stream", stream)])
        server.registerRoutes([("POST", "/upload", upload)])
        if case.scene == "connect":
            server.fault_connections(case.fault)
        else:
            times = 1 if case.scene == "reuse" else None
            server.fault(case.fault, times=times, seed=1)
        yield server
        server.clear_faults()


def measure(case: Case, client: str) -> str:
    """Return what a client makes of a case, in a few words."""
    with serve(case) as server:
        if case.scene == "websocket" or client == "websockets":
            return WEBSOCKETS[client](server, case)
        return ASKING[client](server, case)


def _target(case: Case) -> tuple[str, str, bytes | None]:
    if case.scene == "upload":
        return "POST", "/upload", bytes(UPLOAD_BYTES)
    return "GET", "/stream" if case.scene == "stream" else "/text", None


def _repeats(case: Case) -> int:
    return 2 if case.scene == "reuse" else 1


def _name(error: BaseException) -> str:
    return type(error).__name__


def _tell(status: int, size: int) -> str:
    return f"{status}, {size} bytes"


# HTTP clients


def _ask_urllib3(server: HTTPServer, case: Case) -> str:
    method, path, body = _target(case)
    told = ""
    with urllib3.PoolManager(retries=False, timeout=case.timeout_s) as pool:
        for _ in range(_repeats(case)):
            try:
                response = pool.request(method, server.url_for(path), body=body)
            except urllib3.exceptions.HTTPError as error:
                return _name(error)
            told = _tell(response.status, len(response.data))
    return told


def _ask_httpx(server: HTTPServer, case: Case) -> str:
    method, path, body = _target(case)
    told = ""
    with httpx.Client(trust_env=False, timeout=case.timeout_s) as client:
        for _ in range(_repeats(case)):
            try:
                response = client.request(method, server.url_for(path), content=body)
            except httpx.HTTPError as error:
                return _name(error)
            told = _tell(response.status_code, len(response.content))
    return told


def _run(awaitable: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await asyncio.wait_for(awaitable(), scaled(PATIENT_S * 2))

    return asyncio.run(main())


async def _settle(server: HTTPServer) -> None:
    """Let aiohttp's transports close, which what they could not send keeps from it."""
    await asyncio.to_thread(server.stop)
    loop: Any = asyncio.get_running_loop()
    for _ in range(int(scaled(1000))):
        if len(loop._selector.get_map()) <= 1:  # only what wakes the loop
            return
        await asyncio.sleep(0.005)


def _ask_aiohttp(server: HTTPServer, case: Case) -> str:
    method, path, body = _target(case)

    async def pieces() -> Any:
        for _ in range(0, len(body or b""), 65536):
            yield bytes(65536)

    async def ask() -> str:
        told = ""
        timeout = aiohttp.ClientTimeout(case.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for _ in range(_repeats(case)):
                data = None if body is None else pieces()
                try:
                    async with session.request(method, server.url_for(path), data=data) as response:
                        told = _tell(response.status, len(await response.read()))
                except (aiohttp.ClientError, TimeoutError) as error:
                    told = _name(error)
        await _settle(server)
        return told

    return _run(ask)


def _ask_kit(server: HTTPServer, case: Case) -> str:
    method, path, body = _target(case)
    told = ""
    with HTTPClient(server.addr, timeout_s=case.timeout_s) as client:
        for _ in range(_repeats(case)):
            response = client.request(method, path, body).wait(scaled(PATIENT_S * 2))
            told = _tell_response(response)
    return told


def _tell_response(response: Response) -> str:
    if response.status_code:
        return _tell(response.status_code, len(_payload(response)))
    assert isinstance(response, ErrorResponse)
    assert isinstance(response.exception, urllib.error.URLError)
    return _name(response.exception.reason)  # type: ignore[arg-type]


def _payload(response: Response) -> bytes:
    if isinstance(response, ErrorResponse) and response.exception is not None:
        return b""
    return response.payload if isinstance(response.payload, bytes) else b""


ASKING: dict[str, Callable[[HTTPServer, Case], str]] = {
    "urllib3": _ask_urllib3,
    "httpx": _ask_httpx,
    "aiohttp": _ask_aiohttp,
    "kit": _ask_kit,
}


# Websocket clients: one message is awaited, then the client closes


def _tell_end(messages: list[str | bytes], code: int | None) -> str:
    got = "message, " if messages else ""
    return f"{got}closed {code}"


def _talk_websockets(server: HTTPServer, case: Case) -> str:
    messages: list[str | bytes] = []
    try:
        with websockets.sync.client.connect(
            server.ws_url_for("/talk"),
            proxy=None,
            open_timeout=scaled(PATIENT_S) if case.scene == "websocket" else case.timeout_s,
            close_timeout=case.close_s,
        ) as socket:
            try:
                messages.append(socket.recv(case.timeout_s))
            except TimeoutError as error:
                return f"{_name(error)} in recv()"
            except websockets.exceptions.ConnectionClosed as error:
                close = error.rcvd or error.sent
                return _tell_end(messages, close.code if close else 1006)
    except (websockets.exceptions.WebSocketException, OSError, EOFError) as error:
        return _name(error)
    return _tell_end(messages, socket.protocol.close_code)


def _talk_aiohttp(server: HTTPServer, case: Case) -> str:
    async def talk() -> str:
        messages: list[str | bytes] = []
        timeouts = aiohttp.ClientWSTimeout(ws_close=case.close_s)
        async with aiohttp.ClientSession() as session:
            try:
                socket = await session.ws_connect(server.ws_url_for("/talk"), timeout=timeouts)
            except aiohttp.ClientError as error:
                return _name(error)
            try:
                message = await socket.receive(case.timeout_s)
            except TimeoutError as error:
                return f"{_name(error)} in receive()"
            finally:
                await socket.close()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                messages.append(message.data)
            return _tell_end(messages, socket.close_code)

    return _run(talk)


def _talk_kit(server: HTTPServer, case: Case) -> str:
    messages: list[str | bytes] = []
    seen: list[WebSocketOpCode] = []
    limits = Limits(close_s=case.close_s)
    with HTTPClient(server.addr, timeout_s=scaled(PATIENT_S), limits=limits) as client:
        socket = client.websocket("/talk")
        while WebSocketOpCode.Close not in seen:
            try:
                # It is the message that never comes; an Open or a Close does.
                opcode, payload = socket.receive(
                    case.timeout_s if seen == [WebSocketOpCode.Open] else scaled(PATIENT_S)
                )
            except WaitTimeoutError as error:
                return f"{_name(error)} in receive()"
            seen.append(opcode)
            if opcode is WebSocketOpCode.Text:
                messages.append(payload)
                socket.close()
        if WebSocketOpCode.Open not in seen:
            assert socket.response is not None
            return _tell_response(socket.response)
        return _tell_end(messages, socket.close_code)


WEBSOCKETS: dict[str, Callable[[HTTPServer, Case], str]] = {
    "websockets": _talk_websockets,
    "aiohttp": _talk_aiohttp,
    "kit": _talk_kit,
}


# The table

BEGIN, END = "<!-- begin: faults and clients -->", "<!-- end: faults and clients -->"
"""What a document that holds the table has around it."""


def write_table(outcomes: dict[tuple[str, str], str]) -> str:
    """Write outcomes, by case and client, as a Markdown table."""
    rows = [["fault", *(f"`{client}`" for client in CLIENTS)], ["---"] * (len(CLIENTS) + 1)]
    for case in CASES:
        told = [outcomes.get((case.name, client), "–") for client in CLIENTS]
        rows.append([case.label, *told])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read_table(text: str) -> dict[tuple[str, str], str]:
    """Read the table back from a document: outcomes by case and client."""
    outcomes = {}
    for case in CASES:
        line = next(line for line in text.splitlines() if line.startswith(f"| {case.label} |"))
        for client, told in zip(CLIENTS, line.strip("| ").split(" | ")[1:], strict=True):
            if told != "–":
                outcomes[case.name, client] = told
    return outcomes


# Where a client is by the time it hears of the end is for the system to decide.
_RESET, _EMPTY = Case(faults.Reset(), "connect").name, Case(faults.EmptyReply(), "connect").name
UNSETTLED = {
    (_RESET, "urllib3"): "NewConnectionError or ProtocolError",
    (_RESET, "httpx"): "ConnectError or ReadError",
    (_RESET, "aiohttp"): "ClientConnectorError or ClientOSError",
    (_RESET, "websockets"): "ConnectionClosedError or ConnectionResetError or InvalidMessage",
    (_EMPTY, "websockets"): "ConnectionClosedError or InvalidMessage",
}


def measure_all() -> dict[tuple[str, str], str]:
    """Measure every case with every client."""
    measured = {
        (case.name, client): measure(case, client) for case in CASES for client in case.clients
    }
    return measured | UNSETTLED


if __name__ == "__main__":
    print(write_table(measure_all()))  # noqa: T201 - a script's output
