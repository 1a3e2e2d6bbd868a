"""The arithmetic: medians, spread, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.results import Better


def find_median(values: Sequence[float]) -> float:
    """Return the median; the list must not be empty."""
    return statistics.median(values)


def find_spread(values: Sequence[float]) -> float:
    """Return how far the extremes lie apart, as a part of the median; 0 for a single value."""
    middle = find_median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def find_ratios(ours: Sequence[float], theirs: Sequence[float], better: Better) -> list[float]:
    """Tell for each round how many times better ours was; rounds that one side lacks are left out.

    Above 1 ours is ahead, whether more or less is better.
    """
    pairs = zip(ours, theirs, strict=False)
    if better == "higher":
        return [mine / other for mine, other in pairs if other > 0]
    return [other / mine for mine, other in pairs if mine > 0]


def find_slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line through the points, by least squares."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope
