"""In one environment with all the plugins that projects have: `tox run -e neighbours`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from support.deadlines import scaled

RunBeside = Callable[..., pytest.RunResult]

NEIGHBOURS = (
    "anyio",
    "pytest-asyncio",
    "pytest-cov",
    "pytest-django",
    "pytest-httpserver",
    "pytest-localserver",
    "pytest-randomly",
    "pytest-recording",
    "pytest-rerunfailures",
    "pytest-timeout",
    "pytest-xdist",
    "trio",
)

SITE = """
from urllib.request import urlopen

from django.http import HttpResponse
from django.urls import path

SECRET_KEY = "not one"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = __name__
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
STATIC_URL = "static/"
USE_TZ = True
UPSTREAM = ""

def relay(request):
    from django.conf import settings

    with urlopen(settings.UPSTREAM + "/stock", timeout=60) as response:
        return HttpResponse(b"site: " + response.read())

urlpatterns = [path("stock/", relay)]
"""

APP = """
import threading

import kit

class Shop(kit.Resource):
    @kit.get("/stock")
    def stock(self, request):
        amount = 3
        return kit.Response(f"{amount} left")

    @kit.get("/slow")
    def slow(self, request):
        threading.Event().wait(0.05)
        return kit.Response("slow")

    @kit.get("/later")
    async def later(self, request):
        return kit.Response("later")

    @kit.websocket("/echo")
    def echo(self, request, opcode, payload):
        if payload:
            request.send(payload)

    @kit.get("/never")
    def never(self, request):
        return kit.Response("never")
"""

SUITE = """
import ssl
import urllib.request

import kit
import pytest
from app import Shop

runs = []

def ask(url, context=None):
    with urllib.request.urlopen(url, context=context, timeout=60) as response:
        return response.read()

def test_every_route(kit_server, kit_client):
    kit_server.registerRoutes(Shop())
    for path, text in {"/stock": "3 left", "/slow": "slow", "/later": "later"}.items():
        assert kit_client.get(path).wait(60).text() == text
    socket = kit_client.websocket("/echo")
    assert socket.receive(60)[0] is kit.WebSocketOpCode.Open
    socket.send("hello")
    assert socket.receive(60)[1] == "hello"
    socket.close()
    assert socket.receive(60)[0] is kit.WebSocketOpCode.Close

@pytest.mark.django_db
def test_django(live_server, kit_plain_server, settings):
    kit_plain_server.registerRoutes(Shop())
    settings.UPSTREAM = kit_plain_server.url
    assert ask(live_server.url + "/stock/") == b"site: 3 left"
    assert [each.path for each in kit_plain_server.journal] == ["/stock"]

def test_httpserver(make_httpserver, kit_server, kit_ca):
    make_httpserver.expect_request("/stock").respond_with_data("werkzeug")
    kit_server.registerRoutes(Shop())
    assert ask(make_httpserver.url_for("/stock")) == b"werkzeug"
    assert ask(kit_server.url_for("/stock"), kit_ca.client_context()) == b"3 left"
    make_httpserver.check()
    make_httpserver.clear()

def test_localserver(httpsserver, kit_server, kit_ca):
    httpsserver.serve_content("local")
    kit_server.registerRoutes(Shop())
    assert ask(httpsserver.url, ssl._create_unverified_context()) == b"local"
    assert ask(kit_server.url_for("/stock"), kit_ca.client_context()) == b"3 left"

@pytest.mark.vcr
def test_recording(kit_plain_server, vcr):
    kit_plain_server.registerRoutes(Shop())
    assert ask(kit_plain_server.url_for("/stock")) == b"3 left"
    assert len(vcr.requests) == len(kit_plain_server.journal) == 1

@pytest.mark.asyncio
async def test_asyncio(kit_server, kit_client):
    kit_server.registerRoutes(Shop())
    assert (await kit_client.get("/later").wait_async(60)).text() == "later"

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_anyio(kit_server, kit_client, anyio_backend):
    kit_server.registerRoutes(Shop())
    response = await kit_client.get("/stock").wait_async(60)
    assert response.text() == "3 left"

