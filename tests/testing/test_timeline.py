from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import Exchange, HTTPClient, Journal, JsonResponse, Response
from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode
from kit.record import ConnectionInfo, FrameLog, UnparsedHead
from kit.routing import websocket
from kit.testing import format_timeline
from support.deadlines import scaled
from support.exchanges import Head, TakenBy, answer, make_connection
from support.failures import hide_numbers

CURL = "    curl --connect-to ::127.0.0.1:8080 http://shop.test:81{} -H User-Agent: -H Accept:"


def make_on(
    connection: ConnectionInfo, ordinal: int, target: str, at: float, route: str | None = None
) -> Exchange:
    exchange = Exchange(connection, ordinal, Head("GET", target), connection.opened_at + at)
    exchange.endpoint = None if route is None else TakenBy(route)
    return answer(exchange)


def rename(text: str) -> list[str]:
    """Number the connections from 1, in the order in which they appear."""
    numbers: dict[str, int] = {}
    return re.sub(
        r"connection (\d+)",
        lambda found: f"connection {numbers.setdefault(found[1], len(numbers) + 1)}",
        text,
    ).splitlines()


def test_exchanges_and_openings_stand_in_order_of_time() -> None:
    one, two = make_connection(), make_connection(tls_version="TLSv1.3")
    one.id, two.id = 1, 2  # of the same width
    two.opened_at, two.sni, two.handshake_s = one.opened_at + 0.015, "shop.test", 0.002
    exchanges = [
        make_on(two, 1, "/b", 0.005, "/:any"),
        make_on(one, 1, "/a", 0.010, "/a"),
        make_on(one, 2, "/c?d=e", 0.5),
    ]
    lines = rename(format_timeline(exchanges))
    assert [line for line in lines if not line.startswith("    curl")] == [
        "+0.0 ms    connection 1  opened by 127.0.0.1:50123",
        "+10.0 ms   connection 1  GET /a -> 200, route /a, 4.0 ms",
        "+15.0 ms   connection 2  opened by 127.0.0.1:50123, TLSv1.3 for shop.test in 2.0 ms",
        "+20.0 ms   connection 2  GET /b -> 200, route /:any, 4.0 ms",
        "+500.0 ms  connection 1  GET /c?d=e -> 200, no route, 4.0 ms",
    ]
    assert lines[2] == CURL.format("/a")


def test_an_opening_that_is_long_past_is_left_out() -> None:
    (head, _) = format_timeline([make_on(make_connection(), 7, "/", 900, "/")]).splitlines()
    assert re.fullmatch(r"\+0\.0 ms  connection \d+  GET / -> 200, route /, 4\.0 ms", head)


def close_after(exchange: Exchange, seconds: float, end: str | None) -> list[str]:
    """Return the lines of a connection that is closed so long after its opening."""
    connection = exchange.connection
    connection.closed_at, connection.end = connection.opened_at + seconds, end
    lines = rename(format_timeline([exchange]))
    return [line for line in lines if not line.startswith("    ")]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("as it was idle for 5 s (limit idle_s)", "closed as it was idle for 5 s (limit idle_s)"),
        ("by the peer, with a reset", "closed by the peer, with a reset"),
        ("by an error: OSError: \x1b\n", r"closed by an error: OSError: \x1b\n"),
        (None, "closed"),
    ],
)
def test_the_end_of_a_connection_is_told(end: str | None, told: str) -> None:
    exchange = make_on(make_connection(), 2, "/a", 0.010, "/a")
    assert close_after(exchange, 5.02, end) == [
        "+0.0 ms     connection 1  GET /a -> 200, route /a, 4.0 ms",
        f"+5010.0 ms  connection 1  {told}",
    ]


@pytest.mark.parametrize(
    "end", ["by the peer", "after the response", "after the websocket", "as the server stopped"]
)
def test_an_end_as_it_should_be_is_left_out(end: str) -> None:
    assert len(close_after(make_on(make_connection(), 2, "/a", 0.010), 5, end)) == 1
    exchange = make_on(make_connection(), 2, "/a", 0.010)
    exchange.error = "the peer left"
    assert close_after(exchange, 0.03, end)[1] == f"+20.0 ms  connection 1  closed {end}"


def test_an_open_connection_has_no_end() -> None:
    exchange = make_on(make_connection(), 2, "/a", 0)
    exchange.connection.end = "after a refusal"
    assert "closed" not in format_timeline([exchange])


def test_the_end_is_told_once_after_the_last_exchange() -> None:
    connection = make_connection()
    exchanges = [make_on(connection, number, f"/{number}", number / 10) for number in (2, 3, 4)]
    exchanges[2].error = "ConnectionResetError: gone"
    connection.closed_at = connection.opened_at + 0.5
    connection.end = "by an error: ConnectionResetError: gone"
    lines = rename(format_timeline(exchanges))
    assert [line for line in lines if "closed" in line] == ["+300.0 ms  connection 1  closed"]


