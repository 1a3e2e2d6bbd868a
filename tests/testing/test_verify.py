"""What a `CheckedServer` finds wrong, told in words; and what it lets pass."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit import (
    ConfigurationError,
    ConnectionClosedError,
    Exchange,
    HTTPClient,
    Limits,
    Request,
    Response,
    WaitTimeoutError,
    faults,
)
from kit.clock import monotonic
from kit.faults import Fault
from kit.routing.endpoint import Miss
from kit.testing import Allowances, CheckedServer, Problem, VerificationError, format_problems
from support.deadlines import scaled
from support.exchanges import make_exchange, record
from support.failures import fail, hide_numbers

Start = Callable[..., CheckedServer]

WAIT_S = 10.0


@pytest.fixture
def start() -> Iterator[Start]:
    servers = []

    def run(*routes: Any, **options: Any) -> CheckedServer:
        server = CheckedServer(("127.0.0.1", 0), **options)
        server.registerRoutes(list(routes))
        servers.append(server.start())
        return server

    yield run
    for server in servers:
        server.stop(grace_s=scaled(WAIT_S))


def boom(request: Request) -> Response:
    raise ValueError("no such luck")


def hello(request: Request) -> Response:
    return Response("hello")


def talk(server: CheckedServer, data: bytes) -> bytes:
    """Send bytes, and read until the server closes."""
    with socket.create_connection(server.addr, scaled(WAIT_S)) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while piece := client.recv(65536):
            received += piece
    return received


def ask(server: CheckedServer, method: str, target: str) -> bytes:
    return talk(server, f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


def find_kinds(server: CheckedServer) -> list[str]:
    return [problem.kind for problem in server.problems()]


def test_a_handlers_exception_is_the_cause(start: Start) -> None:
    server = start(("GET", "/boom", boom))
    ask(server, "GET", "/boom")
    with pytest.raises(VerificationError) as caught:
        server.verify()
    cause = caught.value.__cause__
    assert isinstance(cause, ValueError)
    assert cause.__traceback__ is not None
    lines = hide_numbers(str(caught.value).splitlines())
    assert lines[:3] == [
        "1 problem on http://HOST:",
        "1 handler error: GET /boom -> 500",
        "    boom raised ValueError: no such luck",
    ]
    assert lines[3].startswith("    at ")
    assert lines[3].endswith(" in boom")
    assert lines[4] == "where that is meant to happen: server.allow(handler_errors=True)"
    [problem] = caught.value.problems
    assert (problem.kind, problem.cause) == ("handler-error", cause)
    assert problem.exchange is server.journal[0]


def test_an_unmatched_request_is_told_with_the_nearest_routes(start: Start) -> None:
    server = start(("GET", "/hello", hello))
    ask(server, "GET", "/hallo")
    assert hide_numbers(fail(server.verify)) == [
        "1 problem on http://HOST:",
        "1 unmatched: GET /hallo -> 404",
        "    no route matches GET /hallo; the nearest are",
        "",
        "    GET /hello -> hello",
        "      ✓ method GET",
        '      ✗ component 1 is "hallo", not "hello"',
        "where that is meant to happen: server.allow(unmatched=True)",
    ]


def test_where_no_route_is_registered_that_is_told(start: Start) -> None:
    server = start()
    ask(server, "GET", "/nowhere")
    [problem] = server.problems()
    assert str(problem) == (
        "unmatched: GET /nowhere -> 404\nno route matches GET /nowhere: none is registered"
    )


def test_where_nothing_was_answered_the_routes_are_asked(start: Start) -> None:
    server = start()
    exchange = make_exchange(target="/nowhere")
    exchange.endpoint = Miss("GET", 404, lambda _: "")
    record(server.journal, exchange, 404)
    [problem] = server.problems()
    assert str(problem) == "unmatched: GET /nowhere -> 404\nno route is registered"


def test_a_method_that_the_path_does_not_have_is_told(start: Start) -> None:
    server = start(("POST", "/hello", hello))
    ask(server, "HEAD", "/hello")
    assert hide_numbers(fail(server.verify))[1:] == [
        "1 unmatched: HEAD /hello -> 405",
        "    POST /hello -> hello",
        "      ✗ method HEAD, the route takes POST",
        '      ✓ component 1 is "hello"',
        "where that is meant to happen: server.allow(unmatched=True)",
    ]


def test_the_nearest_stub_is_told_where_the_answer_has_no_body(start: Start) -> None:
    server = start(("POST", "/hello", hello))
    stub = server.expect("GET", "/helo").respond("x").optional()
    ask(server, "HEAD", "/helo")
    told = fail(server.verify)[1:]
    assert told[0] == "1 unmatched: HEAD /helo -> 404"
    assert f"    {stub}" in told
    assert "    POST /hello -> hello" in told


def test_responses_that_do_not_end_are_waited_for_together(start: Start) -> None:
    count = 20
    server = start(("GET", "/much", lambda _: Response(bytes(8_000_000))))
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(server.addr, scaled(WAIT_S)))
            client.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_for("/much", count=count, state="responding", timeout=scaled(WAIT_S))
        began = monotonic()
        server.lint()
        assert monotonic() - began < count / 2  # a second for each would be twice as long
        assert not any(exchange.is_done for exchange in server.journal)


def test_options_of_a_path_that_has_routes_is_no_problem(start: Start) -> None:
    server = start(("GET", "/hello", hello))
    assert ask(server, "OPTIONS", "/hello").startswith(b"HTTP/1.1 204")
    assert server.problems() == []


def test_what_a_handler_answers_is_no_problem(start: Start) -> None:
    server = start(("GET", "/gone", lambda request: Response("gone", 410)))
    ask(server, "GET", "/gone")
    server.verify()


def test_a_request_that_does_not_parse_is_told_with_its_beginning(start: Start) -> None:
    server = start()
    talk(server, b"NONSENSE\r\n\r\n")
    lines = fail(server.verify)
    assert lines[1].startswith("1 malformed: a request that does not parse -> 400, failed: ")
    assert lines[2:] == [
        r"    it began b'NONSENSE\r\n\r\n'",
        "where that is meant to happen: server.allow(malformed=True)",
    ]


def test_what_a_limit_refuses_is_no_problem(start: Start) -> None:
    server = start(("GET", "/hello", hello), limits=Limits(target_bytes=20))
    assert ask(server, "GET", "/" + 50 * "a").startswith(b"HTTP/1.1 414")
    assert server.problems() == []


def test_a_stub_left_over_is_told_with_the_nearest_request(start: Start) -> None:
    server = start()
    server.expect("GET", "/expected").respond("a")
    ask(server, "GET", "/expectet")
    assert find_kinds(server) == ["unmatched", "stub-unused"]
    text = "\n".join(fail(server.verify))
    assert "was never used, expected at least 1 request" in text
    assert "nearest: GET /expectet" in text
    assert text.endswith("server.allow(unmatched=True, unused_stubs=True)")


def test_a_fault_that_no_request_could_have_is_told(start: Start) -> None:
    server = start(("GET", "/hello", hello))
    rule = server.fault(faults.Reset(), "GET", "/helo")
    server.fault(faults.Delay(0), "GET", "/hello", nth=5)
    ask(server, "GET", "/hello")
    assert find_kinds(server) == ["fault-unused"]
    assert fail(server.verify)[1:] == [
        (
            f"1 fault Reset() for GET /helo ({rule.ordered_at}) was never used: no request came "
            "that could have it"
        ),
        "where that is meant to happen: server.allow(unused_stubs=True)",
    ]
    server.clear_faults()
    assert server.problems() == []


def test_a_fault_that_was_removed_is_no_problem(start: Start) -> None:
    server = start()
    server.fault(faults.Reset()).remove()
    assert server.problems() == []


def test_a_fault_for_any_request_is_told_as_such(start: Start) -> None:
    server = start()
    rule = server.fault(faults.Reset())
    assert rule.ordered_at.startswith("test_verify.py:")
    assert [problem.text for problem in server.problems()] == [
        (
            f"fault Reset() for any method any path ({rule.ordered_at}) was never used: no "
            "request came that could have it"
        )
    ]
    server.allow(unused_stubs=True)
    assert server.problems() == []


def test_what_verify_has_raised_with_is_kept(start: Start) -> None:
    server = start()
    assert server.told == []
    ask(server, "GET", "/nope")
    fail(server.verify)
    assert [problem.kind for problem in server.told] == ["unmatched"]


def test_a_stub_that_another_hides_is_told(start: Start) -> None:
    server = start()
    server.expect("GET", "/:any").respond("a")
    server.expect("GET", "/hello").respond("b")
    ask(server, "GET", "/hello")
    assert find_kinds(server) == ["stub-hidden"]
    assert "can never be used" in str(server.problems()[0])


def test_a_cleared_journal_hides_nothing(start: Start) -> None:
    server = start(("GET", "/boom", boom))
    ask(server, "GET", "/boom")
    server.journal.wait_for("/boom", state="complete", timeout=scaled(WAIT_S))
    server.journal.clear()
    assert find_kinds(server) == ["handler-error"]


def test_problems_are_in_order_of_arrival(start: Start) -> None:
    server = start(("GET", "/boom", boom))
    for path in ("/a", "/boom", "/b"):
        ask(server, "GET", path)
    exchanges = [problem.exchange for problem in server.problems()]
    assert [one.path for one in exchanges if one is not None] == ["/a", "/boom", "/b"]


@pytest.mark.parametrize(
    ("allowed", "left"),
    [
        ({"unmatched": True}, ["handler-error", "stub-unused"]),
        ({"handler_errors": True}, ["unmatched", "stub-unused"]),
        ({"unused_stubs": True}, ["handler-error", "unmatched"]),
        ({"handler_errors": True, "unmatched": True, "unused_stubs": True}, []),
    ],
)
def test_what_is_allowed_is_no_problem(
    start: Start, allowed: dict[str, Any], left: list[str]
) -> None:
    for server in (start(("GET", "/boom", boom)), start(("GET", "/boom", boom))):
        server.expect("GET", "/never").respond("a")
        ask(server, "GET", "/boom")
        ask(server, "GET", "/nope")
        assert len(server.problems()) == 3
        server.allow(**allowed)
        assert find_kinds(server) == left


def test_an_allowance_that_is_no_truth_value_is_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start().allow(unmatched=1)  # type: ignore[arg-type]
    assert str(caught.value) == "unmatched must be True or False, not 1"
    with pytest.raises(ConfigurationError):
        Allowances(malformed="yes")  # type: ignore[arg-type]


def open_websocket(server: CheckedServer) -> socket.socket:
    client = socket.create_connection(server.addr, scaled(WAIT_S))
    client.sendall(
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return client


def await_end(server: CheckedServer) -> None:
    server.wait_for(lambda one: one.is_done, timeout=scaled(WAIT_S))


class Websocket:
    """A websocket's handler that does what the payload of a message says."""

    def __call__(self, request: Request, opcode: int, payload: str) -> None:
        if payload == "boom":
            raise ValueError("no such luck")
        if payload == "close":
            request.close(1011, "on purpose")
        if payload == "lost":
            raise ConnectionClosedError("nobody there")
        if payload == "wrapped":
            raise RuntimeError("the game is over") from ConnectionResetError("nobody there")
        if payload == "late":
            raise WaitTimeoutError("nobody said a word")


