from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.documents import TESTS, make_document, make_entry, make_run
from support.viewing import CLICK_EVERYWHERE, ROWS, Open, count_rows, list_targets, press

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_run_is_shown_with_its_tests_exchanges_and_marks(open_page: Open) -> None:
    page = open_page(make_run(), title="shop & more")
    assert page.title() == page.locator("h1").inner_text() == "shop & more"
    assert list_targets(page) == [
        *("/users/7?page=1", "/users/7", "/users/7", "/orders", "/orders", "/chat"),
        *("/slow", "/slow"),
    ]
    assert page.locator(".mark").all_inner_texts() == [
        *("no match", "handler error", "websocket", "failed", "fault"),
    ]
    assert page.locator(".test .name").all_inner_texts() == [
        "every test",
        *(each["id"].partition("::")[2] for each in TESTS),
    ]
    assert page.locator("#summary li").all_inner_texts() == [
        *("6 tests", "3 passed", "2 failed", "1 xfailed", "8 exchanges", "2 failed"),
        *("1 without a match", "1 faulted", "3 not kept"),
    ]
    assert count_rows(page) == "8 exchanges"


def test_bars_stand_where_the_exchanges_were_on_the_time_axis(open_page: Open) -> None:
    page = open_page(
        make_document([make_entry(at_ms=0, took_ms=10), make_entry(at_ms=30, took_ms=70)])
    )
    lane, first, second = (
        page.locator(selector).bounding_box()
        for selector in (".lane >> nth=0", ".bar >> nth=0", ".bar >> nth=1")
    )
    assert first["x"] == pytest.approx(lane["x"], abs=1)
    assert first["width"] == pytest.approx(lane["width"] * 0.1, abs=2)
    assert second["x"] == pytest.approx(lane["x"] + lane["width"] * 0.3, abs=2)
    assert second["width"] == pytest.approx(lane["width"] * 0.7, abs=2)
    assert page.locator("#axis span").all_inner_texts() == [
        *("0", "20 ms", "40 ms", "60 ms", "80 ms")
    ]


def test_exchanges_are_ordered_by_the_time_they_really_had(open_page: Open) -> None:
    entries = [make_entry(path=f"/{at}", at_ms=9, kit={"started_at": 100 - at}) for at in range(3)]
    assert list_targets(open_page(make_document(entries))) == ["/2", "/1", "/0"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "No exchange was recorded."),
        ({"log": {"entries": None, "pages": 3}}, "No exchange was recorded."),
        (make_document([]), "No exchange was recorded."),
    ],
)
def test_an_empty_document_says_so(open_page: Open, document: Any, told: str) -> None:
    page = open_page(document)
    assert page.locator("#empty").inner_text() == told
    assert page.locator("#tests").is_hidden()


@pytest.mark.parametrize("value", [None, 1, "text", True, [], [[]], {}, {"a": 1}, [None]])
def test_a_document_of_odd_values_is_shown_as_well_as_can_be(open_page: Open, value: Any) -> None:
    names = ["request", "response", "timings", "time", "startedDateTime", "_kit", "pageref"]
    names += ["_webSocketMessages", "_resourceType", "connection"]
    kit = dict.fromkeys(
        ["route", "matches", "near_misses", "fault", "exception", "tls", "frames", "curl"], value
    )
    parts = ["headers", "postData", "queryString", "content", "url", "status", "method"]
    half = dict.fromkeys(parts, value)
    entries = [dict.fromkeys(names, value), value, {"request": half, "response": half, "_kit": kit}]
    socket = {"_webSocketMessages": [value, {"data": value, "type": value}], "_kit": kit}
    page = open_page(make_document([*entries, socket], [value, {"id": value, "_kit": value}]))
    page.evaluate(CLICK_EVERYWHERE)
    assert page.locator(ROWS).count() == 4


