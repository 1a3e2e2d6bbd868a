"""Under frozen time: what people read follows the frozen clock, what waits does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

CHECKS = """
import asyncio, time
import freezegun

PAST = "2001-02-03 04:05:06"
# In a tuple, where freezegun does not find it.
REAL = (time.perf_counter,)

def elapsed_since(began):
    return REAL[0]() - began

def hello(request):
    return kit.Response("hello")

def dates(server, client):
    server.registerRoutes([("GET", "/", hello)])
    response = client.get("/").wait(20)
    assert response.text() == "hello"
    assert response.headers.text("Date") == "Sat, 03 Feb 2001 04:05:06 GMT"
    [exchange] = server.wait_for("GET /", state="complete", timeout=20)
    assert exchange.started_at == 981173106.0
    assert 0 < exchange.duration_s < 20

def log_in(request):
    response = kit.Response("in")
    response.set_cookie("sid", "1", max_age=60)
    return response

def cookies(server, client):
    server.registerRoutes([("GET", "/in", log_in)])
    [line] = client.get("/in").wait(20).headers["Set-Cookie"]
    assert line == b"sid=1; Max-Age=60; Expires=Sat, 03 Feb 2001 04:06:06 GMT; Path=/"

def delays(server, client):
    server.expect("GET", "/late").respond("late").delay(0.2)
    began = REAL[0]()
    assert client.get("/late").wait(20).text() == "late"
    assert 0.2 <= elapsed_since(began) < 20

def gates(server, client):
    server.registerRoutes([("GET", "/", hello)])
    gate = server.hold("GET", "/")
    began = REAL[0]()
    with pytest.raises(kit.WaitTimeoutError):
        gate.wait_for(1, timeout=0.2)
    assert 0.2 <= elapsed_since(began) < 20
    handle = client.get("/")
    [request] = gate.wait_for(1, timeout=20)
    assert request.path == "/"
    gate.release()
    assert handle.wait(20).text() == "hello"

def waits(server, client):
    server.registerRoutes([("GET", "/", hello)])
    began = REAL[0]()
    with pytest.raises(kit.WaitTimeoutError):
        server.wait_for("GET /never", timeout=0.2)
    assert 0.2 <= elapsed_since(began) < 20
    gate = server.hold("GET", "/")
    handle = client.get("/")
    began = REAL[0]()
    with pytest.raises(kit.WaitTimeoutError):
        handle.wait(0.2)
    assert 0.2 <= elapsed_since(began) < 20
    gate.release()
    assert handle.wait(20).text() == "hello"

def handlers(server, client):
    async def sleep(request):
        await asyncio.wait_for(asyncio.sleep(0.2), 20)
        return kit.Response("slept")

    async def give_up(request):
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.2)
        except TimeoutError:
            return kit.Response("gave up")

    server.registerRoutes([("GET", "/sleep", sleep), ("GET", "/give-up", give_up)])
    for path, answer in (("/sleep", "slept"), ("/give-up", "gave up")):
        began = REAL[0]()
        assert client.get(path).wait(20).text() == answer
        assert 0.2 <= elapsed_since(began) < 20

def waits_in_a_loop(server, client):
    server.registerRoutes([("GET", "/", hello)])

    async def main():
        began = REAL[0]()
        with pytest.raises(kit.WaitTimeoutError):
            await server.wait_for_async("GET /never", timeout=0.2)
        assert 0.2 <= elapsed_since(began) < 20
        gate = server.hold("GET", "/")
        handle = client.get("/")
        [request] = await gate.wait_for_async(1, timeout=20)
        gate.release()
        [exchange] = await server.wait_for_async("GET /", state="complete", timeout=20)
        assert exchange.started_at == 981173106.0
        return handle

    assert asyncio.run(main()).wait(20).text() == "hello"

CHECKS = [dates, cookies, delays, gates, waits, handlers, waits_in_a_loop]
each = pytest.mark.parametrize("check", CHECKS)
"""

STYLES = """
@pytest.fixture
def past():
    with freezegun.freeze_time(PAST):
        yield

@each
def test_fixture(past, kit_server, kit_client, check):
    check(kit_server, kit_client)