def serve_websocket(start: Start) -> CheckedServer:
    from kit import Resource, websocket

    act = Websocket()

    class Acting(Resource):
        @websocket("/ws")
        def act(self, request: Request, opcode: int, payload: str) -> None:
            act(request, opcode, payload)

    server = start()
    server.registerRoutes(Acting())
    return server


def make_frame(opcode: int, payload: bytes) -> bytes:
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


CLOSE_1000 = make_frame(8, (1000).to_bytes(2))


@pytest.mark.parametrize(
    ("frames", "kinds", "text"),
    [
        (CLOSE_1000, [], ""),
        (make_frame(8, b""), [], ""),
        (b"", ["websocket-unclean"], "websocket: GET /ws"),
        (b"", ["websocket-unclean"], "\nit carried no frame"),
        (
            make_frame(8, (1011).to_bytes(2) + b"mine"),
            ["websocket-unclean"],
            "the client closed it with 1011: mine",
        ),
        (make_frame(1, b"\xff"), ["websocket-unclean"], "1007"),
        (make_frame(3, b""), ["websocket-unclean"], "1002"),
        (make_frame(1, b"boom") + CLOSE_1000, ["handler-error"], "raised ValueError"),
    ],
)
def test_a_websocket_that_ends_uncleanly_is_told(
    start: Start, frames: bytes, kinds: list[str], text: str
) -> None:
    server = serve_websocket(start)
    with open_websocket(server) as client:
        client.sendall(frames)
        client.shutdown(socket.SHUT_WR)
        await_end(server)
    assert find_kinds(server) == kinds
    assert text in "".join(map(str, server.problems()))


