"""The assertions as methods of a server."""

from __future__ import annotations

import ast
import inspect
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

import kit.testing
from kit import (
    ConfigurationError,
    HTTPClient,
    Request,
    Resource,
    Response,
    path_join_safe,
    websocket,
)
from kit import WebSocketOpCode as Op
from kit.testing import CheckedServer, canary_files
from kit.testing.asserting import AssertingServer
from support.authority import authority
from support.deadlines import scaled
from support.failures import fail
from support.modules import ROOT

Start = Callable[..., CheckedServer]

WAIT_S = 10.0
ON_FUNCTIONS = {"assert_route", "assert_no_route"}


@pytest.fixture
def start() -> Iterator[Start]:
    servers = []

    def run(*routes: Any, tls: bool = False) -> CheckedServer:
        context = authority().server_context() if tls else None
        server = CheckedServer(("127.0.0.1", 0), ssl_context=context)
        for route in routes:
            server.registerRoutes([route] if isinstance(route, tuple) else route)
        servers.append(server.start())
        return server

    yield run
    for server in servers:
        server.stop(grace_s=scaled(WAIT_S))


def hello(request: Request) -> Response:
    return Response("hello")


def ask(server: CheckedServer, path: str, data: bytes | None = None, **headers: str) -> None:
    request = urllib.request.Request(server.url_for(path), data, headers)
    context = authority().client_context() if server.is_tls else None
    with urllib.request.urlopen(request, timeout=scaled(WAIT_S), context=context) as response:
        response.read()


class Echo(Resource):
    @websocket("/echo")
    def echo(self, request: Request, opcode: Op, payload: str | bytes) -> None:
        if payload:
            request.send(payload)


def test_every_assertion_on_exchanges_is_a_method() -> None:
    functions = {name for name in kit.testing.__all__ if name.startswith("assert_")}
    assert {name for name in functions if not hasattr(AssertingServer, name)} == set()


@pytest.mark.parametrize(
    "name", sorted(name for name in kit.testing.__all__ if name.startswith("assert_"))
)
def test_a_method_takes_what_its_function_takes(name: str) -> None:
    function = list(inspect.signature(getattr(kit.testing, name)).parameters.values())[1:]
    method = inspect.signature(getattr(AssertingServer, name)).parameters
    # The server knows whom it trusts.
    wanted = [each for each in function if each.name not in {"cafile", "ssl_context"}]
    assert {each.name: each.default for each in wanted}.items() <= {
        each.name: each.default for each in method.values()
    }.items()


