"""How our own cost grows: with connections, routes, exchanges on record, and the body's size."""

from __future__ import annotations

from bench.harness import Bench, Growth
from bench.load import run_load
from bench.programs import python, run_program
from bench.results import OURS, VALUE
from bench.workloads.http import PATH, write_blob
from bench.workloads.sides import start

SECONDS = 0.5
BATCH = 5000


def cost_of_connections(bench: Bench, count: int) -> float:
    """Return microseconds per GET, so many connections being busy."""
    with start(bench, OURS) as server:
        options = ("--path", PATH, "--connections", str(count))
        found = run_load(bench, "http", server.port, "--seconds", str(bench.seconds), *options)
    return 1e6 / found[VALUE]


def cost_of_routes(bench: Bench, count: int) -> float:
    """Return microseconds per lookup among so many routes."""
    seconds = str(min(bench.seconds, SECONDS))
    return run_program(
        bench, python("routers", OURS, "--routes", str(count), "--seconds", seconds)
    )[VALUE]


def cost_of_exchanges(bench: Bench, count: int) -> float:
    """Return microseconds per GET when so many exchanges have been recorded before it."""
    with start(bench, OURS) as server:
        common = ("--path", PATH, "--connections", "8", "--seconds", "60")
        run_load(bench, "http", server.port, *common, "--count", str(count))
        found = run_load(bench, "http", server.port, *common, "--count", str(BATCH))
    return 1e6 / found[VALUE]


def cost_of_bodies(bench: Bench, count: int) -> float:
    """Return microseconds to echo a body of so many bytes."""
    body = write_blob(bench.directory, count)
    with start(bench, OURS) as server:
        options = ("--method", "POST", "--path", "/echo", "--body-file", str(body))
        found = run_load(bench, "http", server.port, "--seconds", str(bench.seconds), *options)
    return 1e6 / found[VALUE]


def list_growths() -> list[Growth]:
    """Return what is drawn as curves."""
    return [
        Growth(
            "growth.connections",
            "cost of a GET by busy connections",
            "connections",
            "us",
            (1, 4, 16, 64, 256, 1024),
            cost_of_connections,
        ),
        Growth(
            "growth.routes",
            "cost of a lookup by routes",
            "routes",
            "us",
            (10, 100, 1000, 10_000),
            cost_of_routes,
        ),
        Growth(
            "growth.exchanges",
            "cost of a GET by exchanges recorded before",
            "exchanges",
            "us",
            (100, 1000, 5000, 10_000, 20_000),
            cost_of_exchanges,
        ),
        Growth(
            "growth.body",
            "cost of an echo by size",
            "bytes",
            "us",
            (1 << 10, 1 << 13, 1 << 16, 1 << 18, 1 << 20, 1 << 22),
            cost_of_bodies,
        ),
    ]