def test_a_close_that_the_handler_chose_is_no_problem(start: Start) -> None:
    server = serve_websocket(start)
    with open_websocket(server) as client:
        client.sendall(make_frame(1, b"close"))
        assert client.recv(100)[2:4] == (1011).to_bytes(2)
        client.sendall(make_frame(8, (1011).to_bytes(2)))
        await_end(server)
    assert server.problems() == []


def test_a_websocket_that_the_stop_of_the_server_ends_is_no_problem(start: Start) -> None:
    server = serve_websocket(start)
    with open_websocket(server):
        server.stop(grace_s=0.05)
    assert server.problems() == []


def test_phases_tell_whose_request_it_was(start: Start) -> None:
    server = start()
    ask(server, "GET", "/before")
    server.begin_phase("test_one")
    server.begin_phase("test_two")
    ask(server, "GET", "/nope")
    first, second = server.problems()
    assert str(first).startswith("unmatched: GET /before")
    assert str(second).startswith("in test_two: unmatched: GET /nope -> 404")


def test_the_problems_of_the_present_phase_are_asked_for_by_its_start(start: Start) -> None:
    server = start(strict=True)
    server.expect("GET", "/never").respond("x")
    assert server.find_phase_start("test_one") is None
    server.begin_phase("test_one")
    ask(server, "GET", "/one")
    server.begin_phase("test_two")
    talk(server, b"GET /two HTTP/1.0\r\n\r\n")
    since = server.find_phase_start("test_two")
    assert server.find_phase_start("test_one") is None
    assert [each.path for each in server.list_since(since)] == ["/two"]
    assert [each.path for each in server.list_since(None)] == ["/one", "/two"]
    found = server.problems(since=since)
    assert [problem.kind for problem in found] == ["unmatched", "lint:http-1.0"]
    assert str(found[0]).startswith("unmatched: GET /two -> 404")
    server.journal.clear()
    assert [problem.kind for problem in server.problems(since=since)] == [
        "unmatched",
        "lint:http-1.0",
    ]


