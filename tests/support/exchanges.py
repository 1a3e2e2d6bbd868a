"""Exchanges made by hand, as the engine would fill them in."""

from __future__ import annotations

import dataclasses

from kit.record import ConnectionInfo, Exchange, Journal


@dataclasses.dataclass
class Head:
    """Stands for a parsed request head."""

    method: str = "GET"
    target: str = "/user/bob"
    http_version: str = "1.1"
    raw_headers: list[tuple[bytes, bytes]] = dataclasses.field(
        default_factory=lambda: [(b"Host", b"shop.test:81")]
    )
    raw: bytes = b"GET /user/bob HTTP/1.1\r\nHost: shop.test:81\r\n\r\n"


@dataclasses.dataclass
class TakenBy:
    """Stands for the endpoint that took a request."""

    pattern: str = "/user/:name"
    name: str = "Users.show"
    is_match: bool = True


def make_connection(role: str = "server", *, tls_version: str | None = None) -> ConnectionInfo:
    local, peer = ("127.0.0.1", 8080), ("127.0.0.1", 50123)
    return ConnectionInfo(role, local, peer, tls_version=tls_version)


def make_exchange(
    method: str = "GET",
    target: str = "/user/bob",
    *,
    route: str | None = None,
    connection: ConnectionInfo | None = None,
) -> Exchange:
    """Make an exchange that has just arrived."""
    exchange = Exchange(connection or make_connection(), 1, Head(method, target))
    if route is not None:
        exchange.endpoint = TakenBy(route)
    return exchange


def answer(exchange: Exchange, status: int = 200, body: bytes = b"") -> Exchange:
    """Fill in a response, the times a fixed distance apart."""
    exchange.handler_started_at = exchange.received_at + 0.001
    exchange.handled_at = exchange.received_at + 0.002
    exchange.response_status = status
    exchange.response_head = b"HTTP/1.1 %d Fine\r\nContent-Length: %d\r\n\r\n" % (
        status,
        len(body),
    )
    exchange.response_content = body
    exchange.first_byte_at = exchange.received_at + 0.003
    exchange.done_at = exchange.received_at + 0.004
    return exchange


def record(journal: Journal, exchange: Exchange, status: int = 200, body: bytes = b"") -> Exchange:
    """Take an exchange through a journal from start to end."""
    journal.started(exchange)
    journal.complete(answer(exchange, status, body))
    return exchange
