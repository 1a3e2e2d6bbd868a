"""Runs that write a page or HAR, and what is in these files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.pages import read_page

RUN = """
def ask(url, token="kanarienvogel-4711"):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as response:
        return response.read()

def hello(request):
    return kit.Response("hello")

@pytest.fixture
def server(kit_server_factory):
    return kit_server_factory([("GET", "/hello/:name", hello)], tls=False)

def test_that_passes(server):
    assert ask(server.url_for("/hello/ada")) == b"hello"

def test_that_fails(server):
    token = ask(server.url_for("/hello/bob"))
    assert token == b"kanarienvogel-4711"

def test_without_servers():
    pass

@pytest.mark.xfail
def test_that_is_expected_to_fail(server):
    ask(server.url_for("/hello/eve"))
    assert False

@pytest.fixture
def broken(server):
    ask(server.url_for("/hello/set-up"))
    raise ValueError("no set-up")

def test_with_a_broken_fixture(broken):
    pass

@pytest.mark.skip
def test_that_is_skipped():
    pass
"""

PASSING = """
def hello(request):
    return kit.Response("hello")

def test_that_passes(kit_server_factory):
    server = kit_server_factory([("GET", "/hello", hello)], tls=False)
    urllib.request.urlopen(server.url_for("/hello")).close()
"""

OUTCOMES = {
    "test_inner.py::test_that_passes": "passed",
    "test_inner.py::test_that_fails": "failed",
    "test_inner.py::test_without_servers": "passed",
    "test_inner.py::test_that_is_expected_to_fail": "xfailed",
    "test_inner.py::test_with_a_broken_fixture": "error",
    "test_inner.py::test_that_is_skipped": "skipped",
}
PATHS = {
    "test_inner.py::test_that_passes": "/hello/ada",
    "test_inner.py::test_that_fails": "/hello/bob",
    "test_inner.py::test_that_is_expected_to_fail": "/hello/eve",
    "test_inner.py::test_with_a_broken_fixture": "/hello/set-up",
}


def read_report(path: Path) -> Any:
    """Read the log that a page shows."""
    return read_page(path.read_text(encoding="utf-8")).document["log"]


def read_har(path: Path) -> Any:
    """Read the log of a HAR file."""
    return json.loads(path.read_bytes())["log"]


def list_outcomes(log: Any) -> dict[str, str]:
    """Map tests to what became of them."""
    return {page["id"]: page["_kit"]["outcome"] for page in log["pages"]}


def list_paths(log: Any) -> dict[str, str]:
    """Map tests to the path of their last exchange."""
    return {
        entry["pageref"]: "/" + entry["request"]["url"].split("/", 3)[3] for entry in log["entries"]
    }