@pytest.mark.flaky(reruns=1)
def test_flaky(kit_server, kit_client):
    runs.append(kit_server.port)
    kit_server.registerRoutes(Shop())
    assert kit_client.get("/stock").wait(60).text() == "3 left"
    assert len(kit_server.journal) == 1
    assert len(runs) == 2
"""

PASSED = 9

HANGING = """
import threading

import kit
import pytest

@pytest.fixture
def released():
    event = threading.Event()
    yield event
    event.set()

@pytest.mark.timeout(1, method="METHOD", func_only=True)
def test_hangs(kit_server, kit_client, released):
    def hang(request):
        released.wait()
        return kit.Response("at last")

    kit_server.registerRoutes([("GET", "/", hang)])
    kit_client.get("/").wait(600)

def test_after_it(kit_server, kit_client):
    kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("well"))])
    assert kit_client.get("/").wait(60).text() == "well"
"""


def find_missing() -> list[str]:
    """Tell which of the neighbours are not installed."""
    missing = []
    for name in NEIGHBOURS:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing


@pytest.fixture
def run_beside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunBeside:
    """Run a suite in a pytest that loads all that is installed."""
    if missing := find_missing():
        pytest.skip(f"not installed: {', '.join(missing)}")

    def run(source: str, *arguments: str) -> pytest.RunResult:
        for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name, raising=False)
        pytester.makeini(
            """
            [pytest]
            pythonpath = .
            asyncio_default_fixture_loop_scope = function
            DJANGO_SETTINGS_MODULE = site_settings
            """
        )
        pytester.makepyfile(site_settings=SITE, app=APP, test_inner=source)
        return pytester.runpytest_subprocess(
            *("-p", "no:cacheprovider", "-W", "error", "--record-mode=once", *arguments),
            timeout=scaled(120),
        )

    return run


def is_passed(result: pytest.RunResult) -> bool:
    return result.ret == 0 and f"{PASSED} passed, 1 rerun in " in result.outlines[-1]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_suite_passes_in_whatever_order(run_beside: RunBeside, seed: int) -> None:
    result = run_beside(SUITE, "-v", f"--randomly-seed={seed}")
    ran = re.findall(r"^test_inner.py::(\w+)\S* PASSED", "\n".join(result.outlines), re.MULTILINE)
    assert is_passed(result)
    assert len(ran) == PASSED
    assert list(dict.fromkeys(ran)) != re.findall(r"def (test_\w+)", SUITE)


def test_a_suite_passes_on_workers(run_beside: RunBeside) -> None:
    assert is_passed(run_beside(SUITE, "-n", "2"))


def test_the_lines_of_handlers_count(run_beside: RunBeside, pytester: pytest.Pytester) -> None:
    result = run_beside(SUITE, "--cov=app", "--cov-report=json", "-k", "every_route")
    result.assert_outcomes(passed=1, deselected=PASSED - 1)
    told: dict[str, Any] = json.loads((pytester.path / "coverage.json").read_bytes())
    lines = (pytester.path / "app.py").read_text(encoding="utf-8").splitlines()
    missing = [lines[number - 1].strip() for number in told["files"]["app.py"]["missing_lines"]]
    assert missing == ['return kit.Response("never")']


def test_a_test_that_hangs_is_ended_by_a_signal(run_beside: RunBeside) -> None:
    result = run_beside(HANGING.replace("METHOD", "signal"), "-p", "no:randomly")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E * Timeout (>1.0s) from pytest-timeout."])


def test_a_run_that_hangs_is_ended_by_a_thread(run_beside: RunBeside) -> None:
    result = run_beside(HANGING.replace("METHOD", "thread"), "-p", "no:randomly")
    assert result.ret == 1
    told = [*result.outlines, *result.errlines]
    assert any("+ Timeout +" in line for line in told)
    assert any(line.strip() == "released.wait()" for line in told), "no stack of the handler"
