"""Stubs, delays and gates of a server, over real sockets."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from kit import JsonResponse, Request, Response
from kit.clock import monotonic
from support.deadlines import scaled
from support.raw import RawClient, make_request
from support.serving import WAIT_S, Rig, await_event

ORDER = json.dumps({"sku": "a", "qty": 2}).encode()


def post(client: RawClient, target: str, body: bytes, *fields: str) -> None:
    client.send(make_request(target, "POST", *fields, body=body))


def route(request: Request) -> Response:
    return Response("the route")


def test_a_stub_answers_before_a_route(rig: Rig) -> None:
    rig.serve(("GET", "/x", route))
    stub = rig.server.expect("GET", "/x").respond("the stub").times(1)
    client = rig.connect()
    assert client.ask("/x").text == "the stub"
    assert client.ask("/x").text == "the route"
    assert stub.calls == 1
    assert rig.calls == ["/x"]


def test_a_stub_is_chosen_by_the_body(rig: Rig) -> None:
    rig.serve(("POST", "/orders", route))
    rig.server.expect("POST", "/orders", json={"sku": "a", "qty": 2}).respond_json({"id": 1}, 201)
    client = rig.connect()
    post(client, "/orders", ORDER)
    answer = client.read_answer()
    assert (answer.status, json.loads(answer.text)) == (201, {"id": 1})
    post(client, "/orders", b"{}")
    assert client.read_answer().text == "the route"
    first, second = rig.await_done(2)
    assert first.handler is not None
    assert first.handler.startswith("stub 1: POST /orders")
    assert second.handler == "route"


def test_a_chunked_body_chooses_as_well(plain_rig: Rig) -> None:
    plain_rig.serve()
    plain_rig.server.expect("POST", "/orders", json={"sku": "a", "qty": 2}).respond("taken")
    client = plain_rig.connect()
    head = b"POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ORDER), ORDER))
    assert client.read_answer().text == "taken"


def test_a_body_that_a_stub_may_want_is_asked_for_by_100(plain_rig: Rig) -> None:
    plain_rig.serve()
    plain_rig.server.expect("POST", "/orders", json={"sku": "a", "qty": 2}).respond("taken")
    client = plain_rig.connect()
    request = make_request("/orders", "POST", "Expect: 100-continue", body=ORDER)
    client.send(request.removesuffix(ORDER))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.send(ORDER)
    assert client.read_answer().text == "taken"


def test_an_unmatched_request_is_told_what_came_nearest(rig: Rig) -> None:
    rig.serve(("GET", "/orders/:id", route))
    rig.server.expect("POST", "/orders", json={"sku": "a", "qty": 3}).respond("never")
    client = rig.connect()
    post(client, "/orders", ORDER)
    answer = client.read_answer()
    assert answer.status == 404
    assert answer.value("kit-unmatched") == "true"
    assert "✗ json: $.qty: expected 3, got 2" in answer.text
    assert "✓ path /orders" in answer.text
    (exchange,) = rig.await_done()
    assert exchange.handler is None
    assert exchange.response_body.decode() == answer.text


def test_a_matched_404_is_not_marked_as_unmatched(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", lambda _: Response("gone", 404)))
    assert plain_rig.connect().ask().value("kit-unmatched") is None


def test_an_async_handler_of_a_stub_is_awaited(plain_rig: Rig) -> None:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(0)
        return JsonResponse({"name": request.matches["name"]})

    plain_rig.serve()
    plain_rig.server.expect("GET", "/:name").handle(answer)
    assert plain_rig.connect().ask("/ada").text == '{"name":"ada"}'


def test_a_delay_keeps_no_thread_and_nobody_else(rig: Rig) -> None:
    rig.serve(("GET", "/quick", route))
    rig.server.expect("GET", "/late").respond("late").delay(0.5)
    late, quick = rig.connect(), rig.connect()
    began = monotonic()
    late.send(make_request("/late"))
    (exchange,) = rig.server.wait_for("GET /late", timeout=scaled(WAIT_S))
    assert quick.ask("/quick").text == "the route"
    assert exchange.state == "received"
    assert late.read_answer().text == "late"
    assert monotonic() - began >= 0.5


def test_the_second_request_can_be_answered_before_the_first(rig: Rig) -> None:
    rig.serve(("GET", "/:name", lambda request: Response(request.matches["name"])))
    gate = rig.server.hold("GET", "/:name")
    first, second = rig.connect(), rig.connect()
    first.send(make_request("/first"))
    (held,) = gate.wait_for(1, timeout=scaled(WAIT_S))
    second.send(make_request("/second"))
    gate.wait_for(2, timeout=scaled(WAIT_S))
    assert rig.calls == []
    gate.release(gate.held[1])
    assert second.read_answer().text == "second"
    assert gate.held == [held]
    gate.release()
    assert first.read_answer().text == "first"
    assert first.ask("/third").text == "third"


def test_a_held_request_is_in_the_journal_before_it_is_answered(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", route))
    with plain_rig.server.hold("GET", "/") as gate:
        client = plain_rig.connect()
        client.send(make_request())
        gate.wait_for(1, timeout=scaled(WAIT_S))
        (exchange,) = plain_rig.server.wait_for("GET /", timeout=scaled(WAIT_S))
        assert exchange.state == "received"
    assert client.read_answer().text == "the route"


def test_a_hundred_held_requests_keep_no_thread(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", route))
    gate = plain_rig.server.hold("GET", "/")
    clients = [plain_rig.connect() for _ in range(100)]
    before = threading.active_count()
    for client in clients:
        client.send(make_request())
    gate.wait_for(100, timeout=scaled(WAIT_S))
    assert threading.active_count() <= before + 1
    gate.release()
    assert {client.read_answer().text for client in clients} == {"the route"}


def test_a_stop_lets_held_requests_go(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", route))
    gate = plain_rig.server.hold("GET", "/")
    client = plain_rig.connect()
    client.send(make_request())
    gate.wait_for(1, timeout=scaled(WAIT_S))
    assert plain_rig.server.stop(grace_s=scaled(WAIT_S)) == []
    assert client.read_answer().text == "the route"


def test_a_gate_and_a_delay_come_one_after_the_other(plain_rig: Rig) -> None:
    plain_rig.serve()
    plain_rig.server.expect("POST", "/", body="x").respond("done").delay(0.05)
    gate = plain_rig.server.hold("POST", "/")
    client = plain_rig.connect()
    post(client, "/", b"x")
    gate.wait_for(1, timeout=scaled(WAIT_S))
    released = monotonic()
    gate.release()
    assert client.read_answer().text == "done"
    assert monotonic() - released >= 0.05


def test_a_gate_holds_a_websocket_before_it_opens(plain_rig: Rig) -> None:
    from websockets.sync.client import connect

    from kit import Resource, websocket

    class Echo(Resource):
        @websocket("/echo")
        def echo(self, request: Request, opcode: int, payload: str) -> None:
            if payload:
                request.send(payload)

    plain_rig.serve(Echo())
    gate = plain_rig.server.hold("GET", "/echo")
    done = threading.Event()
    heard: list[object] = []

    def talk() -> None:
        with connect(plain_rig.server.ws_url_for("/echo"), open_timeout=scaled(WAIT_S)) as socket:
            socket.send("hi")
            heard.append(socket.recv(timeout=scaled(WAIT_S)))
        done.set()

    thread = threading.Thread(target=talk)
    thread.start()
    gate.wait_for(1, timeout=scaled(WAIT_S))
    assert heard == []
    gate.release()
    await_event(done)
    thread.join()
    assert heard == ["hi"]


@pytest.mark.parametrize("released", [1, 3])
def test_pipelined_requests_pass_a_gate_in_order(plain_rig: Rig, released: int) -> None:
    plain_rig.serve(("GET", "/:name", lambda request: Response(request.matches["name"])))
    gate = plain_rig.server.hold("GET", "/:name")
    client = plain_rig.connect()
    client.send(make_request("/a") + make_request("/b") + make_request("/c"))
    for name in "abc":
        gate.wait_for(1, timeout=scaled(WAIT_S))
        gate.release(1) if released == 1 else gate.release()
        assert client.read_answer().text == name
        if released == 3:
            assert [client.read_answer().text for _ in "bc"] == ["b", "c"]
            return