@each
@freezegun.freeze_time(PAST)
def test_decorator(kit_server, kit_client, check):
    check(kit_server, kit_client)

@each
def test_context_manager(kit_server, kit_client, check):
    with freezegun.freeze_time(PAST):
        check(kit_server, kit_client)

@pytest.mark.asyncio
@freezegun.freeze_time(PAST, real_asyncio=True)
async def test_coroutine(kit_server, kit_client):
    kit_server.registerRoutes([("GET", "/", hello)])
    handle = kit_client.get("/")
    [exchange] = await kit_server.wait_for_async("GET /", state="complete", timeout=20)
    assert exchange.started_at == 981173106.0
    assert handle.wait(20).headers.text("Date") == "Sat, 03 Feb 2001 04:05:06 GMT"
"""

MOVING = """
def test_the_date_follows_a_clock_that_is_moved(kit_server, kit_client):
    kit_server.registerRoutes([("GET", "/", hello)])
    dates = []
    with freezegun.freeze_time(PAST) as clock:
        for move in (lambda: None, lambda: clock.tick(60), lambda: clock.move_to("2061-01-01")):
            move()
            dates.append(kit_client.get("/").wait(20).headers.text("Date"))
    assert dates == [
        "Sat, 03 Feb 2001 04:05:06 GMT",
        "Sat, 03 Feb 2001 04:06:06 GMT",
        "Sat, 01 Jan 2061 00:00:00 GMT",
    ]
    # Neither side took the idle connection for one that is sixty years old.
    assert len({exchange.connection.id for exchange in kit_server.journal}) == 1

def test_a_client_drops_a_cookie_when_the_clock_is_moved(kit_server, kit_ca):
    https = urllib.request.HTTPSHandler(context=kit_ca.client_context())
    opener = urllib.request.build_opener(https, urllib.request.HTTPCookieProcessor())
    kit_server.registerRoutes([("GET", "/in", log_in), ("GET", "/", hello)])
    seen = []
    with freezegun.freeze_time(PAST) as clock:
        opener.open(kit_server.url_for("/in"), timeout=20).close()
        for seconds in (59, 2):
            clock.tick(seconds)
            opener.open(kit_server.url, timeout=20).close()
            seen.append(kit_server.journal[-1].request_headers.get("cookie"))
    assert seen == [[b"sid=1"], None]

def test_a_delay_is_not_cut_short_by_a_clock_that_is_moved(kit_server, kit_client):
    kit_server.expect("GET", "/late").respond("late").delay(0.3)
    with freezegun.freeze_time(PAST) as clock:
        began = REAL[0]()
        handle = kit_client.get("/late")
        kit_server.wait_for("GET /late", timeout=20)
        clock.tick(3600)
        assert handle.wait(20).text() == "late"
        assert 0.3 <= elapsed_since(began) < 20

@pytest.mark.parametrize("when", ["1970-01-02", PAST, "2199-12-31"])
def test_certificates_made_at_any_time_are_valid(when):
    with freezegun.freeze_time(when):
        authority = kit.CertificateAuthority()
        with kit.HTTPServer(("127.0.0.1", 0), ssl_context=authority.server_context()) as server:
            server.registerRoutes([("GET", "/", hello)])
            context = authority.client_context()
            with urllib.request.urlopen(server.url, context=context, timeout=20) as response:
                assert response.read() == b"hello"

def test_the_frozen_clock_is_over_after_it(kit_server, kit_client):
    kit_server.registerRoutes([("GET", "/", hello)])
    with freezegun.freeze_time(PAST):
        kit_client.get("/").wait(20)
    assert "2001" not in kit_client.get("/").wait(20).headers.text("Date")
"""


def test_every_way_to_freeze_time_leaves_waits_alone(run_tests: RunTests) -> None:
    result = run_tests(CHECKS + STYLES, "-p", "pytest_asyncio.plugin")
    result.assert_outcomes(passed=22)


def test_a_clock_that_is_moved_moves_dates_and_nothing_else(run_tests: RunTests) -> None:
    result = run_tests(CHECKS + MOVING)
    result.assert_outcomes(passed=7)
