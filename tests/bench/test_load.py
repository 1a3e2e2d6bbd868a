from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness import RunFailed
from bench.load import TLS, compile_load, parse_load, parse_wrk
from kit import (
    CertificateAuthority,
    HTTPServer,
    Request,
    Response,
    WebSocketOpCode,
    websocket,
)
from support.deadlines import scaled

WRK = """Running 1s test @ http://127.0.0.1:8080/users/ada
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.72ms    1.52ms  11.63ms   82.18%
    Req/Sec    27.31k     6.60k   39.42k    80.00%
  Latency Distribution
     50%  904.00us
     75%    2.63ms
     90%    4.01ms
     99%    1.11s
  27575 requests in 1.02s, 1.92MB read
Requests/sec:  26930.21
Transfer/sec:      1.87MB
"""


def test_the_report_of_wrk_is_read() -> None:
    assert parse_wrk(WRK) == {
        "value": 26930.21,
        "completed": 27575,
        "failures": 0,
        "p50_us": 904.0,
        "p99_us": 1_110_000.0,
    }


def test_few_failures_that_wrk_tells_are_counted() -> None:
    errors = "  Socket errors: connect 1, read 20, write 0, timeout 2\n"
    refused = "  Non-2xx or 3xx responses: 100\n"
    text = WRK.replace("Requests/sec", f"{errors}{refused}Requests/sec")
    assert parse_wrk(text)["failures"] == 123


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("unable to connect\n", "no report from wrk: 'unable to connect'"),
        (WRK.replace("27575 requests", "0 requests"), "nothing was completed"),
        (WRK.replace("99%", "98%"), "no 99% in the report of wrk"),
        (
            WRK.replace("Requests/sec", "  Non-2xx or 3xx responses: 27575\nRequests/sec"),
            "27575 failures beside 27575 completed exchanges",
        ),
    ],
)
def test_a_run_of_wrk_without_good_figures_counts_for_nothing(text: str, reason: str) -> None:
    with pytest.raises(RunFailed) as caught:
        parse_wrk(text)
    assert str(caught.value) == reason


def test_the_report_of_the_generator_is_read() -> None:
    found = parse_load('{"completed": 50, "seconds": 0.5, "failures": 0, "p50_us": 7.5}')
    assert found == {
        "value": 100.0,
        "completed": 50,
        "seconds": 0.5,
        "failures": 0,
        "p50_us": 7.5,
    }


def test_a_run_of_the_generator_with_many_failures_counts_for_nothing() -> None:
    with pytest.raises(RunFailed) as caught:
        parse_load('{"completed": 50, "seconds": 0.5, "failures": 1}')
    assert str(caught.value) == "1 failures beside 50 completed exchanges"


needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler, or not Linux"
)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    return compile_load(tmp_path_factory.mktemp("load"))


def generate(load: Path, mode: str, port: int, *options: str) -> dict[str, float]:
    limit = ("--seconds", str(scaled(20)))
    done = subprocess.run(
        [load, mode, "127.0.0.1", str(port), *limit, *options],
        capture_output=True,
        text=True,
        timeout=scaled(40),
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def echo(request: Request) -> Response:
    return Response(request.stream.read())


class Talk:
    """Counts what it is sent, and sends it back."""

    def __init__(self) -> None:
        self.payloads: list[str | bytes] = []

    def __call__(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode is WebSocketOpCode.Text:
            self.payloads.append(payload)
            request.send(payload)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/", lambda _: Response("a")), ("POST", "/echo", echo)])
        yield server


@needs_compiler
@pytest.mark.parametrize("options", [(), ("--close",)])
@pytest.mark.parametrize(("count", "connections"), [(3, 8), (50, 8)])
def test_the_generator_makes_as_many_requests_as_it_says(
    load: tuple[Path, bool],
    server: HTTPServer,
    options: tuple[str, ...],
    count: int,
    connections: int,
) -> None:
    shape = ("--count", str(count), "--connections", str(connections))
    found = generate(load[0], "http", server.port, *shape, *options)
    assert (found["completed"], found["failures"]) == (count, 0)
    assert len(server.journal) == count


@needs_compiler
def test_the_generator_sends_a_body_and_reads_all_of_the_answer(
    load: tuple[Path, bool], server: HTTPServer, tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * 1_000_000)
    options = ("--method", "POST", "--path", "/echo", "--body-file", str(body), "--count", "3")
    found = generate(load[0], "http", server.port, *options)
    assert found["completed"] == 3
    assert found["bytes_read"] > 3_000_000
    server.stop()  # the last exchange is complete only when it has been told
    assert [exchange.response_body_length for exchange in server.journal] == [1_000_000] * 3


@needs_compiler
@pytest.mark.parametrize("size", [16, 1000, 70_000])
def test_the_generator_counts_the_messages_that_came_back(
    load: tuple[Path, bool], server: HTTPServer, size: int
) -> None:
    talk = Talk()
    server.registerRoutes([("GET", "/ws", websocket("/ws")(talk))])
    options = ("--path", "/ws", "--count", "20", "--bytes", str(size))
    assert generate(load[0], "websocket", server.port, *options)["completed"] == 20
    assert talk.payloads == ["x" * size] * 20


@needs_compiler
def test_the_generator_speaks_tls(load: tuple[Path, bool]) -> None:
    path, has_tls = load
    if not has_tls:
        pytest.skip("no OpenSSL headers")
    context = CertificateAuthority().server_context()
    with HTTPServer(("127.0.0.1", 0), ssl_context=context) as server:
        server.registerRoutes([("GET", "/", lambda _: Response("a"))])
        found = generate(path, "http", server.port, "--tls", "--close", "--count", "5")
        assert found["completed"] == 5
        assert len(server.journal) == 5


@needs_compiler
@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("http", ()),
        ("http", ("--close",)),
        ("websocket", ("--bytes", "16")),
        ("websocket", ("--bytes", "70000")),
    ],
)
def test_the_constant_answer_serves_the_generator(
    load: tuple[Path, bool], mode: str, options: tuple[str, ...]
) -> None:
    command = [str(load[0]), "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        found = generate(load[0], mode, port, "--count", "30", "--connections", "3", *options)
        server.stdin.close()
        assert server.wait(scaled(10)) == 0
    assert (found["completed"], found["failures"]) == (30, 0)


@needs_compiler
def test_a_generator_without_tls_says_so(tmp_path: Path) -> None:
    target = tmp_path / "load"
    source = Path(__file__).with_name("load.c")
    subprocess.run(["cc", "-o", target, source], check=True)
    assert TLS == ("-DWITH_TLS",)
    done = subprocess.run(
        [target, "http", "127.0.0.1", "1", "--tls"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "load: compiled without TLS: failed\n")
