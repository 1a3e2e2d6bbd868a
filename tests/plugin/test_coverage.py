"""coverage.py: lines of handlers count, and are labelled with their routes."""

from __future__ import annotations

import sys
from pathlib import Path

import coverage
import pytest

from support.deadlines import scaled

APP = """
import asyncio
import threading
import kit

def describe(request):
    return f"{request.method} {request.path}"  # helper

class App(kit.Resource):
    @kit.get("/user/:name")
    def show(self, request):
        return kit.Response(describe(request))  # show

    @kit.get("/both")
    @kit.post("/both")
    def change(self, request):
        return kit.Response("both")  # both

    @kit.get("/slow")
    def slow(self, request):
        threading.Event().wait(0.05)
        return kit.Response("slow")  # slow

    @kit.get("/later/:name")
    async def later(self, request):
        before = describe(request)  # later
        await asyncio.sleep(0.01)
        return kit.Response(before)  # resumed

    @kit.websocket("/ws")
    def echo(self, request, opcode, payload):
        if payload:
            request.send(payload)  # websocket

    @kit.get("/never")
    def never(self, request):
        return kit.Response("never")  # never

def plain(request):
    return kit.Response("plain")  # plain

def stubbed(request):
    return kit.Response("stubbed")  # stub
"""

TESTS = """
import types
import kit
from app import App, describe, plain, stubbed

def test_all(kit_server, kit_client):
    kit_server.allow(unmatched=True)
    kit_server.registerRoutes(App())
    kit_server.registerRoutes([("GET", "/plain/:any*", plain)])
    kit_server.expect("POST", "/stub").handle(stubbed)
    for path in ("/user/ada", "/both", "/slow", "/slow", "/later/bob", "/plain/1/2", "/no"):
        kit_client.get(path).wait(20)
    kit_client.post("/both", b"").wait(20)
    assert kit_client.post("/stub", b"").wait(20).text() == "stubbed"
    socket = kit_client.websocket("/ws")
    assert socket.receive(20)[0] is kit.WebSocketOpCode.Open
    socket.send("hello")
    assert socket.receive(20)[1] == "hello"
    socket.close()
    assert socket.receive(20)[0] is kit.WebSocketOpCode.Close
    describe(types.SimpleNamespace(method="GET", path="/"))
"""

CONTEXTS = {
    "helper": {"", "GET /user/:name", "GET /later/:name"},
    "show": {"GET /user/:name"},
    "both": {"GET /both", "POST /both"},
    "slow": {"GET /slow"},
    "later": {"GET /later/:name"},
    "resumed": {"GET /later/:name"},
    "websocket": {"GET /ws"},
    "plain": {"GET /plain/:any*"},
    "stub": {"POST /stub"},
}


def measure(pytester: pytest.Pytester, plugins: str) -> coverage.CoverageData:
    """Run the tests above under coverage.py, and read what it has recorded."""
    pytester.makepyfile(app=APP, test_app=TESTS)
    # As pytest does with the plugins that it finds installed.
    pytester.makeconftest("import pytest\n\npytest.register_assert_rewrite('pytest_plugin')")
    pytester.makefile(".ini", coverage=f"[run]\ninclude = app.py\n{plugins}")
    result = pytester.run(
        *(sys.executable, "-m", "coverage", "run", "--rcfile=coverage.ini", "-m", "pytest"),
        *("-W", "error", "-p", "no:cacheprovider", "-p", "pytest_plugin.plugin"),
        timeout=scaled(60),
    )
    result.assert_outcomes(passed=1)
    result.stderr.no_fnmatch_line("*overage*arning*")
    data = coverage.CoverageData(str(pytester.path / ".coverage"))
    data.read()
    return data


def find_lines(path: Path) -> dict[str, int]:
    """Number the lines of a file that end with a comment, by the comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = {line.partition("  # ")[2]: number for number, line in enumerate(lines, 1)}
    return {name: number for name, number in marked.items() if name}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def test_lines_of_handlers_count_in_whatever_thread_they_run(pytester: pytest.Pytester) -> None:
    data = measure(pytester, "")
    lines = find_lines(pytester.path / "app.py")
    covered = set(data.lines(str(pytester.path / "app.py")) or ())
    assert {name for name, number in lines.items() if number not in covered} == {"never"}


def test_lines_are_labelled_with_the_routes_that_ran_them(pytester: pytest.Pytester) -> None:
    data = measure(pytester, "plugins = pytest_plugin.coverage_contexts")
    lines = find_lines(pytester.path / "app.py")
    labels = data.contexts_by_lineno(str(pytester.path / "app.py"))
    found = {name: set(labels[lines[name]]) for name in CONTEXTS}
    assert found == CONTEXTS