def test_readme_shows_a_call_of_each_method_that_can_be_made() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(assert_\w+)` \| `server\.(assert_\w+)(\(.*?\))`", text, re.MULTILINE)
    assert [name for name, called, _ in rows if name != called] == []
    every = {name for name in dir(AssertingServer) if name.startswith("assert_")}
    assert {name for name, _, _ in rows} == every
    for name, _, arguments in rows:
        call = ast.parse(f"{name}{arguments}", mode="eval").body
        assert isinstance(call, ast.Call)
        given = {str(each.arg): each.value for each in call.keywords}
        inspect.signature(getattr(AssertingServer, name)).bind(None, *call.args, **given)


@pytest.mark.parametrize(
    "name", sorted(name for name in kit.testing.__all__ if name.startswith("assert_"))
)
def test_a_method_says_itself_what_it_takes(name: str) -> None:
    method = getattr(AssertingServer, name)
    text = inspect.getdoc(method) or ""
    arguments = list(inspect.signature(method).parameters)[1:]
    assert [each for each in arguments if f"{each}:" not in text] == []


def test_one_exchange_is_found_by_its_route_path_url_or_a_function(start: Start) -> None:
    server = start(("POST", "/users/:id", hello), ("POST", "/x", hello))
    ask(server, "/users/7?a=b", b"one")
    ask(server, "/x", b"two")
    [first, _] = server.journal
    for which in (
        first,
        "POST /users/:id",
        "/users/7",
        "/users/7?a=b",
        server.url_for("/users/7?a=b"),
        lambda exchange: exchange.request_body == b"one",
    ):
        assert server.assert_body(which, text="one") is first


def test_where_none_fits_those_that_came_are_listed(start: Start) -> None:
    server = start(("GET", "/", hello))
    assert fail(server.assert_body, "POST /orders", text="x") == [
        "expected one exchange that matches POST /orders, got none; there was no exchange at all"
    ]
    ask(server, "/")
    assert fail(server.assert_body, "POST /orders", text="x") == [
        "expected one exchange that matches POST /orders, got none; there was 1 other exchange:",
        "  1 GET / -> 200",
    ]
    ask(server, "/?n=2")
    assert fail(server.assert_body, lambda _: False, text="x") == [
        "expected one exchange that the function takes, got none; there were 2 other exchanges:",
        "  1 GET / -> 200",
        "  2 GET /?n=2 -> 200",
    ]


def test_where_several_fit_the_one_must_be_given(start: Start) -> None:
    server = start(("GET", "/", hello))
    ask(server, "/")
    ask(server, "/?n=2")
    lines = [
        "expected one exchange, got 2: give the one that is meant, for example server.journal[-1]",
        "  1 GET / -> 200",
        "  2 GET /?n=2 -> 200",
    ]
    assert fail(server.assert_body, text="x") == lines
    lines[0] = lines[0].replace("exchange,", "exchange that matches GET /,")
    assert fail(server.assert_body, "GET /", text="x") == lines


def test_what_names_no_exchange_is_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start().assert_body(7, text="x")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "expected an exchange, or a route, path or URL as text, or a function, not 7"
    )


def test_header_fields_are_compared(start: Start) -> None:
    server = start(("GET", "/", hello))
    ask(server, "/", None, Number="7")
    server.assert_request_headers("GET /", [("Number", "7")], partial=True)
    lines = fail(server.assert_request_headers, "GET /", [("Number", "8")], partial=True)
    assert lines[0] == "the header fields of GET / are not those that were expected:"
    assert "  ✗ expected Number: 8, but field 4 is Number: 7" in lines


def test_the_responses_body_is_compared(start: Start) -> None:
    server = start(("GET", "/", hello))
    ask(server, "/")
    server.assert_body("GET /", text="hello", of="response")
    assert fail(server.assert_body, "GET /", text="bye", of="response")[0] == (
        "the response body of GET / is not the text that was expected:"
    )


def test_opcodes_are_compared_also_of_a_websocket_that_is_about_to_end(start: Start) -> None:
    server = start(Echo())
    with connect(server.ws_url_for("/echo")) as client:
        client.send("a")
        assert client.recv() == "a"
        server.assert_opcodes("GET /echo", [Op.Open, Op.Text, Op.Text])
    server.assert_opcodes("GET /echo", [Op.Open, Op.Text, Op.Text, Op.Close])
    lines = fail(server.assert_opcodes, "GET /echo", iter([Op.Open, Op.Binary]))
    assert lines[0] == "the websocket parts from what was expected at frame 1:"


def test_every_exchange_that_fits_went_over_tls(start: Start) -> None:
    server = start(("GET", "/", hello), tls=True)
    assert fail(server.assert_tls, version="TLSv1.3") == [
        "expected at least one exchange, got none; there was no exchange at all"
    ]
    ask(server, "/")
    ask(server, "/")
    assert len(server.assert_tls("GET /", version="TLSv1.3")) == 2
    assert fail(server.assert_tls, version="TLSv1.2") == [
        "GET / went over another TLS than expected:",
        "  ✗ version TLSv1.3, expected TLSv1.2",
    ]


def test_retries_and_connections_are_those_of_the_server(start: Start) -> None:
    server = start(("GET", "/", hello))
    with HTTPClient((server.host, server.port)) as client:
        for _ in range(3):
            client.get("/").wait(scaled(WAIT_S))
    assert len(server.assert_retries([(0, scaled(WAIT_S))] * 2, route="GET /")) == 2
    assert fail(server.assert_retries, [(0, scaled(WAIT_S))])[0] == (
        "expected 2 requests, 1 of them retries, got 3:"
    )
    server.assert_connections(opened=1, reused=2)


@pytest.mark.parametrize("tls", [False, True])
def test_files_that_are_guarded_leave_no_problem_behind(start: Start, tls: bool) -> None:
    with canary_files() as files:

        def serve(request: Request) -> Response:
            path = Path(path_join_safe(str(files.root), request.matches["name"]))
            return Response(path.read_bytes()) if path.is_file() else Response("no", 404)

        def guard(request: Request) -> Response:
            try:
                return serve(request)
            except ValueError:
                return Response("refused", 400)

        server = start(("GET", "/files/:name+", guard), tls=tls)
        server.assert_guarded("/files", canary=files, corpus=["../canary.txt", "a\r\nb", ".."])
        assert server.problems() == []
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(server, "/other")
        caught.value.close()
    assert [problem.kind for problem in server.problems()] == ["unmatched"]


def test_files_that_leak_are_told_with_the_path(start: Start) -> None:
    with canary_files() as files:

        def serve(request: Request) -> Response:
            path = Path(files.root, request.matches["name"])
            return Response(path.read_bytes()) if path.is_file() else Response("no", 404)

        server = start(("GET", "/files/:name+", serve))
        lines = fail(server.assert_guarded, "/files/{name}", canary=files, corpus=["../canary.txt"])
    assert lines[0].endswith("requests out, made from 1 hostile name:")
    assert lines[0].startswith(f"{server.url}/files/{{name}} lets ")


def test_a_handler_that_a_probe_upsets_is_a_problem(start: Start) -> None:
    def boom(request: Request) -> Response:
        raise ValueError(request.matches["name"])

    server = start(("GET", "/files/:name+", boom))
    server.assert_guarded("/files", canary=b"a secret of nobody", corpus=["x"])
    assert {problem.kind for problem in server.problems()} == {"handler-error"}


def test_a_guarded_path_is_one_of_the_server(start: Start) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start().assert_guarded("http://elsewhere.test/")
    assert str(caught.value) == (
        "path must be one of this server, such as \"/files\", not 'http://elsewhere.test/'"
    )
