from __future__ import annotations

import errno
import io
import threading
from collections.abc import Callable

import click
import pytest

import kit
from kit import HTTPServer, Request, Response
from kit.cli.log import QUEUE_SIZE, ExchangeLog, describe_exchange, format_exchange, name_route
from support.command_line import fetch
from support.deadlines import scaled
from support.exchanges import make_exchange


def answer(request: Request) -> Response:
    return Response("ok")


def ask(target: str, handler: Callable[[Request], Response] = answer) -> kit.Exchange:
    """Give the exchange of one request to a route, /a/:b, or a stub, /stub."""
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/a/:b", handler)])
        server.expect("GET", "/stub").respond("stub")
        fetch(server.url + target)
        (exchange,) = server.wait_for(timeout=scaled(30), state="complete")
    return exchange


def words(line: str) -> list[str]:
    return [word for word in click.unstyle(line).split("  ")[1:] if not word.endswith(" ms")]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/a/1?x=2", ["GET /a/1?x=2", "200", "/a/:b"]),
        ("/stub", ["GET /stub", "200", "stub 1: GET /stub"]),
        ("/none", ["GET /none", "404", "no route"]),
    ],
)
def test_an_exchange_is_told_in_a_line(target: str, told: list[str]) -> None:
    line = format_exchange(ask(target))
    assert words(line) == told
    assert " ms  " in line


def test_a_handler_that_raised_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Request) -> Response:
        raise ValueError("a\x1b[31mb")

    exchange = ask("/a/1", fail)
    assert words(format_exchange(exchange)) == [
        "GET /a/1",
        "500",
        r"raised ValueError('a\x1b[31mb')",
        "/a/:b",
    ]
    assert describe_exchange(exchange)["exception"] == r"ValueError('a\x1b[31mb')"


def test_a_function_is_told_by_its_route_and_a_stub_by_its_name() -> None:
    assert name_route(ask("/a/1")) == "/a/:b"
    assert name_route(ask("/stub")) == "stub 1: GET /stub"
    assert name_route(ask("/none")) is None


@pytest.mark.parametrize("is_json", [False, True])
def test_secrets_are_taken_out_of_targets_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], is_json: bool
) -> None:
    log = ExchangeLog(is_json=is_json, redaction=kit.Redaction())
    log.start()
    log.complete(ask("/a/1?token=abcdefgh1234"))
    log.close()
    out = capsys.readouterr().out
    assert "/a/1?token=REDACTED" in out
    assert "abcdefgh1234" not in out


def test_a_log_that_was_never_started_can_be_closed() -> None:
    ExchangeLog().close()


def test_what_comes_too_fast_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    exchange = ask("/a/1")
    log = ExchangeLog()
    for _ in range(QUEUE_SIZE + 7):
        log.complete(exchange)
    log.start()
    log.close()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == QUEUE_SIZE + 1
    assert lines.count("(7 lines left out, as they came too fast)") == 1


def test_what_comes_too_fast_is_counted_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    exchange = ask("/a/1")
    log = ExchangeLog(is_json=True)
    for _ in range(QUEUE_SIZE + 1):
        log.complete(exchange)
    log.start()
    log.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "dropped" in line] == ['{"event": "dropped", "lines": 1}']


def test_a_request_that_was_never_answered_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    exchange = make_exchange("POST", "/orders")
    exchange.error, exchange.done_at = "the peer\x1b left", exchange.received_at + 0.25
    log = ExchangeLog()
    log.start()
    log.failed(exchange, exchange.error)
    log.close()
    told = click.unstyle(capsys.readouterr().out).rstrip().split("  ")[1:]
    assert told == ["POST /orders", "---", "250.0 ms", r"failed: the peer\x1b left", "no route"]


class Gone(io.StringIO):
    """An output whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_nobody_waits_for_an_output_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Gone())
    exchange = ask("/a/1")
    log = ExchangeLog(is_json=True)
    log.start()
    log.complete(exchange)
    assert log.broken.wait(scaled(30))
    for _ in range(QUEUE_SIZE * 2):
        log.complete(exchange)
    log.close()
    assert not [one for one in threading.enumerate() if one.name == "kit-log"]
