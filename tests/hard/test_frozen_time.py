from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from freezegun import freeze_time

from kit import HTTPClient, HTTPServer, Limits, Request, Response
from kit.clock import monotonic
from support.deadlines import scaled
from support.talk import Talk

Serve = Callable[..., HTTPServer]
MOMENT = "2031-04-05 06:07:08"


async def nap(request: Request) -> Response:
    await asyncio.sleep(0.02)
    return Response("rested")


def pong(request: Request) -> Response:
    return Response("pong")


ROUTES = [("GET", "/ping", pong), ("GET", "/nap", nap)]


def test_what_people_read_shows_the_frozen_time(serve: Serve) -> None:
    server = serve(ROUTES)
    with Talk(server.addr) as peer:
        peer.get("/ping")
        with freeze_time(MOMENT):
            answer = peer.get("/ping")
        thawed = peer.get("/ping")
    assert answer.headers["date"] == "Sat, 05 Apr 2031 06:07:08 GMT"
    assert thawed.headers["date"] != answer.headers["date"]
    frozen = server.journal[1]
    assert frozen.started_at == 1933135628.0
    assert 0 <= frozen.duration_s < scaled(5)


def test_waits_go_on_while_time_is_frozen(serve: Serve) -> None:
    server = serve(ROUTES)
    with freeze_time(MOMENT), HTTPClient(server.addr) as client:
        assert client.get("/nap").wait(scaled(10)).payload == b"rested"
        assert client.get("/ping").wait(scaled(10)).payload == b"pong"
        assert len(server.journal.wait_for(count=2, timeout=scaled(10))) == 2


def test_a_server_started_and_stopped_in_frozen_time_works() -> None:
    with freeze_time(MOMENT), HTTPServer(("127.0.0.1", 0)) as server, Talk(server.addr) as peer:
        server.registerRoutes(ROUTES)
        assert peer.get("/nap").body == b"rested"
        assert server.stop() == []


@pytest.mark.parametrize("moment", ["1971-01-01", "2101-01-01"])
def test_time_limits_run_in_real_time(serve: Serve, moment: str) -> None:
    server = serve(ROUTES, limits=Limits(idle_s=0.3))
    with Talk(server.addr) as peer:
        peer.get("/ping")
        began = monotonic()
        with freeze_time(moment):
            assert peer.is_ended()
        assert 0.2 < monotonic() - began < scaled(5)


def test_a_slow_handler_delays_nobody_in_frozen_time(serve: Serve) -> None:
    wake = threading.Event()

    def sleep(request: Request) -> Response:
        wake.wait(scaled(20))
        return Response("slept")

    server = serve([*ROUTES, ("GET", "/sleep", sleep)])
    with freeze_time(MOMENT), Talk(server.addr) as sleeper, Talk(server.addr) as peer:
        sleeper.ask("/sleep")
        assert peer.get("/ping").body == b"pong"
        wake.set()
        assert sleeper.read_answer().body == b"slept"


def test_a_stop_is_bounded_in_frozen_time(serve: Serve) -> None:
    entered, wake = threading.Event(), threading.Event()

    def sleep(request: Request) -> Response:
        entered.set()
        wake.wait(scaled(20))
        return Response("slept")

    server = serve([("GET", "/sleep", sleep)])
    with Talk(server.addr) as peer:
        peer.ask("/sleep")
        assert entered.wait(scaled(10))
        began = time.perf_counter()
        with freeze_time(MOMENT):
            assert len(server.stop(grace_s=0.1)) == 1
        assert time.perf_counter() - began < scaled(4)
        wake.set()
