"""Suites of one-request tests through each plugin's fixture, over a suite of tests that do nothing.

Measured is the loop that runs the tests, without pytest's start; the client is urllib3's pool.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Bench, Measure, Metrics, RunFailed, Side, Workload
from bench.programs import RUN_S, check_modules, environment
from bench.results import OURS, VALUE
from bench.workloads.sides import role_of

TESTS = 500
FEW_TESTS = 20
"""For a plugin whose tests take a fifth of a second each."""

CONFTEST = """
import os, time, pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    start = time.perf_counter()
    result = yield
    with open(os.environ["BENCH_ELAPSED"], "w") as file:
        file.write(str(time.perf_counter() - start))
    return result
"""

HEAD = """
import pytest, ssl, urllib3

def fetch(pool, url):
    answer = pool.request("GET", url)
    assert answer.status == 200
    assert answer.data == b"hello ada"

many = pytest.mark.parametrize("number", range({count}))
"""

PLAIN_POOL = """
@pytest.fixture(scope="session")
def pool():
    with urllib3.PoolManager() as pool:
        yield pool
"""

NO_OP = """
@many
def test_nothing(number):
    pass
"""

KIT_ROUTES = """
from kit import Response

def greet(request):
    return Response(f"hello {request.matches['name']}")
"""

KIT_PLAIN = f"""
{PLAIN_POOL}
{KIT_ROUTES}
@many
def test_get(number, pool, kit_plain_server):
    kit_plain_server.registerRoutes([("GET", "/users/:name", greet)])
    fetch(pool, kit_plain_server.url_for("/users/ada"))
"""

KIT_TLS = f"""
{KIT_ROUTES}
@pytest.fixture(scope="session")
def pool(kit_ca):
    with urllib3.PoolManager(ssl_context=kit_ca.client_context()) as pool:
        yield pool

@many
def test_get(number, pool, kit_server):
    kit_server.registerRoutes([("GET", "/users/:name", greet)])
    fetch(pool, kit_server.url_for("/users/ada"))
"""

HTTPSERVER_TEST = """
@many
def test_get(number, pool, httpserver):
    httpserver.expect_request("/users/ada").respond_with_data("hello ada")
    fetch(pool, httpserver.url_for("/users/ada"))
"""

HTTPSERVER_PLAIN = f"{PLAIN_POOL}{HTTPSERVER_TEST}"

HTTPSERVER_TLS = f"""
import trustme

@pytest.fixture(scope="session")
def authority():
    return trustme.CA()

@pytest.fixture(scope="session")
def httpserver_ssl_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context

@pytest.fixture(scope="session")
def pool(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with urllib3.PoolManager(ssl_context=context) as pool:
        yield pool
{HTTPSERVER_TEST}
"""

LOCALSERVER_PLAIN = f"""
{PLAIN_POOL}
@many
def test_get(number, pool, httpserver):
    httpserver.serve_content("hello ada")
    fetch(pool, httpserver.url)
"""

LOCALSERVER_TLS = """
urllib3.disable_warnings()

@pytest.fixture(scope="session")
def pool():
    with urllib3.PoolManager(cert_reqs="CERT_NONE") as pool:
        yield pool

@many
def test_get(number, pool, httpsserver):
    httpsserver.serve_content("hello ada")
    fetch(pool, httpsserver.url)
"""


@dataclass(frozen=True, slots=True)
class Suite:
    """One plugin's tests."""

    name: str
    plugin: str
    module: str
    plain: str
    tls: str
    count: int = TESTS


SUITES = (
    Suite(OURS, "pytest_plugin.plugin", "kit", KIT_PLAIN, KIT_TLS),
    Suite(
        "pytest-httpserver",
        "pytest_httpserver.pytest_plugin",
        "pytest_httpserver",
        HTTPSERVER_PLAIN,
        HTTPSERVER_TLS,
    ),
    Suite(
        "pytest-localserver",
        "pytest_localserver.plugin",
        "pytest_localserver",
        LOCALSERVER_PLAIN,
        LOCALSERVER_TLS,
        FEW_TESTS,
    ),
)


def running(suite: Suite, *, is_tls: bool) -> Side:
    """Make a side that runs a suite, and one that does nothing."""

    @contextlib.contextmanager
    def open_suite(bench: Bench) -> Iterator[Measure]:
        check_modules(suite.module)
        kind = "tls" if is_tls else "plain"
        folder = bench.directory / "suites" / f"{suite.name}-{kind}"
        idle = bench.directory / "suites" / f"{suite.name}-{kind}-nothing"
        write_suite(folder, suite.tls if is_tls else suite.plain, suite.count)
        write_suite(idle, NO_OP, suite.count)

        def measure() -> Metrics:
            nothing_s = run_suite(bench, idle, None)
            total_s = run_suite(bench, folder, suite.plugin)
            return {
                VALUE: (total_s - nothing_s) * 1e3 / suite.count,
                "nothing_ms": nothing_s * 1e3 / suite.count,
            }

        yield measure

    return Side(suite.name, role_of(suite.name), open_suite)


def write_suite(folder: Path, body: str, count: int) -> None:
    """Write a suite of so many tests."""
    folder.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    (folder / "conftest.py").write_text(CONFTEST, encoding="ascii")
    text = HEAD.format(count=count) + body
    (folder / "test_suite.py").write_text(text, encoding="ascii")


def run_suite(bench: Bench, folder: Path, plugin: str | None) -> float:
    """Return how many seconds the tests of a suite take.

    Raises:
        RunFailed: one of them did not pass.
    """
    elapsed = folder / "elapsed"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", plugin] if plugin else []
    done = subprocess.run(
        command,
        env={
            **environment(bench),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "BENCH_ELAPSED": os.fspath(elapsed),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()
        raise RunFailed(f"the suite failed: {lines[-1]}")
    return float(elapsed.read_text(encoding="ascii"))


def list_workloads() -> list[Workload]:
    """Return this family."""
    return [
        Workload(
            f"plugin.{'tls' if is_tls else 'plain'}",
            f"a test with one request, over one that does nothing, {'TLS' if is_tls else 'plain'}",
            "ms",
            "lower",
            tuple(running(suite, is_tls=is_tls) for suite in SUITES),
            most_rounds=3,
        )
        for is_tls in (False, True)
    ]
