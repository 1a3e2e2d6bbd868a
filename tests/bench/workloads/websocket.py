"""Websocket echo."""

from __future__ import annotations

from bench.harness import Bench, Metrics, Workload
from bench.load import run_load
from bench.workloads.sides import Drive, all_under_load

PEERS = ("websockets", "websockets threaded", "aiohttp", "node ws")


def echo(connections: int, size: int) -> Drive:
    """Send messages, one at a time on each connection, and read them back."""

    def drive(bench: Bench, port: int) -> Metrics:
        options = ("--path", "/ws", "--seconds", str(bench.seconds))
        shape = ("--connections", str(connections), "--bytes", str(size))
        return run_load(bench, "websocket", port, *options, *shape)

    return drive


def list_workloads() -> list[Workload]:
    """Return this family."""
    return [
        Workload(
            f"websocket.{name}.c{count}",
            f"websocket echo, {title}, {count} connection{'s' * (count > 1)}",
            "messages/s",
            "higher",
            all_under_load(PEERS, echo(count, size)),
        )
        for name, title, size in (("16b", "16 B", 16), ("16k", "16 KiB", 16384))
        for count in (1, 64)
    ]
