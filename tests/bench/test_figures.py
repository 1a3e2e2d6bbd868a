from __future__ import annotations

import pytest

from bench.figures import find_median, find_ratios, find_slope, find_spread
from bench.results import Better


@pytest.mark.parametrize(
    ("values", "middle"), [([3.0], 3.0), ([9.0, 1.0, 2.0], 2.0), ([1.0, 2.0, 4.0, 8.0], 3.0)]
)
def test_the_median_is_the_middle_one(values: list[float], middle: float) -> None:
    assert find_median(values) == middle


@pytest.mark.parametrize(
    ("values", "spread"), [([5.0], 0.0), ([90.0, 100.0, 130.0], 0.4), ([0.0, 0.0], 0.0)]
)
def test_the_spread_is_a_part_of_the_median(values: list[float], spread: float) -> None:
    assert find_spread(values) == pytest.approx(spread)


@pytest.mark.parametrize(("better", "ratios"), [("higher", [2.0, 0.5]), ("lower", [0.5, 2.0])])
def test_a_ratio_above_one_means_that_ours_is_ahead(better: Better, ratios: list[float]) -> None:
    assert find_ratios([10.0, 5.0], [5.0, 10.0], better) == ratios


def test_rounds_that_one_side_lacks_give_no_ratio() -> None:
    assert find_ratios([10.0, 20.0, 30.0], [5.0], "higher") == [2.0]


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_figure_that_cannot_be_divided_by_gives_no_ratio(better: Better) -> None:
    assert find_ratios([0.0], [0.0], better) == []


def test_the_slope_is_what_one_more_costs() -> None:
    assert find_slope([(100, 1300.0), (600, 6300.0), (1100, 11_300.0)]) == pytest.approx(10)
