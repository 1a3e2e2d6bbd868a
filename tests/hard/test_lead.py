from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import HTTPClient, HTTPServer, Request, Response
from support.deadlines import scaled
from support.lead import current_relay, settle
from support.talk import Talk

Serve = Callable[..., HTTPServer]


def pong(request: Request) -> Response:
    return Response("pong")


def test_each_request_gets_its_own_answer_while_the_lead_changes_hands(serve: Serve) -> None:
    """Handlers last about as long as the stall budget: hand-over races return."""

    def linger(request: Request) -> Response:
        time.sleep(int(request.matches["us"]) / 1e6)
        return Response(request.matches["tag"])

    # Many routes, so that there is always one that has not been found slow yet.
    server = serve([("GET", f"/{n}/:us/:tag", linger) for n in range(40)])
    rng = random.Random(7)
    plans = [
        [
            (f"/{rng.randrange(40)}/{rng.choice([0, 3000, 4800, 5200, 7500, 10500])}/{c}-{i}")
            for i in range(150)
        ]
        for c in range(6)
    ]

    def talk(plan: list[str]) -> None:
        with Talk(server.addr) as peer:
            for start in range(0, len(plan), 5):
                some = plan[start : start + 5]
                peer.ask(*some)
                for target in some:
                    answer = peer.read_answer()
                    assert (answer.status, answer.body.decode()) == (200, target.split("/")[-1])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(talk, plans))
    assert current_relay().stalls > 0
    with Talk(server.addr) as peer:
        assert peer.get("/0/0/last").body == b"last"


def test_sixty_four_sleepers_take_one_sleep_and_delay_nobody(serve: Serve) -> None:
    entered = threading.Semaphore(0)
    wake = threading.Event()

    def sleep(request: Request) -> Response:
        entered.release()
        wake.wait(scaled(20))
        return Response("slept")

    server = serve([("GET", "/sleep", sleep), ("GET", "/ping", pong)])
    sleepers = [Talk(server.addr) for _ in range(64)]
    try:
        for sleeper in sleepers:
            sleeper.ask("/sleep")
        for _ in sleepers:
            assert entered.acquire(timeout=scaled(10)), "not all sleep at the same time"
        with Talk(server.addr) as peer:
            waits = []
            for _ in range(50):
                began = time.perf_counter()
                assert peer.get("/ping").body == b"pong"
                waits.append(time.perf_counter() - began)
        assert sorted(waits)[25] < scaled(0.05)
        wake.set()
        assert [sleeper.read_answer().body for sleeper in sleepers] == [b"slept"] * 64
    finally:
        wake.set()
        for sleeper in sleepers:
            sleeper.close()


def test_a_handler_calls_its_own_server_ten_deep(serve: Serve) -> None:
    def nest(request: Request) -> Response:
        depth = int(request.matches["depth"])
        if depth == 0:
            return Response("0")
        with Talk(server.addr) as peer:
            return Response(f"{depth} " + peer.get(f"/{depth - 1}").body.decode())

    server = serve([("GET", "/:depth", nest)])
    with Talk(server.addr) as peer:
        for _ in range(3):
            assert peer.get("/10").body == b"10 9 8 7 6 5 4 3 2 1 0"


def test_a_handler_uses_the_client_against_its_own_server(serve: Serve) -> None:
    def ask_on(request: Request) -> Response:
        with HTTPClient(server.addr) as client:
            answer = client.get("/ping").wait(scaled(10))
        return Response(b"heard " + answer.payload)

    server = serve([("GET", "/ask", ask_on), ("GET", "/ping", pong)])
    with Talk(server.addr) as peer:
        for _ in range(3):
            assert peer.get("/ask").body == b"heard pong"


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_handler_may_stop_its_own_server(serve: Serve, is_slow: bool) -> None:
    stopped: list[object] = []

    def stop(request: Request) -> Response:
        if request.params.get("really"):
            stopped.append(server.stop())
        else:
            time.sleep(0.03)
        return Response("stopped")

    server = serve([("GET", "/stop", stop)])
    with Talk(server.addr) as peer:
        if is_slow:
            peer.get("/stop")
        began = time.perf_counter()
        assert peer.get("/stop?really=1").body == b"stopped"
        assert peer.is_ended()
    assert stopped == [[]]
    assert time.perf_counter() - began < scaled(2)


def test_an_async_handler_may_stop_its_own_server(serve: Serve) -> None:
    async def stop(request: Request) -> Response:
        server.stop(grace_s=0.1)
        return Response("stopped")

    server = serve([("GET", "/stop", stop)])
    with Talk(server.addr) as peer:
        began = time.perf_counter()
        peer.ask("/stop")
        assert peer.is_ended()
    assert time.perf_counter() - began < scaled(4)
    assert not server.is_running


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no"), "raised ValueError: no"),
        (SystemExit(3), "raised SystemExit: 3"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (GeneratorExit(), "raised GeneratorExit"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("place", ["in place", "on the bench", "coroutine"])
def test_whatever_a_handler_raises_becomes_a_500_and_the_connection_goes_on(
    serve: Serve, error: BaseException, told: str, place: str
) -> None:
    def fail(request: Request) -> Response:
        if place == "on the bench":
            time.sleep(0.02)
        raise error

    async def fail_async(request: Request) -> Response:
        raise error

    handler = fail_async if place == "coroutine" else fail
    server = serve([("GET", "/fail", handler), ("GET", "/ping", pong)])
    with Talk(server.addr) as peer:
        for _ in range(3):
            answer = peer.get("/fail")
            assert answer.status == 500
            assert told in answer.body.decode()
            assert peer.get("/ping").body == b"pong"
    failed = server.journal.filter(path="/fail")
    assert [exchange.exception for exchange in failed] == [error] * 3


def test_a_generator_that_raises_system_exit_ends_its_connection_alone(serve: Serve) -> None:
    def stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"first"
            raise SystemExit

        return Response(pieces())

    server = serve([("GET", "/stream", stream), ("GET", "/ping", pong)])
    with Talk(server.addr) as other, Talk(server.addr) as peer:
        peer.ask("/stream")
        assert peer.read_head().status == 200
        assert peer.read_chunk() == b"first"
        assert peer.is_ended()
        assert other.get("/ping").body == b"pong"


def test_a_slow_route_is_tried_in_place_again_after_quick_runs(serve: Serve) -> None:
    threads: list[int] = []

    def maybe_sleep(request: Request) -> Response:
        threads.append(threading.get_ident())
        if request.params.get("slow"):
            time.sleep(0.03)
        return Response("done")

    server = serve([("GET", "/x", maybe_sleep)])
    relay = current_relay()
    with Talk(server.addr) as peer:
        peer.get("/x?slow=1")
        assert relay.stalls >= 1
        settle(relay)
        peer.get("/x")
        assert threads[-1] != relay._leader_id
    # Eight quick runs do, but on a busy machine a run can take long for other reasons.
    deadline = time.monotonic() + scaled(10)
    while threads[-1] != relay._leader_id:
        assert time.monotonic() < deadline, "it is never tried in place again"
        with Talk(server.addr) as peer:
            peer.get("/x")
            settle(relay)


def test_a_relay_can_be_started_and_stopped_many_times() -> None:
    began = time.perf_counter()
    for _ in range(500):
        with HTTPServer(("127.0.0.1", 0)):
            pass
    assert time.perf_counter() - began < scaled(10)
