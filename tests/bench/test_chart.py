from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from bench.chart import AHEAD, BEHIND, draw_report, place, scale
from bench.results import GrowthResult, Report, SideResult, WorkResult

SVG = "{http://www.w3.org/2000/svg}"


def draw(*work: WorkResult, growth: list[GrowthResult] | None = None) -> ET.Element:
    return ET.fromstring(draw_report(Report({"processor": "a <b>"}, 1, 1.0, [*work], growth or [])))


def make_work(**theirs: float) -> WorkResult:
    sides = {"wirekit": SideResult("ours", [{"value": 10.0}])}
    sides |= {name: SideResult("peer", [{"value": value}]) for name, value in theirs.items()}
    return WorkResult("http.get", "GET & go", "requests/s", "higher", sides)


def list_texts(svg: ET.Element) -> list[str | None]:
    return [text.text for text in svg.iter(f"{SVG}text")]


def test_each_peer_has_a_bar_coloured_by_who_is_ahead() -> None:
    svg = draw(make_work(slower=5.0, faster=20.0))
    bars = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("fill") in {AHEAD, BEHIND}]
    assert [bar.get("fill") for bar in bars] == [AHEAD, BEHIND]
    assert list_texts(svg)[1:] == ["http.get: GET & go", "slower", "x2.00", "faster", "x0.50"]


def test_a_work_load_without_ratios_is_left_out() -> None:
    assert list_texts(draw(make_work())) == ["wirekit beside its peers: a <b>"]


def test_growth_is_a_curve_with_a_point_for_each_size() -> None:
    curve = GrowthResult("growth.body", "by size", "bytes", "us", [(1, [2.0]), (1000, [4.0, 6.0])])
    svg = draw(growth=[curve])
    assert len(list(svg.iter(f"{SVG}circle"))) == 2
    assert {"2", "5", "1", "1,000"} <= set(list_texts(svg))


def test_an_empty_curve_is_left_out() -> None:
    svg = draw(growth=[GrowthResult("growth.body", "by size", "bytes", "us")])
    assert not list(svg.iter(f"{SVG}polyline"))


def test_ratios_beyond_the_scale_stay_within_the_picture() -> None:
    assert place(1e9) == place(100)
    assert place(1e-9) == place(0.1)


@pytest.mark.parametrize(
    ("value", "values", "place_on_it"),
    [(10, [1, 10, 100], 5.0), (1, [1, 100], 0.0), (7, [7, 7], 0.0), (0, [0, 1], 0.0)],
)
def test_a_scale_is_logarithmic(value: float, values: list[float], place_on_it: float) -> None:
    assert math.isclose(scale(value, values, 0, 10), place_on_it)