def test_known_problems_are_left_out_and_the_text_tells_of_the_others(start: Start) -> None:
    server = start(("GET", "/hello", hello), strict=True)
    for _ in range(2):
        talk(server, b"GET /hello HTTP/1.0\r\n\r\n")
    ask(server, "GET", "/nope")
    server.expect("GET", "/never").respond("x")
    first, second, _ = server.journal
    (note,) = [each for each in server.problems() if each.kind == "lint:http-1.0"]
    assert (note.exchange, note.others) == (first, (second,))
    asked = []

    def is_known(exchange: Exchange, kind: str) -> bool:
        asked.append((exchange.path, kind))
        return exchange is first or kind == "unmatched"

    assert [problem.kind for problem in server.problems(is_known=is_known)] == [
        "stub-unused",
        "lint:http-1.0",
    ]
    assert ("/nope", "unmatched") in asked
    assert ("/hello", "lint:http-1.0") in asked
    (left,) = [each for each in server.problems(is_known=is_known) if each.exchange is not None]
    assert (left.exchange, left.others) == (second, ())
    assert str(left).count("GET /hello") == 1


def test_clients_of_two_phases_are_not_compared(start: Start) -> None:
    server = start(("GET", "/hello", hello))
    for name in ("test_one", "test_two"):
        server.begin_phase(name)
        ask(server, "GET", "/hello")
    server.wait_for("/hello", count=2, state="complete", timeout=scaled(WAIT_S))
    assert server.lint() == []
    ask(server, "GET", "/hello")
    (note,) = server.lint()
    assert (note.name, len(note.exchanges)) == ("new-connection", 1)
    assert server.lint(since=server.find_phase_start("test_two")) == [note]


def test_many_problems_are_counted() -> None:
    problems = [Problem("unmatched", f"unmatched: {number}") for number in range(25)]
    lines = format_problems("http://a", problems).splitlines()
    assert lines[0] == "25 problems on http://a:"
    assert lines[20:] == [
        "20 unmatched: 19",
        "and 5 more",
        "where that is meant to happen: server.allow(unmatched=True)",
    ]
    long = format_problems("http://a", [Problem("unmatched", "a\n" * 100)]).splitlines()
    assert len(long) == 64
    assert long[-2] == "    (39 lines left out)"


def test_the_assertions_are_methods(start: Start) -> None:
    server = start(("GET", "/hello/:name", hello))
    with HTTPClient(server.addr) as client:
        client.get("/hello/ada").wait(scaled(WAIT_S))
    assert server.assert_route("GET", "/hello/bob") == {"name": "bob"}
    server.assert_no_route("GET", "/nope")
    server.assert_exchanges(["GET /hello/:name"])
    server.assert_count(1, status=200)
    server.assert_no_unexpected()
    server.assert_connections(opened=1, reused=0)
    failing: list[tuple[Callable[..., object], tuple[Any, ...]]] = [
        (server.assert_route, ("GET", "/nope")),
        (server.assert_no_route, ("GET", "/hello/a")),
        (server.assert_exchanges, ([],)),
        (server.assert_count, (2,)),
    ]
    for assertion, arguments in failing:
        with pytest.raises(AssertionError):
            assertion(*arguments)
    with pytest.raises(AssertionError):
        server.assert_connections(opened=2)