def test_a_clients_exchange_has_no_route_and_its_times() -> None:
    connection = make_connection("client")
    connection.connect_s = 0.001
    assert rename(format_timeline([make_on(connection, 1, "/a", 0.002)]))[:2] == [
        "+0.0 ms  connection 1  opened to 127.0.0.1:50123, connected in 1.0 ms",
        "+2.0 ms  connection 1  GET /a -> 200, 4.0 ms",
    ]


def test_nothing_is_told_as_such() -> None:
    assert format_timeline(Journal()) == "no exchanges"


def test_what_is_open_failed_or_faulty_is_told_as_such() -> None:
    connection = make_connection()
    waiting = Exchange(connection, 2, Head("GET", "/slow"), connection.opened_at)
    waiting.handler_started_at = 1.0
    failed = make_on(connection, 3, "/gone", 0.1, "/gone")
    failed.error, failed.fault = "the peer\n left", "reset after 3 bytes\x1b"
    broken = answer(
        Exchange(connection, 4, UnparsedHead(b"?\r\n"), connection.opened_at + 0.2), 400
    )
    lines = hide_numbers(format_timeline([waiting, failed, broken]).splitlines())
    assert [line for line in lines if not line.startswith("    curl")] == [
        "+T    connection N  GET /slow -> handling, no route, T so far",
        r"+T  connection N  GET /gone -> 200, failed: the peer\n left, route /gone, T",
        r"    fault: reset after 3 bytes\x1b",
        "+T  connection N  a request that does not parse -> 400, no route, T",
        "    # the request does not parse, so that curl cannot send it",
        "    printf %s Pw0K | base64 --decode | nc 127.0.0.1 8080",
    ]


def parse(text: str) -> Any:
    return json.loads(text)


def handle(text: str) -> None:
    parse(text)


def catch(function: Any, *arguments: Any) -> BaseException:
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError("it did not raise")


def test_an_exception_is_told_with_the_handlers_line_and_its_origin() -> None:
    exchange = make_on(make_connection(), 2, "/", 0, "/")
    exchange.exception = catch(handle, "{\x1b")
    told = format_timeline([exchange]).splitlines()[1]
    here = Path(__file__)
    shown = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    assert told.startswith(
        "    Users.show raised JSONDecodeError: Expecting property name enclosed in double quotes: "
        f"line 1 column 2 (char 1), at {shown}:"
    )
    assert re.search(r"test_timeline\.py:\d+ in catch, from \S+decoder\.py:\d+ in raw_decode", told)


