"""What users write, as type checkers see it: checked by mypy and by pyright, and never run.

A line that must be refused has a `type: ignore`, which is an error where nothing is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import pytest

import kit
from kit.testing import CheckedServer


class Position(kit.Serializable):
    x: int
    y: int = 0


class Places(kit.Resource):
    @kit.get("/places/:name")
    @kit.header("Authorization")
    @kit.param("unit")
    def show(self, request: kit.Request) -> kit.Response:
        assert_type(request.method, str)
        assert_type(request.matches["name"], str)
        assert_type(request.params, dict[str, list[str]])
        return kit.JsonResponse({"name": request.matches["name"]})

    @kit.post("/places", max_content_length=1024)
    async def create(self, request: kit.Request) -> kit.Response:
        return kit.SerializableResponse(Position(x=1), 201)

    @kit.websocket("/events")
    def events(
        self, request: kit.Request, opcode: kit.WebSocketOpCode, payload: str | bytes
    ) -> None:
        if opcode is kit.WebSocketOpCode.Text:
            request.send(payload)


def greet(request: kit.Request) -> kit.Response:
    return kit.Response(f"hello {request.client_address[0]}", headers={"Cache-Control": "no-store"})


def serve(directory: Path) -> None:
    with kit.HTTPServer(("127.0.0.1", 0)) as server:
        assert_type(server, kit.HTTPServer)
        server.registerRoutes(Places())
        server.registerRoutes([("GET", "/", greet)])
        assert_type(server.routes(), list[kit.Route])
        assert_type(server.url_for("/places/a"), str)
        assert_type(server.port, int)
        assert_type(kit.path_join_safe(f"{directory}", "name"), str)


def dispatch() -> None:
    router = kit.Router()
    router.registerRoutes(Places())
    request = kit.Request(("127.0.0.1", 1), "GET", "/places/a", {}, "", {}, b"")
    assert_type(router.dispatch(request), kit.Response)


def poll(client: kit.HTTPClient) -> None:
    handle = client.get("/places/a", callback=lambda response: print(response.text()))  # noqa: T201
    assert_type(handle, kit.RequestHandle)
    assert_type(handle.response, kit.Response | None)
    client.update()
    assert_type(client.pending(), int)
    for each in client.getResponses():
        assert_type(each, kit.RequestHandle)
    response = handle.wait(1.5)
    assert_type(response, kit.Response)
    assert_type(response.status_code, int)
    assert_type(response.headers, kit.Headers)


def load(data: bytes) -> Position:
    position = Position.loadb(data)
    assert_type(position, Position)
    assert_type(position.dumps(), str)
    return position


def test_with_the_fixtures(
    kit_server: CheckedServer, kit_client: kit.HTTPClient, kit_exchanges: kit.Journal
) -> None:
    kit_server.expect("POST", "/orders", json={"item": 1}).respond_json({"id": 1}, 201)
    kit_server.expect(..., "/any").respond("a")
    kit_server.expect(["GET", "PUT"], "/some").respond("a")
    kit_server.hold(..., "/any").release()
    kit_server.hold(("GET", "PUT"), "/some").release()
    kit_server.assert_request_headers("GET /any", {"accept": "text/plain"})
    kit_server.assert_request_headers("GET /any", [("Accept", "text/plain")], partial=True)
    gate = kit_server.hold("GET", "/slow")
    gate.release()
    assert_type(kit_client.post("/orders", {"item": 1}).wait(5).json(), Any)
    with pytest.raises(kit.KitError):
        kit_server.wait_for("GET /orders", count=2, timeout=0.1)
    assert_type(list(kit_exchanges), list[kit.Exchange])


def misuse(server: kit.HTTPServer, client: kit.HTTPClient) -> None:
    kit.HTTPServer("127.0.0.1:80")  # type: ignore[arg-type]
    kit.Response(status_code="200")  # type: ignore[arg-type]
    server.expect("GET", "/", jsn={})  # type: ignore[arg-type]
    server.expect(5, "/")  # type: ignore[arg-type]
    server.expect(..., ...)  # type: ignore[arg-type]
    server.hold(None, "/")  # type: ignore[arg-type]
    server.url_for(b"/")  # type: ignore[arg-type]
    client.get("/", 5)  # type: ignore[arg-type]
    client.post("/")  # type: ignore[call-arg]
    client.get("/").wait("1")  # type: ignore[arg-type]
    kit.HTTPServr  # type: ignore[attr-defined]  # noqa: B018
    kit.faults.Dealy  # type: ignore[attr-defined]  # noqa: B018
    kit.testing.RawClinet  # type: ignore[attr-defined]  # noqa: B018
