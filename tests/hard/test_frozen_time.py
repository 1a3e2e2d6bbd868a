from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests
import urllib3
from cryptography import x509
from freezegun import freeze_time

from kit import HTTPClient, HTTPServer, Limits, Request, Response
from kit.clock import monotonic
from kit.testing import TlsFaultServer
from support.authority import authority
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


def log_in(request: Request) -> Response:
    response = Response("in")
    response.set_cookie("short", "1", max_age=60)
    response.set_cookie("long", "2", expires=datetime.now(UTC) + timedelta(hours=1))
    response.set_cookie("session", "3")
    return response


def log_out(request: Request) -> Response:
    response = Response("out")
    for name in request.cookies:
        response.delete_cookie(name)
    return response


def list_cookies(request: Request) -> Response:
    return Response(" ".join(sorted(request.cookies)))


COOKIE_ROUTES = [
    ("GET", "/in", log_in),
    ("GET", "/out", log_out),
    ("GET", "/list", list_cookies),
]


def test_a_client_drops_a_cookie_when_the_frozen_clock_has_passed_its_expiry(serve: Serve) -> None:
    server = serve(COOKIE_ROUTES)
    seen = []
    with freeze_time(MOMENT) as clock, requests.Session() as session:
        session.get(server.url_for("/in"), timeout=scaled(10))
        for seconds in (0, 59, 2, 3538, 2):
            clock.tick(seconds)
            seen.append(session.get(server.url_for("/list"), timeout=scaled(10)).text)
    assert seen == [
        "long session short",
        "long session short",
        "long session",
        "long session",
        "session",
    ]


def test_a_client_drops_a_cookie_that_is_deleted_under_a_frozen_clock(serve: Serve) -> None:
    server = serve(COOKIE_ROUTES)
    with freeze_time("1999-01-01"), requests.Session() as session:
        session.get(server.url_for("/in"), timeout=scaled(10))
        assert len(session.cookies) == 3
        session.get(server.url_for("/out"), timeout=scaled(10))
        assert len(session.cookies) == 0


def test_the_expiry_of_a_cookie_is_that_of_the_frozen_clock_on_the_wire(serve: Serve) -> None:
    server = serve(COOKIE_ROUTES)
    with freeze_time(MOMENT), HTTPClient(server.addr) as client:
        headers = client.get("/in").wait(scaled(10)).headers
    assert headers["set-cookie"] == [
        b"short=1; Max-Age=60; Expires=Sat, 05 Apr 2031 06:08:08 GMT; Path=/",
        b"long=2; Expires=Sat, 05 Apr 2031 07:07:08 GMT; Path=/",
        b"session=3; Path=/",
    ]


# urllib3 itself warns of a clock that stands before its own release.
@pytest.mark.filterwarnings("ignore:System time is way off")
@pytest.mark.parametrize("moment", ["2001-02-03", "2026-07-08", "2999-12-30"])
def test_tls_works_at_any_frozen_time_with_certificates_of_an_earlier_one(
    serve: Serve, moment: str
) -> None:
    server = serve(ROUTES, ssl_context=authority().server_context())
    context = authority().client_context()
    with (
        freeze_time(moment),
        HTTPClient(server.addr, "https", ssl_context=context) as client,
        urllib3.PoolManager(ssl_context=context) as pool,
    ):
        assert client.get("/ping").wait(scaled(10)).payload == b"pong"
        answer = pool.request("GET", server.url_for("/ping"), timeout=scaled(10), retries=False)
        assert answer.data == b"pong"
        assert moment[:4] in answer.headers["Date"]


def fetch_unverified(addr: tuple[str, int]) -> x509.Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(addr, timeout=scaled(10)) as plain,
        context.wrap_socket(plain) as stream,
    ):
        der = stream.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize("moment", ["2001-01-02", "2026-07-08", "2899-12-30"])
@pytest.mark.parametrize("name", ["expired", "not-yet-valid"])
def test_a_certificate_out_of_date_is_so_by_the_real_and_by_a_frozen_clock(
    name: str, moment: str
) -> None:
    with freeze_time(moment), TlsFaultServer(name, authority()) as server:
        now = datetime.now(UTC)
        certificate = fetch_unverified(server.addr)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        assert not begin <= now <= end
        with (
            socket.create_connection(server.addr, timeout=scaled(10)) as plain,
            pytest.raises(ssl.SSLCertVerificationError) as caught,
        ):
            server.client_context().wrap_socket(plain, server_hostname=server.host)
        assert caught.value.verify_message == server.fault.detail


def test_openssl_judges_dates_by_the_real_clock_whatever_is_frozen() -> None:
    def greet(context: ssl.SSLContext) -> bytes:
        with (
            HTTPServer(("127.0.0.1", 0), ssl_context=context) as server,
            HTTPClient(server.addr, "https", ssl_context=authority().client_context()) as client,
        ):
            server.registerRoutes(ROUTES)
            return client.get("/ping").wait(scaled(10)).body

    with freeze_time("2999-01-01"):
        over = datetime.now(UTC) - timedelta(days=1)
        assert greet(authority().server_context(valid_to=over)) == b"pong"
        refusal = greet(authority().server_context(valid_from=over))
        assert b"certificate is not yet valid" in refusal