class MuteError(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


def test_an_exception_whose_text_cannot_be_made_is_told_by_its_type() -> None:
    exchange = make_on(make_connection(), 1, "/", 0.0)
    exchange.exception = MuteError()
    text = "raised MuteError: (its text cannot be told: LookupError)"
    assert text in format_timeline([exchange])


def test_an_exception_without_a_traceback_has_no_place() -> None:
    exchange = make_on(make_connection(), 2, "/", 0)
    exchange.exception = KeyError()
    assert format_timeline([exchange]).splitlines()[1] == "    the handler raised KeyError"


def make_websocket(count: int, **bounds: int) -> Exchange:
    exchange = make_on(make_connection(), 2, "/chat", 0, "/chat")
    exchange.response_status, exchange.close_code = 101, 1000
    exchange.frame_log = log = FrameLog(**bounds)
    for number in range(count):
        log.add("received", 1, True, f"{number}\x1b".encode())
    log.add("sent", 8, True, b"\x03\xe8bye")
    log._frames = [
        (*frame[:-1], exchange.received_at + number) for number, frame in enumerate(log._frames)
    ]
    return exchange


def test_the_frames_of_a_websocket_are_shown() -> None:
    lines = rename(format_timeline([make_websocket(2)]))
    assert lines[:4] == [
        "+0.0 ms  connection 1  GET /chat -> 101, route /chat, websocket closed 1000, 4.0 ms",
        r"    +0.0 ms     received  Text '0\x1b'",
        r"    +1000.0 ms  received  Text '1\x1b'",
        "    +2000.0 ms  sent      Close 1000 'bye'",
    ]


def test_of_many_frames_the_first_and_the_last_are_shown() -> None:
    lines = format_timeline([make_websocket(100, max_frames=50)]).splitlines()
    assert len(lines) == 1 + 4 + 1 + 8 + 1 + 1
    assert r"Text '3\x1b'" in lines[4]
    assert lines[5] == "    (39 frames left out)"
    assert lines[14] == "    (50 further frames not recorded)"


def test_a_long_command_is_left_out() -> None:
    exchange = make_on(make_connection(), 2, "/", 0)
    exchange.request_content = b"x" * 5000
    assert re.fullmatch(
        r"    \(a curl command of 51\d\d characters: kit\.testing\.format_curl gives it\)",
        format_timeline([exchange]).splitlines()[1],
    )


def test_the_last_exchanges_are_shown_and_the_others_counted() -> None:
    connection = make_connection()
    exchanges = [make_on(connection, at + 1, f"/{at}", at / 10, "/:at") for at in range(8)]
    exchanges[1].error = "broken"
    exchanges[2].endpoint = None
    exchanges[3].exception = KeyError("x")
    exchanges[4].done_at = None
    lines = format_timeline(exchanges, limit=2).splitlines()
    assert lines[0] == (
        "(6 earlier exchanges left out: 2 complete, 1 failed, 1 without a route, "
        "1 with an exception, 1 open)"
    )
    assert "GET /6 -> 200" in lines[1]
    assert len(lines) == 1 + 2 * 2


def test_the_whole_is_bounded_whatever_it_is_made_of() -> None:
    connection = make_connection()
    exchanges = []
    for at in range(300):
        exchange = make_on(connection, at + 2, f"/{'x' * 900}", at / 10, "/" + "r" * 1000)
        exchange.exception = ValueError("e" * 100_000)
        exchange.error = exchange.fault = "f" * 100_000
        exchanges.append(exchange)
    text = format_timeline(exchanges, limit=300)
    assert len(text) <= 61_000
    found = re.match(r"\((\d+) earlier events left out, as they are long\)\n", text)
    assert found is not None
    assert int(found[1]) + text.count("-> 200") == 300


raw_text = st.text(st.characters(max_codepoint=0x2FFF), max_size=30)


@settings(max_examples=60, deadline=None)
@given(raw_text, raw_text, st.binary(max_size=40), st.lists(st.binary(max_size=20), max_size=3))
def test_no_raw_control_character_ever_shows(
    target: str, text: str, body: bytes, payloads: list[bytes]
) -> None:
    exchange = make_on(make_connection(), 1, f"/{target}", 0, f"/{text}")
    exchange.request_head = Head(
        "GET", f"/{target}", "1.1", [(b"Host", body), (b"X", text.encode())]
    )
    exchange.request_content = body
    exchange.error = exchange.fault = text
    exchange.exception = ValueError(text)
    exchange.frame_log = FrameLog()
    for payload in payloads:
        exchange.frame_log.add("sent", 1, True, payload)
        exchange.frame_log.add("sent", 8, True, b"\x03\xe8" + payload)
    assert all(line.isprintable() for line in format_timeline([exchange]).split("\n"))


def test_a_live_server_is_told_of(serve: Any) -> None:
    @websocket("/echo")
    def echo(request: Any, opcode: WebSocketOpCode, payload: Any) -> None:
        if payload:
            request.send(payload)

    def break_down(request: Any) -> Response:
        raise LookupError(request.path)

    server = serve(
        ("GET", "/user/:name", lambda request: JsonResponse(request.matches)),
        ("GET", "/broken", break_down),
        ("GET", "/echo", echo),
    )
    with HTTPClient((server.host, server.port)) as client:
        for path in ("/user/bob", "/broken", "/nowhere"):
            client.get(path).wait(scaled(10))
        peer = client.websocket("/echo", compress=False)
        peer.receive(scaled(10))
        peer.send("hi")
        peer.receive(scaled(10))
        peer.close()
        server.journal.wait_for("/echo", state="complete", timeout=scaled(10))
    told = "\n".join(hide_numbers(format_timeline(server.journal).splitlines()))
    for line in (
        "connection N  opened by HOST",
        "GET /user/bob -> 200, route /user/:name, T",
        "GET /broken -> 500, route /broken, T",
        "break_down raised LookupError: /broken, at ",
        "GET /nowhere -> 404, no route, T",
        "    curl http://HOST/nowhere -H ",
        "GET /echo -> 101, route /echo, websocket closed 1000, T",
        "received  Text 'hi'",
        "sent      Close 1000",
    ):
        assert line in told, line


def test_a_connection_of_a_unix_socket_is_told_of() -> None:
    info = ConnectionInfo("server", ("/tmp/kit.sock",), ())  # type: ignore[arg-type]
    lines = rename(format_timeline([make_on(info, 1, "/a", 0)]))
    assert lines[0] == "+0.0 ms  connection 1  opened by (no address)"
    assert lines[2] == "    curl http://shop.test:81/a -H User-Agent: -H Accept:"


@pytest.mark.parametrize("limit", [0, True, "3"])
def test_a_limit_that_cannot_be_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        format_timeline([], limit=limit)
    assert str(caught.value) == f"limit must be a whole number of at least 1, not {limit!r}"


def test_what_is_no_exchange_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        format_timeline([socket])  # type: ignore[list-item]
    assert str(caught.value) == ("expected an Exchange, for example server.journal[-1], not module")
