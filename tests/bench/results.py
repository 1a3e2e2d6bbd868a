"""What a run of the benchmark found, as it is kept in `bench.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Better = Literal["higher", "lower"]
Role = Literal["ours", "peer", "ceiling", "variant"]

VALUE = "value"
"""The metric that every run has; the others are by the way."""

OURS = "wirekit"


class SideResult(msgspec.Struct):
    """One side of a work load.

    Attributes:
        role: whose it is; a ceiling is what the load generator reaches against a constant,
            a variant is ours in a setting that no goal speaks of.
        runs: for each round, metric by metric.
        not_here: why there are no runs, "" if there are.
    """

    role: Role
    runs: list[dict[str, float]] = []
    not_here: str = ""

    def values(self, metric: str = VALUE) -> list[float]:
        """Return one metric, round by round."""
        return [run[metric] for run in self.runs if metric in run]


class WorkResult(msgspec.Struct):
    """A work load and its sides, by name."""

    name: str
    title: str
    unit: str
    better: Better
    sides: dict[str, SideResult] = {}

    def ours(self) -> SideResult | None:
        """Return our side, if it was measured."""
        side = self.sides.get(OURS)
        return side if side is not None and side.runs else None

    def peers(self) -> dict[str, SideResult]:
        """Return the peers that were measured."""
        return {
            name: side for name, side in self.sides.items() if side.role == "peer" and side.runs
        }


class GrowthResult(msgspec.Struct):
    """How our cost grows: for each size, the cost in each round."""

    name: str
    title: str
    size: str
    unit: str
    points: list[tuple[int, list[float]]] = []


class Report(msgspec.Struct):
    """A whole run."""

    machine: dict[str, str]
    rounds: int
    seconds: float
    work: list[WorkResult] = []
    growth: list[GrowthResult] = []

    def find(self, name: str) -> WorkResult | None:
        """Return the work load of this name, if it was measured."""
        return next((work for work in self.work if work.name == name), None)


def write_report(report: Report, path: Path) -> None:
    """Write a report as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
