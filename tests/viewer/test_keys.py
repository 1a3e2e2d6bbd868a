from __future__ import annotations

import pytest

from support.documents import make_run
from support.viewing import Open, chosen_target, count_rows, list_targets, press


def test_arrows_choose_and_enter_opens_and_escape_closes(open_page: Open) -> None:
    page = open_page(make_run())
    press(page, "ArrowDown", "ArrowDown", "j", "k")
    assert chosen_target(page) == "/users/7"
    assert page.locator("#detail").is_hidden()
    press(page, "Enter")
    assert page.locator("#detail h2").inner_text() == "https://localhost:4343/users/7"
    press(page, "End")
    assert page.locator("#detail h2").inner_text() == "https://localhost:4343/slow"
    press(page, "ArrowUp", "ArrowUp", "ArrowUp")
    assert page.locator("#detail h2").inner_text() == "https://localhost:4343/orders"
    press(page, "Escape")
    assert page.locator("#detail").is_hidden()
    assert chosen_target(page) == "/orders"
    press(page, "Home")
    assert chosen_target(page) == "/users/7?page=1"


def test_left_and_right_turn_the_tabs_and_the_tab_stays_from_row_to_row(open_page: Open) -> None:
    page = open_page(make_run())
    press(page, "ArrowDown", "Enter", "ArrowRight", "ArrowRight")
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "Response"
    press(page, "ArrowDown")
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "Response"
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "curl"


def test_n_and_p_go_to_what_failed(open_page: Open) -> None:
    page = open_page(make_run())
    seen = []
    for key in ("n", "n", "n", "n", "p"):
        press(page, key)
        seen.append(page.locator("#list [aria-selected=true]").get_attribute("aria-rowindex"))
    assert seen == ["4", "5", "7", "7", "5"]


def test_a_slash_goes_to_the_filter_where_keys_are_text(open_page: Open) -> None:
    page = open_page(make_run())
    press(page, "/")
    page.keyboard.type("njd?")
    assert page.locator("#filter-text").input_value() == "njd?"
    assert count_rows(page) == "0 of 8 exchanges"
    press(page, "Escape")
    assert page.locator("#filter-text").input_value() == ""
    assert count_rows(page) == "8 exchanges"
    assert page.evaluate("document.activeElement.id") == "list"


def test_t_goes_to_the_tests_where_arrows_choose_them(open_page: Open) -> None:
    page = open_page(make_run())
    press(page, "t", "ArrowDown", "ArrowDown")
    assert list_targets(page) == ["/users/7", "/users/7"]
    press(page, "Enter", "ArrowDown")
    assert chosen_target(page) == "/users/7"


def test_a_question_mark_shows_the_keys(open_page: Open) -> None:
    page = open_page(make_run())
    press(page, "?")
    assert page.locator("#help").is_visible()
    assert "filter by text" in page.locator("#help").inner_text()
    press(page, "j", "Escape")
    assert page.locator("#help").is_hidden()
    assert chosen_target(page) == ""


def test_the_chosen_row_is_told_to_assistive_technology(open_page: Open) -> None:
    page = open_page(make_run())
    press(page, "ArrowDown", "ArrowDown")
    name = page.locator("#list").get_attribute("aria-activedescendant")
    assert page.locator(f"#{name}").get_attribute("aria-selected") == "true"
    assert page.locator("#list").get_attribute("aria-rowcount") == "8"


@pytest.mark.parametrize("box", ["filter-websocket", "tests-failed"])
def test_keys_work_while_a_box_has_the_focus(open_page: Open, box: str) -> None:
    page = open_page(make_run())
    page.locator(f"#{box}").focus()
    press(page, "Space", "Space", "j")
    assert chosen_target(page) == "/users/7?page=1"
    press(page, "n")
    assert page.locator("#list [aria-selected=true]").get_attribute("aria-rowindex") == "4"
    press(page, "?")
    assert page.locator("#help").is_visible()


def test_letters_choose_an_option_while_a_menu_has_the_focus(open_page: Open) -> None:
    page = open_page(make_run())
    page.locator("#filter-method").focus()
    press(page, "P", "U")
    assert page.locator("#filter-method").input_value() == "PUT"
    assert chosen_target(page) == ""


def test_a_blank_ticks_the_box_that_has_the_focus(open_page: Open) -> None:
    page = open_page(make_run())
    page.locator("#filter-websocket").focus()
    press(page, "Space")
    assert list_targets(page) == ["/chat"]
