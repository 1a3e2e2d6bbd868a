from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from kit import Request, Response
from support.raw import RawClient, make_request
from support.serving import Rig, await_event, echo, hello

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
SHORT_S = 0.1


class Bystander:
    """Asks on and on in a thread of its own, until it is stopped."""

    def __init__(self, rig: Rig) -> None:
        self._client = rig.connect()
        self._is_stopping = threading.Event()
        self.failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            while not self._is_stopping.is_set():
                assert self._client.ask("/bystander").text == "hello"
        except BaseException as error:
            self.failures.append(error)

    def stop(self) -> None:
        self._is_stopping.set()
        self._thread.join()
        assert self.failures == []


def check_408(client: RawClient, reason: str) -> None:
    answer = client.read_answer()
    assert (answer.status, answer.value("connection")) == (408, "close")
    assert answer.text == f"{reason}\n"
    assert client.is_at_end()


def test_an_idle_connection_is_closed_after_idle_s(rig: Rig) -> None:
    rig.serve(("GET", "/", hello), idle_s=SHORT_S)
    fresh = rig.connect()
    assert fresh.is_at_end()
    client = rig.connect()
    assert client.ask().text == "hello"
    assert client.is_at_end()
    rig.await_no_connections()
    assert len(rig.journal) == 1
    assert rig.errors == []


def test_a_plain_connection_without_a_request_outlives_handshake_s(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", hello), handshake_s=SHORT_S, head_s=SHORT_S)
    idle, timer = plain_rig.connect(), plain_rig.connect()
    timer.send(b"GET")
    check_408(timer, f"the request's head did not arrive in time (limit head_s: {SHORT_S:g} s)")
    assert idle.ask().text == "hello"


@pytest.mark.parametrize("is_first", [True, False])
def test_a_head_that_does_not_come_in_time_gets_408(rig: Rig, is_first: bool) -> None:
    rig.serve(("GET", "/:path*", hello), head_s=SHORT_S)
    bystander = Bystander(rig)
    client = rig.connect()
    if not is_first:
        assert client.ask().text == "hello"
    client.send(b"GET /late HTTP/1.1\r\nHost:")
    check_408(client, f"the request's head did not arrive in time (limit head_s: {SHORT_S:g} s)")
    bystander.stop()
    (exchange,) = rig.await_done(failed=True)
    assert exchange.response_status == 408
    assert exchange.request_head.raw == b"GET /late HTTP/1.1\r\nHost:"
    assert "/late" not in rig.calls


def test_a_head_that_dribbles_gets_408_all_the_same(plain_rig: Rig) -> None:
    plain_rig.serve(("GET", "/", hello), head_s=SHORT_S)
    client = plain_rig.connect()
    client.timeout_s = 0.01
    answer = b""
    for byte in itertools.chain(b"GET / HTTP/1.1\r\nHost: a\r\nA: ", itertools.repeat(0x78)):
        client.send(bytes([byte]))
        try:
            answer = client.receive()
        except TimeoutError:
            continue
        break
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "start", [b"Content-Length: 5\r\n\r\nhel", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
def test_a_body_that_does_not_come_in_time_gets_408(rig: Rig, start: bytes) -> None:
    rig.serve(("POST", "/", echo), ("GET", "/bystander", hello), body_s=SHORT_S)
    bystander = Bystander(rig)
    client = rig.connect()
    client.send(POST + start)
    check_408(client, f"the request's body did not arrive in time (limit body_s: {SHORT_S:g} s)")
    bystander.stop()
    assert "/" not in rig.calls


def test_a_client_that_never_continues_gets_408(rig: Rig) -> None:
    rig.serve(("POST", "/", echo), body_s=SHORT_S)
    client = rig.connect()
    client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert client.read_answer().status == 100
    check_408(client, f"the request's body did not arrive in time (limit body_s: {SHORT_S:g} s)")


def test_the_limits_of_a_request_do_not_count_while_its_handler_runs(rig: Rig) -> None:
    gate = threading.Event()

    def wait(request: Request) -> Response:
        await_event(gate)
        return Response("done")

    async def wait_async(request: Request) -> Response:
        import asyncio

        await asyncio.to_thread(await_event, gate)
        return Response("done")

    limits = {"idle_s": SHORT_S, "head_s": SHORT_S, "body_s": SHORT_S, "write_s": SHORT_S}
    rig.serve(("POST", "/", wait), ("POST", "/async", wait_async), **limits)
    clients = [rig.connect(), rig.connect()]
    for client, path in zip(clients, ["/", "/async"], strict=True):
        client.send(make_request(path, "POST", body=b"x"))
    rig.journal.wait_for(lambda exchange: True, count=2, state="handling")
    assert rig.connect().is_at_end()  # so much time has passed
    gate.set()
    assert [client.read_answer().text for client in clients] == ["done", "done"]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_peer_that_reads_nothing_is_cut_after_write_s(rig: Rig, is_streamed: bool) -> None:
    closed = threading.Event()

    def produce() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(65536)
        finally:
            closed.set()

    def answer(request: Request) -> Response:
        return Response(produce() if is_streamed else bytes(50_000_000))

    rig.serve(("GET", "/", answer), ("GET", "/bystander", hello), write_s=SHORT_S)
    bystander = Bystander(rig)
    client = rig.connect(receive_buffer=4096)
    client.send(make_request())
    (failed,) = rig.await_done(failed=True)
    bystander.stop()
    assert failed.error == f"LimitError: the peer reads nothing: the limit write_s is {SHORT_S:g}"
    if is_streamed:
        await_event(closed)
    assert rig.errors == []


def test_a_tls_handshake_that_does_not_end_is_cut_after_handshake_s(rig: Rig) -> None:
    if not rig.is_tls:
        pytest.skip("there is no handshake")
    rig.serve(("GET", "/bystander", hello), handshake_s=SHORT_S)
    bystander = Bystander(rig)
    with RawClient((rig.server.host, rig.server.port)) as client:
        client.send(bytes.fromhex("16030100c8010000c4"))
        assert client.is_at_end()
    bystander.stop()
    assert rig.errors == []


def test_a_client_that_leaves_in_mid_handshake_harms_nobody(rig: Rig) -> None:
    rig.serve(("GET", "/", hello))
    for sample in (b"", b"\x16", bytes.fromhex("16030100c8010000c4"), b"\x16" * 500):
        with RawClient((rig.server.host, rig.server.port)) as client:
            client.send(sample)
            client.reset()
    assert rig.connect().ask().text == "hello"
    assert rig.errors == []