# Faults


HARMLESS = [
    faults.Delay(0.001),
    faults.UniformDelay(0, 0.001),
    faults.LogNormalDelay(0.001),
    faults.ChunkDelay(0.001),
    faults.Dribble(1000, 0.001),
]


def ask_and_wait(server: CheckedServer, method: str, target: str) -> None:
    with contextlib.suppress(OSError):
        ask(server, method, target)
    server.wait_for(lambda each: each.is_done, timeout=scaled(WAIT_S))


@pytest.mark.parametrize(
    "fault", [*HARMLESS, faults.Truncate(10), faults.Reset(), faults.Garbage()], ids=repr
)
def test_no_fault_excuses_a_handlers_exception(start: Start, fault: Fault) -> None:
    server = start(("GET", "/boom", boom))
    server.fault(fault)
    ask_and_wait(server, "GET", "/boom")

    assert find_kinds(server) == ["handler-error"]


@pytest.mark.parametrize("fault", [*HARMLESS, faults.Truncate(10), faults.Reset()], ids=repr)
def test_no_fault_excuses_a_request_that_nothing_takes(start: Start, fault: Fault) -> None:
    server = start(("GET", "/hello", hello))
    server.fault(fault)
    ask_and_wait(server, "GET", "/nowhere")

    assert find_kinds(server) == ["unmatched"]


def test_no_fault_excuses_a_connection_error_of_a_handler_that_has_no_websocket(
    start: Start,
) -> None:
    def lose(request: Request) -> Response:
        raise ConnectionResetError("the database is gone")

    server = start(("GET", "/lost", lose))
    server.fault(faults.Truncate(10))
    ask_and_wait(server, "GET", "/lost")

    assert find_kinds(server) == ["handler-error"]


def test_a_fault_that_answers_by_itself_needs_no_route(start: Start) -> None:
    server = start()
    server.fault(faults.EarlyResponse(503))
    ask_and_wait(server, "GET", "/nowhere")

    assert find_kinds(server) == []


@pytest.mark.parametrize("fault", HARMLESS, ids=repr)
def test_what_only_takes_time_excuses_no_unclean_websocket(start: Start, fault: Fault) -> None:
    server = serve_websocket(start)
    server.fault(fault)
    with open_websocket(server) as client:
        client.sendall(b"\x81\x05hello")
        await_end(server)

    assert find_kinds(server) == ["websocket-unclean"]
    assert [note.name for note in server.lint()] == ["unmasked-frame"]


def test_a_fault_that_did_not_take_place_excuses_nothing(start: Start) -> None:
    server = serve_websocket(start)
    server.fault(faults.ResetMidMessage(7))
    with open_websocket(server) as client:
        client.shutdown(socket.SHUT_WR)
        await_end(server)

    assert find_kinds(server) == ["websocket-unclean"]
    assert [note.name for note in server.lint()] == ["no-close-frame"]


@pytest.mark.parametrize(
    ("message", "kinds"),
    [(b"lost", []), (b"wrapped", []), (b"late", []), (b"boom", ["handler-error"])],
)
def test_a_fault_excuses_the_connection_error_that_a_handler_had_of_it(
    start: Start, message: bytes, kinds: list[str]
) -> None:
    server = serve_websocket(start)
    server.fault(faults.CloseWithoutFrame())
    with open_websocket(server) as client:
        client.sendall(make_frame(1, message))
        assert client.recv(100) == b""
    await_end(server)

    assert str(server.journal[0].fault) == "closed without a Close frame after message 1"
    assert server.journal[0].exception is not None
    assert find_kinds(server) == kinds


@pytest.mark.parametrize("message", [b"lost", b"wrapped", b"late"])
def test_without_a_fault_the_same_errors_are_problems(start: Start, message: bytes) -> None:
    server = serve_websocket(start)
    with open_websocket(server) as client:
        client.sendall(make_frame(1, message))
        assert client.recv(100)[2:4] == (1011).to_bytes(2)
        client.sendall(make_frame(8, (1011).to_bytes(2)))
        await_end(server)

    assert find_kinds(server) == ["handler-error"]
