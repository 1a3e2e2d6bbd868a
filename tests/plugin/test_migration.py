"""README's tables for those who come from other plugins: both columns do the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from support.modules import ROOT

RunTests = Callable[..., pytest.RunResult]


class Row(NamedTuple):
    """A row of a table, and what is asked of the servers of both columns.

    `value` is an expression of `it`, the server of the column, that comes out the same
    in both; `is_old_run` tells whether the left column is code that runs as it is.
    """

    old: str
    new: str
    requests: Sequence[tuple[str, str, dict[str, str], str | None]] = ()
    value: str = "None"
    setup: bool = False
    is_old_run: bool = True


GET: tuple[str, str, dict[str, str], str | None] = ("GET", "/a", {}, None)

HTTPSERVER = [
    Row(
        '`httpserver.expect_request("/a").respond_with_json({"b": 1})`',
        '`server.expect(..., "/a").respond_json({"b": 1})`',
        [GET, ("PUT", "/a?c=1", {"X-A": "1"}, "d")],
    ),
    Row(
        '`httpserver.expect_request("/a", method="GET").respond_with_data("b", 201)`',
        '`server.expect("GET", "/a").respond("b", 201)`',
        [GET],
    ),
    Row(
        '`httpserver.expect_request("/a").respond_with_data("b", content_type="text/css")`',
        '`server.expect(..., "/a").respond("b", headers={"Content-Type": "text/css"})`',
        [GET],
        value="answers[0][3].partition(';')[0]",
    ),
    Row(
        '`expect_request("/a", query_string={"b": "c"})`',
        '`server.expect("GET", "/a", query={"b": "c"}).respond("d")`',
        [("GET", "/a?b=c", {}, None)],
    ),
    Row(
        '`expect_request("/a", headers={"X-B": "c"})`',
        '`server.expect("GET", "/a", headers={"X-B": "c"}).respond("d")`',
        [("GET", "/a", {"X-B": "c"}, None)],
    ),
    Row(
        '`expect_request("/a", method="POST", json={"b": 1})`',
        '`server.expect("POST", "/a", json={"b": 1}).respond("d")`',
        [("POST", "/a", {"Content-Type": "application/json"}, '{"b":1}')],
    ),
    Row(
        '`expect_request("/a", method="POST", data="b")`',
        '`server.expect("POST", "/a", body="b").respond("d")`',
        [("POST", "/a", {"Content-Type": "text/plain"}, "b")],
    ),
    Row(
        '`expect_request(re.compile("^/a/"))`',
        '`server.expect(..., "/a/:rest+").respond("d")`',
        [("GET", "/a/b/c", {}, None)],
    ),
    Row(
        '`httpserver.expect_request("/a").respond_with_response(Response("b"))`',
        '`server.expect(..., "/a").respond_with(Response("b"))`',
        [GET],
    ),
    Row(
        '`httpserver.expect_request("/a").respond_with_handler(answer)`',
        '`server.expect(..., "/a").handle(answer)`',
        [("POST", "/a", {"Content-Type": "text/plain"}, "b")],
    ),
    Row(
        '`httpserver.expect_oneshot_request("/a").respond_with_data("b")`',
        '`server.expect(..., "/a").times(1).respond("b")`',
        [GET],
    ),
    Row(
        (
            '`httpserver.expect_ordered_request("/a").respond_with_data("b")`, then '
            '`httpserver.expect_ordered_request("/c").respond_with_data("d")`'
        ),
        (
            '`with server.in_order(): server.expect(..., "/a").respond("b"); server.expect(..., '
            '"/c").respond("d")`'
        ),
        [GET, ("GET", "/c", {}, None)],
    ),
    Row(
        '`request.args["n"]`, `request.headers["X-B"]`',
        '`request.params["n"][0]`, `request.headers.text("X-B")`',
        value='[eval(each, seen) for each in seen["spans"]]',
    ),
    Row(
        "`request.get_json()`, `request.get_data()`",
        "`request.json()`, `request.body`",
        value='[eval(each, seen) for each in seen["spans"]]',
    ),
    Row(
        '`request.form["b"]`',
        '`request.form()["b"][0]`',
        value='[eval(each, seen) for each in seen["spans"]]',
    ),
    Row(
        '`httpserver.url_for("/a")`, `httpserver.host`, `httpserver.port`',
        '`server.url_for("/a")`, `server.host`, `server.port`',
        value='it.url_for("/a") == f"http://{name}:{it.port}/a"',
    ),
    Row(
        "`request, response = httpserver.log[0]`",
        (
            '`[exchange] = server.wait_for("GET /a", state="complete")`, or `exchange = '
            "server.journal[0]`"
        ),
        value='(seen["request"] if "request" in seen else seen["exchange"]).path',
        setup=True,
    ),
    Row(
        '`httpserver.assert_request_made(RequestMatcher("/a"), count=1)`',
        '`server.assert_count(1, path="/a")`',
        setup=True,
    ),
    Row(
        '`found = list(httpserver.iter_matching_requests(RequestMatcher("/a")))`',
        '`found = server.journal.filter(path="/a")`',
        value='len(seen["found"])',
        setup=True,
    ),
    Row(
        "`httpserver.check()`",
        "by itself, at the end of every test; `server.verify()` before it",
        setup=True,
    ),
    Row(
        "`with pytest.raises(AssertionError): httpserver.check()`",
        "`with pytest.raises(VerificationError): server.verify()`",
        is_old_run=False,
    ),
    Row(
        "`httpserver.no_handler_status_code = 404`",
        'a last stub, `server.expect(..., "/:path*").optional().respond("", 404)`',
        is_old_run=False,
    ),
    Row(
        "`httpserver.clear()`",
        "every test has a new server; `server.stubs.clear()`, `server.journal.clear()`",
        value='len(it.log if hasattr(it, "log") else it.journal)',
        setup=True,
    ),
    Row(
        "`with httpserver.wait() as waiting: start()`",
        '`start()`, `server.wait_for("GET /a")`',
        is_old_run=False,
    ),
    Row(
        "`post_hooks.Delay(0.5)`",
        '`server.expect("GET", "/a").delay(0.5).respond("b")`',
        [GET],
        is_old_run=False,
    ),
    Row(
        "`post_hooks.Garbage(1, 1)`",
        '`server.expect("GET", "/a").respond("?b?")`',
        [GET],
        is_old_run=False,
    ),
    Row(
        "`BlockingHTTPServer`",
        '`gate = server.hold("GET", "/a")`, `start()`, `gate.wait_for(1)`, `gate.release()`',
        is_old_run=False,
    ),
    Row(
        "fixture `httpserver_ssl_context`",
        "fixture `kit_server`, and `kit_ca.client_context()` for the client",
        is_old_run=False,
    ),
    Row(
        "fixture `httpserver_listen_address`",
        '`kit_server_factory(host="127.0.0.1")`, or `--kit-host`',
        is_old_run=False,
    ),
]

LOCALSERVER = [
    Row(
        '`httpserver.serve_content("b", 201, {"X-C": "d"})`',
        '`server.expect(..., "/:path*").respond("b", 201, {"X-C": "d"})`',
        [GET, ("POST", "/x/y?z=1", {}, "e")],
        value="answers[0][2]",
    ),
    Row(
        '`httpserver.serve_content(["b", "c"], chunked=Chunked.YES)`',
        '`server.expect(..., "/:path*").handle(lambda request: Response(["b", "c"]))`',
        [GET],
        is_old_run=False,  # it is framed as HTTP/1.1 has it, in a response of HTTP/1.0
    ),
    Row("`httpserver.url`", "`server.url`", value='it.url == f"http://{name}:{port}"'),
    Row(
        "`request = httpserver.requests[0]`",
        "`exchange = server.journal[0]`",
        value='(seen["request"] if "request" in seen else seen["exchange"]).path',
        setup=True,
    ),
    Row(
        "fixture `httpsserver`",
        "fixture `kit_server`, and `kit_ca.client_context()` for the client",
        is_old_run=False,
    ),
]

COMMON = '''
import json, re, threading, urllib.error
from kit.testing import VerificationError

def ask(url, method="GET", headers=None, body=None):
    data = None if body is None else body.encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        text = response.read().decode()
        is_json = response.headers["Content-Type"] == "application/json"
        value = json.loads(text) if is_json else text
        return response.status, value, response.headers["X-C"], response.headers["Content-Type"]

def list_code(cell):
    """Take what is code in a cell, and no name of an option or a fixture."""
    spans = re.findall("`([^`]+)`", cell)
    spans = [span for span in spans if not span.startswith("--") and not span.startswith("kit_s")]
    spans += [span for span in re.findall("`(kit_server_factory[^`]+)`", cell)]
    if spans and spans[0].startswith("expect_request("):
        spans[0] = f"httpserver.{spans[0]}.respond_with_data('d')"
    return spans

def make_upload(row):
    """Return the body and the headers of what the row's `request` is."""
    kind = ("b=1", "x-www-form-urlencoded") if "form" in row[0] else ('{"b": 1}', "json")
    return kind[0].encode(), {"X-B": "c", "Content-Type": f"application/{kind[1]}"}

