"""The table: for each work load its sides, with medians, spread, and the ratio of each round."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import find_median, find_ratios, find_spread
from bench.results import GrowthResult, Report, SideResult, WorkResult

NAME_WIDTH = 28


def format_report(report: Report) -> str:
    """Write everything as aligned plain text."""
    parts = [format_machine(report.machine)]
    parts += [format_work(work) for work in report.work]
    parts += [format_growth(growth) for growth in report.growth]
    return "\n\n".join(parts)


def format_machine(machine: dict[str, str]) -> str:
    """Write what machine it was, a line each."""
    return "\n".join(f"{name + ':':<12}{value}" for name, value in machine.items())


def format_work(work: WorkResult) -> str:
    """Write one work load: a title, and a line for each side."""
    title = f"{work.name}  {work.title} [{work.unit}, {work.better} is better]"
    return "\n".join([title, *(format_side(name, work) for name in work.sides)])


def format_side(name: str, work: WorkResult) -> str:
    """Write one side: median, spread; for a peer how many times better ours was; latencies."""
    side = work.sides[name]
    if not side.runs:
        return f"  {name:<{NAME_WIDTH}} not here: {side.not_here}"
    values = side.values()
    spread = f"±{find_spread(values) / 2:.0%}"
    line = f"  {name:<{NAME_WIDTH}}{format_figure(find_median(values)):>10} {spread:>6}"
    return f"{line}  {format_ratios(name, work):<40}{format_latency(side)}".rstrip()


def format_ratios(name: str, work: WorkResult) -> str:
    """Tell how many times better ours was than a peer: the median, then round by round."""
    ours = work.ours()
    if ours is None or work.sides[name].role == "ours":
        return ""
    ratios = find_ratios(ours.values(), work.sides[name].values(), work.better)
    if not ratios:
        return ""
    rounds = " ".join(f"{ratio:.2f}" for ratio in ratios[:6])
    more = " ..." if len(ratios) > 6 else ""
    return f"x{find_median(ratios):.2f} ({rounds}{more})"


def format_latency(side: SideResult) -> str:
    """Write the medians of the other metrics worth a look."""
    return "  ".join(_latencies(side))


def _latencies(side: SideResult) -> Iterator[str]:
    values = side.values("cpu_us")
    if values:
        yield f"cpu {format_figure(find_median(values))} us"
    for metric, label in (("p50_us", "p50"), ("p99_us", "p99"), ("first_ms", "first")):
        values = side.values(metric)
        if values:
            middle = find_median(values)
            milliseconds = middle / 1e3 if metric.endswith("_us") else middle
            yield f"{label} {milliseconds:.2f} ms"


def format_growth(growth: GrowthResult) -> str:
    """Write one curve: a line for each size."""
    title = f"{growth.name}  {growth.title} [{growth.unit}]"
    rows = [
        f"  {size:>12,} {growth.size:<14}{format_figure(find_median(costs)):>10}"
        for size, costs in growth.points
    ]
    return "\n".join([title, *rows])


def format_figure(value: float) -> str:
    """Write a number with three significant digits, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
