"""The resource that foreign clients are let loose on."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator

from kit import (
    ErrorResponse,
    JsonResponse,
    Request,
    Resource,
    Response,
    WebSocketOpCode,
    delete,
    get,
    post,
    put,
    websocket,
)

TEXT = "".join(f"line {number}: the quick brown fox\n" for number in range(2000))
ROOM = 64 * 1024 * 1024


class Teapot(Exception):  # noqa: N818 - not every exception is an error
    """What a handler raises."""


class Shop(Resource):
    """Something of everything.

    Attributes:
        calls: the websocket's calls, (opcode, payload) in order.
        closed: set by the websocket's Close call.
        end: (code, reason) as the Close call saw them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[WebSocketOpCode, str | bytes]] = []
        self.closed = threading.Event()
        self.end: tuple[int | None, str] | None = None

    @get("/user/:name")
    def user(self, request: Request) -> Response:
        return JsonResponse({"name": request.matches["name"], "query": request.params})

    @delete("/user/:name")
    def forget(self, request: Request) -> Response:
        return Response(None, 204)

    @post("/json")
    def take_json(self, request: Request) -> Response:
        return JsonResponse({"got": request.json()}, 201)

    @post("/upload", max_content_length=ROOM)
    @put("/upload", max_content_length=ROOM)
    def upload(self, request: Request) -> Response:
        digest = hashlib.sha256()
        length = 0
        while block := request.stream.read(65536):
            digest.update(block)
            length += len(block)
        return JsonResponse(
            {
                "length": length,
                "sha256": digest.hexdigest(),
                "coding": request.headers.text("transfer-encoding", ""),
                "expect": request.headers.text("expect", ""),
            }
        )

    @post("/small", max_content_length=1000)
    def small(self, request: Request) -> Response:
        return Response(request.body)

    @get("/stream")
    def stream(self, request: Request) -> Response:
        return Response(TEXT[at : at + 1000] for at in range(0, len(TEXT), 1000))

    @get("/large")
    def large(self, request: Request) -> Response:
        return Response(bytes(8 * 1024 * 1024))

    @get("/packed")
    def packed(self, request: Request) -> Response:
        return Response(TEXT, compress=True)

    @get("/packed-stream")
    def packed_stream(self, request: Request) -> Response:
        return Response(_lines(), compress=True)

    @get("/boom")
    def boom(self, request: Request) -> Response:
        raise Teapot("short and stout")

    @get("/refused")
    def refused(self, request: Request) -> Response:
        return ErrorResponse({"why": "no"}, 409)

    @get("/cookies")
    def cookies(self, request: Request) -> Response:
        fields = [("Set-Cookie", "a=1; Path=/; HttpOnly"), ("Set-Cookie", "b=2; Path=/")]
        return Response(f"had {sorted(request.cookies)}", headers=fields)

    @get("/moved")
    def moved(self, request: Request) -> Response:
        return Response(None, 302, {"Location": "/user/ann?from=moved"})

    @post("/moved")
    def moved_post(self, request: Request) -> Response:
        return Response(None, 303, {"Location": "/user/ann"})

    @get("/async")
    async def wait(self, request: Request) -> Response:
        await asyncio.sleep(0.01)
        return JsonResponse(request.params)

    @get("/empty")
    def empty(self, request: Request) -> Response:
        return Response(None, 204)

    # Websockets

    @websocket("/echo", subprotocols=["chat.v2", "chat.v1"])
    def echo(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        self.calls.append((opcode, payload))
        if opcode in (WebSocketOpCode.Text, WebSocketOpCode.Binary):
            request.send(payload)
        elif opcode == WebSocketOpCode.Close:
            self.end = (request.close_code, request.close_reason)
            self.closed.set()

    @websocket("/echo-plain", compress=False)
    def echo_plain(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        self.echo(request, opcode, payload)

    @websocket("/echo-async")
    async def echo_async(
        self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
    ) -> None:
        await asyncio.sleep(0)
        self.echo(request, opcode, payload)

    @websocket("/bounded", max_message_bytes=1000)
    def bounded(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        self.echo(request, opcode, payload)

    @websocket("/guarded")
    def guarded(
        self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
    ) -> Response | None:
        self.calls.append((opcode, payload))
        if opcode == WebSocketOpCode.Open:
            return JsonResponse({"why": "members only"}, 403, {"X-Door": "shut"})
        return None

    @websocket("/orders")
    def orders(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        """Do what the message says."""
        self.calls.append((opcode, payload))
        if opcode == WebSocketOpCode.Open:
            request.send("welcome")
        elif payload == "close":
            request.close(4001, "as you wish")
        elif payload == "ping":
            request.ping(b"are you there")
        elif payload == "raise":
            raise Teapot("short and stout")
        elif opcode == WebSocketOpCode.Close:
            self.end = (request.close_code, request.close_reason)
            self.closed.set()


def _lines() -> Iterator[str]:
    yield from TEXT.splitlines(keepends=True)
