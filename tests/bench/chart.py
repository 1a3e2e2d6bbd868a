"""The chart: how many times better than each peer, and the curves of growth, as one SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bench.figures import find_median, find_ratios
from bench.results import GrowthResult, Report, WorkResult

WIDTH = 960
ROW = 18
LABELS = 330
BARS = WIDTH - LABELS - 90
LEAST, MOST = 0.1, 100.0
CURVE_HEIGHT = 240
AHEAD, BEHIND, INK, FAINT = "#2e7d4f", "#b3462f", "#222", "#ccc"


def draw_report(report: Report) -> str:
    """Draw a report as SVG."""
    parts: list[str] = []
    top = 40
    parts.append(
        text(10, 24, f"wirekit beside its peers: {report.machine.get('processor', '')}", 15)
    )
    for work in report.work:
        drawn, top = draw_work(work, top)
        parts += drawn
    for growth in report.growth:
        if growth.points:
            parts += draw_growth(growth, top)
            top += CURVE_HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 20}" '
        f'viewBox="0 0 {WIDTH} {top + 20}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def draw_work(work: WorkResult, top: int) -> tuple[list[str], int]:
    """Draw a bar for each peer, to the right where ours is ahead; tell where the next begins."""
    ours = work.ours()
    mine = ours.values() if ours is not None else []
    ratios = {
        name: find_ratios(mine, side.values(), work.better) for name, side in work.peers().items()
    }
    bars = {name: find_median(found) for name, found in ratios.items() if found}
    if not bars:
        return [], top
    parts = [text(10, top + 14, f"{work.name}: {work.title}", 12, is_bold=True)]
    top += ROW + 4
    for name, ratio in bars.items():
        parts += draw_bar(name, ratio, top)
        top += ROW
    parts.append(line(place(1), top - ROW * len(bars), place(1), top, INK))
    return parts, top + 10


def draw_bar(name: str, ratio: float, top: int) -> Iterator[str]:
    """Draw one ratio on a logarithmic scale around 1."""
    start, end = sorted((place(1), place(ratio)))
    colour = AHEAD if ratio >= 1 else BEHIND
    yield text(30, top + 13, name, 11)
    yield (
        f'<rect x="{start:.1f}" y="{top + 3}" width="{max(end - start, 1):.1f}" '
        f'height="{ROW - 6}" fill="{colour}"/>'
    )
    yield text(LABELS + BARS + 12, top + 13, f"x{ratio:.2f}", 11)


def place(ratio: float) -> float:
    """Return where on the scale a ratio stands."""
    bounded = min(max(ratio, LEAST), MOST)
    return LABELS + BARS * math.log(bounded / LEAST) / math.log(MOST / LEAST)


def draw_growth(growth: GrowthResult, top: int) -> Iterator[str]:
    """Draw a curve on two logarithmic axes, so that a straight rise of 1 in 1 is linear."""
    sizes = [size for size, _ in growth.points]
    costs = [find_median(found) for _, found in growth.points]
    across = [scale(size, sizes, LABELS / 3, WIDTH - 60) for size in sizes]
    up = [
        scale(cost, [*costs, min(costs) * 10], top + CURVE_HEIGHT - 40, top + 40) for cost in costs
    ]
    yield text(10, top + 16, f"{growth.name}: {growth.title} [{growth.unit}]", 12, is_bold=True)
    yield line(LABELS / 3, top + CURVE_HEIGHT - 36, WIDTH - 60, top + CURVE_HEIGHT - 36, FAINT)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))
    yield f'<polyline points="{points}" fill="none" stroke="{AHEAD}" stroke-width="2"/>'
    for x, y, size, cost in zip(across, up, sizes, costs, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{AHEAD}"/>'
        yield text(x - 10, y - 8, f"{cost:.3g}", 10)
        yield text(x - 10, top + CURVE_HEIGHT - 22, f"{size:,}", 10)


def scale(value: float, values: Sequence[float], start: float, end: float) -> float:
    """Place a positive value between two ends, by its logarithm."""
    least, most = min(values), max(values)
    if least == most or least <= 0:
        return start
    return start + (end - start) * math.log(value / least) / math.log(most / least)


def text(x: float, y: float, content: str, size: int, *, is_bold: bool = False) -> str:
    """Draw a line of text."""
    weight = ' font-weight="bold"' if is_bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{INK}"{weight}>'
        f"{escape(content)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    """Draw a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
