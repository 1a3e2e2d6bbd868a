"""One lookup among many routes."""

from __future__ import annotations

from bench.harness import Bench, Side, Workload
from bench.programs import python
from bench.results import OURS
from bench.workloads.sides import program

MODULES = {OURS: "kit"}
FEW = (OURS, "falcon", "werkzeug", "starlette", "mpgameserver")
SECONDS = 0.5


def lookup(name: str, count: int) -> Side:
    """Make a side that looks up paths among so many routes."""

    def command(bench: Bench) -> list[str]:
        seconds = str(min(bench.seconds, SECONDS))
        return python("routers", name, "--routes", str(count), "--seconds", seconds)

    return program(name, command, [MODULES.get(name, name)])


def list_workloads() -> list[Workload]:
    """Return this family."""
    return [
        Workload(
            f"router.{count}",
            f"router: one lookup among {count:,} routes",
            "us",
            "lower",
            tuple(lookup(name, count) for name in FEW),
            most_rounds=3 if count > 1000 else 1000,
        )
        for count in (10, 1000, 10_000)
    ]