# Filters


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("users page", ["/users/7?page=1"]),
        ("PUT", ["/users/7"]),
        ("hunter", []),
        ("admin", ["/users/7?page=1"]),
        ("welcome", ["/chat"]),
        ("keyerror", ["/orders"]),
        ("test_a_user_is_renamed", ["/users/7", "/users/7"]),
    ],
)
def test_words_are_looked_for_in_all_that_was_recorded(
    open_page: Open, text: str, targets: list[str]
) -> None:
    page = open_page(make_run())
    page.locator("#filter-text").fill(text)
    assert list_targets(page) == targets
    assert count_rows(page) == f"{len(targets)} of 8 exchanges"
    assert page.locator("#empty").is_visible() == (not targets)


@pytest.mark.parametrize(
    ("select", "option", "targets"),
    [
        ("method", "POST", ["/orders", "/orders"]),
        ("status", "3xx", ["/users/7"]),
        ("status", "4xx", ["/orders"]),
        ("status", "1xx", ["/chat"]),
        ("status", "no response", ["/slow"]),
    ],
)
def test_methods_and_statuses_are_chosen(
    open_page: Open, select: str, option: str, targets: list[str]
) -> None:
    page = open_page(make_run())
    page.locator(f"#filter-{select}").select_option(label=option)
    assert list_targets(page) == targets


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("failed", ["/orders", "/orders", "/slow"]),
        ("faulted", ["/slow"]),
        ("websocket", ["/chat"]),
    ],
)
def test_boxes_choose_what_is_out_of_the_ordinary(
    open_page: Open, name: str, targets: list[str]
) -> None:
    page = open_page(make_run())
    page.locator(f"#filter-{name}").check()
    assert list_targets(page) == targets


def test_a_test_chooses_its_exchanges_and_tells_how_it_failed(open_page: Open) -> None:
    page = open_page(make_run())
    page.get_by_role("option", name="test_an_order_is_made").click()
    assert list_targets(page) == ["/orders"]
    note = page.locator("#test-note").inner_text()
    assert "failed 12 ms, on gw0" in note
    assert "POST /orders matched nothing: 404" in note
    assert "assert 404 == 201" in note
    page.get_by_role("option", name="every test").click()
    assert count_rows(page) == "8 exchanges"
    assert page.locator("#test-note").is_hidden()


def test_only_failed_tests_are_listed_where_that_is_asked_for(open_page: Open) -> None:
    page = open_page(make_run())
    page.locator("#tests-failed").check()
    assert page.locator(".test .name").all_inner_texts() == [
        *("every test", "test_an_order_is_made", "test_an_unknown_article"),
    ]


def test_filters_are_cleared_together(open_page: Open) -> None:
    page = open_page(make_run())
    page.get_by_role("option", name="test_a_reset_is_retried").click()
    page.locator("#filter-failed").check()
    page.locator("#filter-text").fill("slow")
    assert count_rows(page) == "1 of 8 exchanges"
    page.locator("#clear").click()
    assert count_rows(page) == "8 exchanges"
    assert page.locator("#filter-text").input_value() == ""


# Light and dark


def read_paper(page: Page) -> str:
    paper: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return paper


def read_after_reload(page: Page, expected: str) -> str:
    """Read the colour of the page loaded again, when the browser has stored the choice."""
    for _ in range(50):
        page.reload()
        if read_paper(page) == expected:
            break
    return read_paper(page)


WHITE, DARK = "rgb(255, 255, 255)", "rgb(22, 24, 28)"


@pytest.mark.parametrize(
    ("scheme", "before", "after"), [("light", WHITE, DARK), ("dark", DARK, WHITE)]
)
def test_the_page_follows_the_readers_system_and_switches(
    open_page: Open, scheme: str, before: str, after: str
) -> None:
    page = open_page(make_run(), scheme=scheme)
    assert read_paper(page) == before
    press(page, "d")
    assert read_paper(page) == after
    page.locator("#theme").click()
    assert read_paper(page) == before
    press(page, "d")
    assert read_after_reload(page, after) == after


def test_a_screenshot_can_be_taken(open_page: Open, shot_path: Path) -> None:
    page = open_page(make_run(), title="shop")
    page.locator(ROWS, has_text="/chat").click()
    page.get_by_role("tab", name="Frames").click()
    page.locator(".frame").nth(1).click()
    page.screenshot(path=shot_path)
    assert 20_000 < shot_path.stat().st_size < 200_000
