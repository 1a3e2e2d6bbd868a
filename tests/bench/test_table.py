from __future__ import annotations

import pytest

from bench.results import GrowthResult, Report, SideResult, WorkResult
from bench.table import format_figure, format_report


def make_runs(*values: float, **metrics: float) -> list[dict[str, float]]:
    return [{"value": value, **metrics} for value in values]


def test_the_table_tells_medians_spread_ratios_and_latencies() -> None:
    ours = make_runs(9e3, 10e3, 11e3, cpu_us=42.5, p50_us=1500, p99_us=2500)
    sides = {
        "wirekit": SideResult("ours", ours),
        "aiohttp": SideResult("peer", make_runs(5000.0, 5000.0, 5000.0)),
        "node": SideResult("peer", not_here="node is not installed"),
        "ceiling (C)": SideResult("ceiling", make_runs(20_000.0, 20_000.0, 20_000.0)),
    }
    work = WorkResult("http.get.c1", "keep-alive GET", "requests/s", "higher", sides)
    points = [(10, [0.5]), (10_000, [12.0])]
    growth = GrowthResult("growth.routes", "by routes", "routes", "us", points)
    latencies = "cpu 42.5 us  p50 1.50 ms  p99 2.50 ms"
    report = Report({"cores": "2", "system": "Linux"}, 3, 1.0, [work], [growth])
    assert format_report(report).splitlines() == [
        "cores:      2",
        "system:     Linux",
        "",
        "http.get.c1  keep-alive GET [requests/s, higher is better]",
        f"  wirekit                         10,000   ±10%{'':42}{latencies}",
        "  aiohttp                          5,000    ±0%  x2.00 (1.80 2.00 2.20)",
        "  node                         not here: node is not installed",
        "  ceiling (C)                     20,000    ±0%  x0.50 (0.45 0.50 0.55)",
        "",
        "growth.routes  by routes [us]",
        "            10 routes              0.50",
        "        10,000 routes              12.0",
    ]


def test_many_rounds_are_cut_short() -> None:
    sides = {
        "wirekit": SideResult("ours", make_runs(*[2.0] * 9)),
        "other": SideResult("peer", make_runs(*[4.0] * 9)),
    }
    report = Report({}, 9, 1.0, [WorkResult("a", "A", "us", "lower", sides)])
    assert "x2.00 (2.00 2.00 2.00 2.00 2.00 2.00 ...)" in format_report(report)


def test_without_a_figure_of_ours_there_are_no_ratios() -> None:
    sides = {
        "wirekit": SideResult("ours", not_here="it failed"),
        "other": SideResult("peer", make_runs(4.0)),
    }
    report = Report({}, 1, 1.0, [WorkResult("a", "A", "us", "lower", sides)])
    assert format_report(report).splitlines()[-2:] == [
        "  wirekit                      not here: it failed",
        "  other                             4.00    ±0%",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345.6, "12,346"), (99.95, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012")],
)
def test_figures_have_about_three_digits(value: float, text: str) -> None:
    assert format_figure(value) == text
