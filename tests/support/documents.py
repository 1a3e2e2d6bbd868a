"""HAR documents to look at: what the exporter writes, made by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

BEGIN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)

Json = dict[str, Any]


def write_time(offset_ms: float) -> str:
    at = BEGIN + dt.timedelta(milliseconds=offset_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_fields(**fields: str) -> list[Json]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in fields.items()]


def make_entry(
    method: str = "GET",
    path: str = "/",
    status: int = 200,
    *,
    at_ms: float = 0,
    took_ms: float = 2.5,
    page: str = "",
    body: str = "",
    sent: str = "",
    kit: Json | None = None,
    **more: Any,
) -> Json:
    entry: Json = {
        "startedDateTime": write_time(at_ms),
        "time": took_ms,
        "request": {
            "method": method,
            "url": f"https://localhost:4343{path}",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": write_fields(Host="localhost:4343", Accept="*/*"),
            "queryString": [],
            "headersSize": 60,
            "bodySize": len(sent),
        },
        "response": {
            "status": status,
            "statusText": {200: "OK", 201: "Created", 404: "Not Found"}.get(status, ""),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": write_fields(Content_Type="application/json"),
            "content": {"size": len(body), "mimeType": "application/json", "text": body},
            "redirectURL": "",
            "headersSize": 40,
            "bodySize": len(body),
        },
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": -1,
            "connect": -1,
            "ssl": -1,
            "send": took_ms * 0.1,
            "wait": took_ms * 0.7,
            "receive": took_ms * 0.2,
        },
        "connection": "1",
        "_kit": {
            "role": "server",
            "state": "complete",
            "ordinal": 1,
            "local": "127.0.0.1:4343",
            "peer": "127.0.0.1:50100",
            "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "sni": "localhost"},
            **(kit or {}),
        },
        **more,
    }
    if page:
        entry["pageref"] = page
    if sent:
        entry["request"]["postData"] = {"mimeType": "application/json", "text": sent}
    return entry


def make_page(name: str, outcome: str = "passed", **kit: Any) -> Json:
    return {
        "startedDateTime": write_time(0),
        "id": name,
        "title": name,
        "pageTimings": {},
        "_kit": {"outcome": outcome, "duration_s": 0.012, **kit},
    }


def make_document(entries: list[Json], pages: list[Json] | None = None, **kit: Any) -> Json:
    log: Json = {
        "version": "1.2",
        "creator": {"name": "wirekit", "version": "1"},
        "pages": pages or [],
        "entries": entries,
    }
    if kit:
        log["_kit"] = kit
    return {"log": log}


def make_messages(*messages: tuple[str, int, str], at_ms: float = 0) -> list[Json]:
    """Write websocket messages: "send" or "receive", opcode, data."""
    start = BEGIN.timestamp() + at_ms / 1000
    return [
        {"type": kind, "opcode": opcode, "data": data, "time": start + (at + 1) * 0.004}
        for at, (kind, opcode, data) in enumerate(messages)
    ]


TRACEBACK = """Traceback (most recent call last):
  File "shop/orders.py", line 41, in create
    order = catalogue[request.json()["sku"]]
            ~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^
KeyError: 'z9'
"""

NEAR_MISSES = """POST /orders with json {"sku": "a1"} nearly took it:
  ✓ method POST
  ✓ path /orders
  ✗ json: at qty: expected 2, got 3
"""

TESTS = [
    make_page("tests/test_users.py::test_a_user_is_shown"),
    make_page("tests/test_users.py::test_a_user_is_renamed"),
    make_page(
        "tests/test_orders.py::test_an_order_is_made",
        "failed",
        problems=["POST /orders matched nothing: 404"],
        failure="E       assert 404 == 201\n\ntests/test_orders.py:18: AssertionError",
        worker="gw0",
    ),
    make_page("tests/test_orders.py::test_an_unknown_article", "failed", worker="gw1"),
    make_page("tests/test_chat.py::test_the_guests_are_greeted", worker="gw1"),
    make_page("tests/test_flaky.py::test_a_reset_is_retried", "xfailed", worker="gw0"),
]


def make_run() -> Json:
    """Make the document of a run with something of everything."""
    user = '{"id":7,"name":"Ada","tags":["admin","beta"],"big":12345678901234567890,"on":true}'
    users, renamed, made, unknown, chat, flaky = (page["id"] for page in TESTS)
    orders = {"route": {"method": "POST", "pattern": "/orders", "handler": "Orders.create"}}
    entries = [
        make_entry(
            "GET",
            "/users/7?page=1",
            page=users,
            body=user,
            kit={
                "route": {"method": "GET", "pattern": "/users/:id", "handler": "Users.show"},
                "matches": {"id": "7"},
            },
        ),
        make_entry("PUT", "/users/7", 204, at_ms=4, took_ms=6, page=renamed, sent='{"name":"Eve"}'),
        make_entry("GET", "/users/7", 304, at_ms=11, took_ms=1.5, page=renamed),
        make_entry(
            "POST",
            "/orders",
            404,
            at_ms=14,
            took_ms=3,
            page=made,
            sent='{"sku":"a1","qty":3}',
            body='{"error":"no route or stub takes this"}',
            kit={"near_misses": NEAR_MISSES},
        ),
        make_entry(
            "POST",
            "/orders",
            500,
            at_ms=18,
            took_ms=9,
            page=unknown,
            sent='{"sku":"z9"}',
            kit={**orders, "exception": TRACEBACK},
        ),
        make_entry(
            "GET",
            "/chat",
            101,
            at_ms=20,
            took_ms=42,
            page=chat,
            _resourceType="websocket",
            _webSocketMessages=make_messages(
                ("send", 1, '{"say":"hello"}'),
                ("receive", 1, '{"from":"host","say":"welcome, ada"}'),
                ("receive", 9, ""),
                ("send", 10, ""),
                ("send", 2, "iVBORw0KGgo="),
                ("send", 8, "A+hieWU="),
                ("receive", 8, "A+g="),
                at_ms=20,
            ),
            kit={"route": {"method": "GET", "pattern": "/chat", "handler": "Chat.talk"}},
        ),
        make_entry(
            "GET",
            "/slow",
            0,
            at_ms=34,
            took_ms=16,
            page=flaky,
            kit={"state": "failed", "error": "reset after 10 bytes", "fault": "reset after 10 B"},
        ),
        make_entry("GET", "/slow", at_ms=52, took_ms=11, page=flaky),
    ]
    return make_document(entries, list(TESTS), dropped=3)
