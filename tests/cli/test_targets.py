from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.command_line import error_of


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("shop:Order", "'shop:Order': shop has no 'Order'; did you mean Orders?"),
        (
            "shop:Zzzzzz",
            (
                "'shop:Zzzzzz': shop has no 'Zzzzzz'; "
                "did you mean Orders or Empty or Needy or Broken or needy?"
            ),
        ),
        ("shop:Other.Iner", "'shop:Other.Iner': Other has no 'Iner'; did you mean Inner?"),
        ("bare:Orders", "'bare:Orders': bare has no 'Orders'"),
        (
            "shop",
            (
                "'shop' lacks the resource's name, name one: shop:Orders, shop:Empty,"
                " shop:Needy, shop:Broken, shop:needy"
            ),
        ),
        ("bare:", "'bare:' lacks the resource's name, and bare has none"),
        (
            "shop:number",
            "'shop:number' is int, expected a subclass of kit.Resource or an instance of one",
        ),
        (
            "shop:Other",
            (
                "'shop:Other' is the class Other,"
                " expected a subclass of kit.Resource or an instance of one"
            ),
        ),
        (
            "shop.py:Orders",
            "'shop.py:Orders': give the module's name as in an import, not a file: shop.api:Orders",
        ),
        ("a-b:C", "'a-b:C': 'a-b' is not the name of a module; expected module:Resource"),
        (":C", "':C': '' is not the name of a module; expected module:Resource"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_target_that_names_no_resource_is_refused(target: str, text: str) -> None:
    assert error_of("routes", target) == f"Invalid value for 'MODULE:RESOURCE...': {text}"


def test_a_module_that_is_missing_is_told_with_what_was_tried(shop: Path) -> None:
    text = error_of("routes", "nosuch.api:Orders")
    where = f"in {os.getcwd()} nor elsewhere on sys.path"  # noqa: PTH109
    assert text.endswith(f"'nosuch.api:Orders': no module named 'nosuch' {where}")


def test_a_module_that_raises_is_told_with_the_line(shop: Path) -> None:
    file = shop / "raises.py"
    text = error_of("routes", "raises:Orders")
    assert text.endswith(f"importing raises failed: KeyError: 'y' ({file.resolve()}, line 2)")


@pytest.mark.usefixtures("shop")
def test_a_module_that_lacks_another_names_that_one() -> None:
    text = error_of("routes", "wants:Orders")
    assert "importing wants failed: ModuleNotFoundError" in text
    assert "'not_there_at_all'" in text


@pytest.mark.usefixtures("shop")
def test_a_module_that_does_not_parse_is_told_with_the_line() -> None:
    text = error_of("routes", "wrong:Orders")
    assert "importing wrong failed: SyntaxError: invalid syntax (wrong.py, line 1)" in text


@pytest.mark.usefixtures("shop")
def test_a_class_that_needs_arguments_is_told_with_the_way_out() -> None:
    text = error_of("routes", "shop:Needy")
    assert "calling Needy() failed: TypeError" in text
    assert text.endswith("if it needs arguments, name an instance instead")


@pytest.mark.usefixtures("shop")
def test_a_malformed_route_is_told_with_the_resource() -> None:
    assert error_of("routes", "shop:Broken", exit_code=1) == (
        "Broken: pattern 'broken' is wrong at index 0: it must start with \"/\""
    )
