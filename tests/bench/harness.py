"""Runs work loads: every side is opened, then each round runs them all in turn."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from bench.results import Better, GrowthResult, Role, SideResult, WorkResult

Metrics = dict[str, float]
Measure = Callable[[], Metrics]


class NotHere(Exception):
    """Why a side cannot take part."""


class RunFailed(Exception):
    """Why a side's run gave no figure."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The settings of a run, and what it found on the machine.

    Attributes:
        directory: for certificates, bodies and logs; thrown away after the run.
        seconds: how long each run of a side takes, where it is a matter of time.
        load: the compiled generator.
        load_has_tls: whether it can speak TLS.
        wrk: its path, "" if it is not here.
        npm_modules: where Node finds `ws`, None if it cannot.
        cert: a certificate for 127.0.0.1.
        key: its private key.
        authority: the certificate of the authority that signed it.
    """

    directory: Path
    rounds: int
    seconds: float
    load: Path
    load_has_tls: bool
    wrk: str
    npm_modules: Path | None
    cert: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a work load.

    Attributes:
        open: starts what is measured; entered, it gives what runs it once.
    """

    name: str
    role: Role
    open: Callable[[Bench], AbstractContextManager[Measure]]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is measured on each side; `most_rounds` bounds what takes long."""

    name: str
    title: str
    unit: str
    better: Better
    sides: tuple[Side, ...]
    most_rounds: int = 1000


@dataclass(frozen=True, slots=True)
class Growth:
    """What our cost is at several sizes.

    Attributes:
        measure: the cost at a size.
    """

    name: str
    title: str
    size: str
    unit: str
    sizes: tuple[int, ...]
    measure: Callable[[Bench, int], float]
    most_rounds: int = 3


@dataclass(slots=True)
class _Running:
    side: Side
    result: SideResult
    measure: Measure | None = field(default=None)

    def run(self, *, is_kept: bool) -> None:
        if self.measure is None:
            return
        try:
            metrics = self.measure()
        except (NotHere, RunFailed, OSError, subprocess.SubprocessError) as error:
            self.measure = None
            self.result.runs = []
            self.result.not_here = str(error) or type(error).__name__
        else:
            if is_kept:
                self.result.runs.append(metrics)


def run_workload(work: Workload, bench: Bench) -> WorkResult:
    """Run a work load: once unmeasured on every side, then round by round, A B A B.

    A side that cannot be opened, or fails, is shown with the reason, and the others go on.
    """
    result = WorkResult(name=work.name, title=work.title, unit=work.unit, better=work.better)
    with contextlib.ExitStack() as stack:
        running = [_open(side, bench, result, stack) for side in work.sides]
        for each in running:
            each.run(is_kept=False)
        for _ in range(min(bench.rounds, work.most_rounds)):
            for each in running:
                each.run(is_kept=True)
    return result


def _open(side: Side, bench: Bench, result: WorkResult, stack: contextlib.ExitStack) -> _Running:
    running = _Running(side, SideResult(role=side.role))
    result.sides[side.name] = running.result
    try:
        running.measure = stack.enter_context(side.open(bench))
    except (NotHere, OSError) as error:
        running.result.not_here = str(error)
    return running


def run_growth(growth: Growth, bench: Bench) -> GrowthResult:
    """Measure each size in turn, round by round."""
    costs: dict[int, list[float]] = {size: [] for size in growth.sizes}
    for _ in range(min(bench.rounds, growth.most_rounds)):
        for size, found in costs.items():
            with contextlib.suppress(NotHere, RunFailed):
                found.append(growth.measure(bench, size))
    return GrowthResult(
        name=growth.name,
        title=growth.title,
        size=growth.size,
        unit=growth.unit,
        points=[(size, found) for size, found in costs.items() if found],
    )


def is_selected(name: str, selected: Iterable[str]) -> bool:
    """Tell whether a work load was asked for: by name, the beginning of it, or a pattern."""
    patterns = list(selected)
    return not patterns or any(
        name == pattern or name.startswith(f"{pattern}.") or fnmatch(name, pattern)
        for pattern in patterns
    )
