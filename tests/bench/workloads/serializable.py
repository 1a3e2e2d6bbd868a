"""Typed messages."""

from __future__ import annotations

from bench.harness import Bench, Side, Workload
from bench.programs import python
from bench.results import OURS
from bench.workloads.sides import program

SECONDS = 0.5
MODULES = {OURS: "kit", "mpgameserver": "mpgameserver", "json": "dataclasses"}
NAMES = {"json": "json + dataclass"}


def round_trip(library: str) -> Side:
    """Make a side that dumps and loads a message."""

    def command(bench: Bench) -> list[str]:
        return python("serializing", library, "--seconds", str(min(bench.seconds, SECONDS)))

    return program(NAMES.get(library, library), command, [MODULES[library]])


def list_workloads() -> list[Workload]:
    """Return this family."""
    title = "Serializable: round trip of a message of 10 fields"
    sides = tuple(round_trip(library) for library in MODULES)
    return [Workload("serializable", title, "us", "lower", sides)]