def run(cell, it, base, row, names):
    old, new, requests, value, setup, is_old_run = row
    if setup:
        ask(f"{base}/a")
    seen = {"__name__": "readme", **names}
    seen["spans"] = list_code(cell)
    for code in seen["spans"]:
        exec(code, seen)
    answers = [ask(base + path, method, headers, body) for method, path, headers, body in requests]
    port = int(base.rpartition(":")[2])
    context = {"it": it, "seen": seen, "answers": answers, "port": port, "name": "127.0.0.1"}
    if getattr(it, "host", "") == "localhost":
        context["name"] = "localhost"
    return [answer[:2] for answer in answers], eval(value, context)

def run_new(row, server, names):
    start = lambda: threading.Thread(target=ask, args=(server.url_for("/a"),)).start()
    if row[4] or "start()" in row[1]:
        server.expect("GET", "/a").respond("b")
    if "raises" in row[1]:
        server.expect("GET", "/never")
    names = {"server": server, "Response": kit.Response, "start": start, **names}
    names |= {"pytest": pytest, "VerificationError": VerificationError}
    body, headers = make_upload(row)
    names["request"] = kit.Request(("::1", 1), "POST", "/a?n=1", {}, "", headers, body)
    names["answer"] = lambda request: kit.Response(request.stream.read())
    return run(row[1], server, server.url, row, names)
