"""Memory by the piece: resident size of a fresh server at two counts, and the slope between them.

The first count lies behind whatever is made once (imports, buffers, the allocator's arenas).
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator

from bench.figures import find_slope
from bench.harness import Bench, Measure, Metrics, RunFailed, Side, Workload
from bench.load import run_load
from bench.programs import Server, read_rss_bytes
from bench.results import OURS, VALUE
from bench.workloads.sides import role_of, start

Weigh = Callable[[Bench, Server], Metrics]

COUNTS = (100, 600, 1100)
EXCHANGES = (1000, 5000, 9000)
"""All within what a journal keeps, 10,000."""

SETTLE_S = 0.3


def weigh_idle(*, is_websocket: bool) -> Weigh:
    """Return what measures KiB per connection that is open and idle."""

    def weigh(bench: Bench, server: Server) -> Metrics:
        points: list[tuple[float, float]] = []
        opened = 0
        with contextlib.ExitStack() as stack:
            for count in COUNTS:
                stack.enter_context(
                    hold(bench, server.port, count - opened, is_websocket=is_websocket)
                )
                opened = count
                points.append((count, measure_rss(server)))
        return {VALUE: find_slope(points) / 1024, "base_mib": points[0][1] / (1 << 20)}

    return weigh


@contextlib.contextmanager
def hold(bench: Bench, port: int, count: int, *, is_websocket: bool) -> Iterator[None]:
    """Keep so many connections open; each has made one request, or its handshake."""
    kind = ["--path", "/ws", "--websocket"] if is_websocket else ["--path", "/users/ada"]
    command = [str(bench.load), "idle", "127.0.0.1", str(port), *kind, "--connections", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if not holder.stdout.readline():
            raise RunFailed(f"{count} connections could not be opened")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.stdin.close()


def weigh_exchanges(bench: Bench, server: Server) -> Metrics:
    """Return KiB per exchange on record, each a GET with a path parameter."""
    points: list[tuple[float, float]] = []
    made = 0
    for count in EXCHANGES:
        options = ("--path", "/users/ada", "--count", str(count - made), "--seconds", "60")
        made += int(run_load(bench, "http", server.port, *options)["completed"])
        points.append((made, measure_rss(server)))
    return {VALUE: find_slope(points) / 1024, "base_mib": points[0][1] / (1 << 20)}


def measure_rss(server: Server) -> float:
    """Return the resident bytes of a server, once it has come to rest."""
    time.sleep(SETTLE_S)
    return read_rss_bytes(server.pid)


def fresh(name: str, weigh: Weigh) -> Side:
    """Make a side with a new server for each round."""

    @contextlib.contextmanager
    def open_nothing(bench: Bench) -> Iterator[Measure]:
        def measure() -> Metrics:
            with start(bench, name) as server:
                return weigh(bench, server)

        yield measure

    return Side(name, role_of(name), open_nothing)


def list_workloads() -> list[Workload]:
    """Return this family."""
    sockets = ("websockets", "websockets threaded", "aiohttp", "node ws")
    rows: tuple[tuple[str, str, tuple[str, ...], Weigh], ...] = (
        ("websocket", "idle websocket", sockets, weigh_idle(is_websocket=True)),
        ("keepalive", "idle keep-alive connection", ("aiohttp",), weigh_idle(is_websocket=False)),
        ("exchange", "recorded exchange", ("pytest-httpserver",), weigh_exchanges),
    )
    return [
        Workload(
            f"memory.{name}",
            f"memory per {title}",
            "KiB",
            "lower",
            tuple(fresh(side, weigh) for side in (OURS, *sides)),
            most_rounds=3,
        )
        for name, title, sides, weigh in rows
    ]
