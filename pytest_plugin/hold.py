"""`--kit-hold`: the servers of a test that failed stay up until Enter is pressed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kit.testing import format_curl
from pytest_plugin import workers
from pytest_plugin.report import collect_exchanges
from pytest_plugin.servers import FACTORY

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from kit.testing import CheckedServer
    from pytest_plugin.servers import ServerFactory

MAX_ROUTES = 40
MAX_STUBS = 20
CURL_SHOWN = 1000

NAME = "kit-hold"


def install(config: pytest.Config, *, is_demanded: bool = True) -> None:
    """Have tests that fail wait.

    Args:
        config: of this process.
        is_demanded: whether it is an error that nobody can press Enter, as it is for the
            option; its ini key then does nothing.

    Raises:
        pytest.UsageError: nobody could press Enter.
    """
    obstacle = find_obstacle(config)
    if obstacle is None:
        release(config)
        config.pluginmanager.register(Hold(config), NAME)
    elif is_demanded:
        raise pytest.UsageError(f"--kit-hold waits for Enter, {obstacle}")


def find_obstacle(config: pytest.Config) -> str | None:
    """Tell why nobody could press Enter; None if somebody can."""
    if workers.is_worker(config) or is_distributed(config):
        return "which the workers of pytest-xdist cannot be given: run with -n 0"
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    release(config)
    try:
        if sys.stdin is None or not sys.stdin.isatty():
            return "and standard input is no terminal: leave it out here"
    finally:
        if capture is not None:
            capture.resume()
    return None


def is_distributed(config: pytest.Config) -> bool:
    """Tell whether pytest-xdist runs the tests elsewhere."""
    return bool(config.getoption("dist", "no") != "no")


def release(config: pytest.Config) -> None:
    """Give standard input and output back to the terminal until pytest captures again.

    It does so for each phase of a test, and is at rest between them.
    """
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)


class Hold:
    """Waits after each failure, before the test's fixtures are torn down."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[Any],
        report: pytest.TestReport | pytest.CollectReport,
    ) -> None:
        """Hold the servers of a test that has just failed."""
        if isinstance(node, pytest.Item) and call.when != "teardown" and report.failed:
            self._hold(node, report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Hold the servers of a test that has passed and must not, which has no exception."""
        report = yield
        if call.when == "call" and call.excinfo is None and report.failed:
            self._hold(item, report)
        return report

    def _hold(self, item: pytest.Item, report: pytest.TestReport | pytest.CollectReport) -> None:
        servers = find_servers(item)
        if servers:
            release(self._config)
            with tempfile.TemporaryDirectory() as folder:
                self._wait(item, report, servers, Path(folder))

    def _wait(
        self,
        item: pytest.Item,
        report: pytest.TestReport | pytest.CollectReport,
        servers: list[CheckedServer],
        folder: Path,
    ) -> None:
        writer = self._config.get_terminal_writer()
        before = count_requests(servers)
        writer.line()
        writer.sep("=", f"kit holds {item.nodeid}", yellow=True)
        for line in [*summarize(report), *describe(item, servers, folder)]:
            writer.line(line)
        writer.write("Enter goes on, Ctrl-C ends the run: ", bold=True)
        writer.flush()
        sys.stdin.readline()  # also the end of the input goes on
        arrived = count_requests(servers) - before
        writer.line(f"{arrived} {'request' if arrived == 1 else 'requests'} came meanwhile")


def find_servers(item: pytest.Item) -> list[CheckedServer]:
    """Return the servers that run in a test: its own, then those of the session."""
    found = [server for factory in find_factories(item) for server in factory.servers]
    return [server for server in found if server.is_running]


def count_requests(servers: list[CheckedServer]) -> int:
    """Count what has come to servers, also what their journals had no room for."""
    return sum(len(server.journal) + server.journal.dropped for server in servers)


def find_factories(item: pytest.Item) -> list[ServerFactory]:
    """Return the factory of a test, then that of the session."""
    found = (item.stash.get(FACTORY, None), item.config.stash.get(FACTORY, None))
    return [factory for factory in found if factory is not None]


def summarize(report: pytest.TestReport | pytest.CollectReport) -> list[str]:
    """Return the last lines of how a test failed."""
    lines = report.longreprtext.splitlines()
    marked = [line for line in lines if line.startswith("E ")]
    return [*(marked or lines)[-10:], *lines[-1:], ""]


def describe(item: pytest.Item, servers: list[CheckedServer], folder: Path) -> Iterator[str]:
    """Say how to reach the servers, and what the last request was."""
    authority = write_authority(item, folder)
    if authority is not None:
        yield f"export KIT_CA={authority}"
    for server in servers:
        yield server.url
        yield from list_routes(server)
    exchanges = collect_exchanges(item)
    if exchanges:
        command = format_curl(exchanges[-1], cafile=authority)
        yield "the last request again:"
        is_long = len(command) > CURL_SHOWN
        yield f"(a curl command of {len(command)} characters)" if is_long else command


def write_authority(item: pytest.Item, folder: Path) -> Path | None:
    """Write the certificate of the authority to trust; None without TLS."""
    for factory in find_factories(item):
        if any(server.is_tls for server in factory.servers):
            return factory.authority.write_pem(folder / "ca.pem")
    return None


def list_routes(server: CheckedServer) -> Iterator[str]:
    """Write what a server answers."""
    routes = server.routes()
    for route in routes[:MAX_ROUTES]:
        yield f"  {route.http_method:7} {route.url_pattern}  {route.name}"
    if len(routes) > MAX_ROUTES:
        yield f"  and {len(routes) - MAX_ROUTES} more routes"
    stubs = list(server.stubs)
    for stub in stubs[:MAX_STUBS]:
        yield f"  {stub}"
    if len(stubs) > MAX_STUBS:
        yield f"  and {len(stubs) - MAX_STUBS} more stubs"