'''

OF_HTTPSERVER = """
from pytest_httpserver import RequestMatcher
from werkzeug import Request as OldRequest, Response as OldResponse
from werkzeug.test import EnvironBuilder

@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_row(row, httpserver, kit_plain_server, kit_server_factory, kit_ca):
    names = {"kit_ca": kit_ca, "kit_server_factory": kit_server_factory}
    got = run_new(row, kit_plain_server, names)
    if not row[5]:
        return
    if row[4]:
        httpserver.expect_request("/a").respond_with_data("b")
    names = {"httpserver": httpserver, "Response": OldResponse, "re": re}
    names["RequestMatcher"] = RequestMatcher
    body, headers = make_upload(row)
    upload = EnvironBuilder("/a?n=1", method="POST", headers=headers, data=body)
    names["request"] = OldRequest(upload.get_environ())
    names["answer"] = lambda request: OldResponse(request.data)
    assert run(row[0], httpserver, httpserver.url_for("").rstrip("/"), row, names) == got
"""

OF_LOCALSERVER = """
from pytest_localserver.http import Chunked

@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_row(row, httpserver, kit_plain_server, kit_server_factory, kit_ca):
    names = {"kit_ca": kit_ca, "kit_server_factory": kit_server_factory}
    got = run_new(row, kit_plain_server, names)
    if not row[5]:
        return
    if row[4]:
        httpserver.serve_content("b")
    names = {"httpserver": httpserver, "Chunked": Chunked}
    assert run(row[0], httpserver, httpserver.url, row, names) == got
"""


def read_table(plugin: str) -> list[tuple[str, str]]:
    """Return the rows of README's table, but its head."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n### Coming from {plugin}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    assert rows, f"there is no table for {plugin}"
    return rows[1:]


@pytest.mark.parametrize(
    ("plugin", "rows"),
    [("pytest-httpserver", HTTPSERVER), ("pytest-localserver", LOCALSERVER)],
    ids=["pytest-httpserver", "pytest-localserver"],
)
def test_the_tables_are_those_that_are_run(plugin: str, rows: list[Row]) -> None:
    assert read_table(plugin) == [row[:2] for row in rows]


@pytest.mark.parametrize(
    ("loaded", "rows", "source"),
    [
        ("pytest_httpserver.pytest_plugin", HTTPSERVER, OF_HTTPSERVER),
        ("pytest_localserver.plugin", LOCALSERVER, OF_LOCALSERVER),
    ],
    ids=["pytest-httpserver", "pytest-localserver"],
)
def test_both_columns_do_the_same(
    run_tests: RunTests, loaded: str, rows: list[Row], source: str
) -> None:
    table = [tuple(row) for row in rows]
    result = run_tests(f"{COMMON}\nROWS = {table!r}\n{source}", "-p", loaded)
    result.assert_outcomes(passed=len(rows))
