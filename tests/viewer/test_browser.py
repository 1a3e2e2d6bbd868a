from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.documents import (
    TESTS,
    make_document,
    make_entry,
    make_messages,
    make_page,
    make_run,
    write_fields,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., Any]

ROWS = ".exchange"
SCRIPT = "globalThis.planted = 1"

HOSTILE = [
    f"</script><script>{SCRIPT}</script>",
    f"<img src=x onerror='{SCRIPT}'>",
    f"<svg onload='{SCRIPT}'></svg>",
    "\"><iframe srcdoc='<script>parent.planted = 1</script>'>",
    f"javascript:{SCRIPT}",
    f"data:text/html,<script>{SCRIPT}</script>",
    f"';{SCRIPT};//",
    f"`;${{{SCRIPT}}}",
    f"\u2028{SCRIPT}\u2029",
    "\ud800\udfff\ud800 alone",
    "\u202egnp.exe\u202c \x1b[31m \x00",
    "__proto__",
    "{{{{[[[[" * 500,
    json.dumps([[["deep"]]]) * 3,
    "[" * 5000 + "]" * 5000,
    f'{{"__proto__": {{"x": 1}}, "constructor": "{SCRIPT}", "a": "</script>"}}',
    "a" * 60_000,
]


CLICK_EVERYWHERE = """() => {
  for (let row = 0; row < document.querySelectorAll(".exchange").length; row += 1) {
    document.querySelectorAll(".exchange")[row].click();
    for (const tab of document.querySelectorAll("[role=tab]")) {
      tab.click();
      for (const part of document.querySelectorAll(".frame, .tab-panel button")) {
        part.dispatchEvent(new MouseEvent("click"));
      }
    }
  }
}"""


def list_targets(page: Page) -> list[str]:
    return page.locator(f"{ROWS} .path").all_inner_texts()


def count_rows(page: Page) -> str:
    return page.locator("#count").inner_text()


def read_detail(page: Page) -> str:
    return page.locator("#tab-panel").inner_text()


def open_tab(page: Page, target: str, tab: str) -> str:
    page.locator(ROWS, has_text=target).first.click()
    page.get_by_role("tab", name=tab, exact=True).click()
    return read_detail(page)


# The list


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


# One exchange


def test_the_overview_tells_route_matches_timings_and_tls(open_page: Open) -> None:
    page = open_page(make_run())
    told = open_tab(page, "/users/7?page=1", "Overview")
    for text in (
        "https://localhost:4343/users/7?page=1",
        "GET /users/:id → Users.show",
        'id = "7"',
        "tests/test_users.py::test_a_user_is_shown",
        "TLSv1.3, TLS_AES_256_GCM_SHA384, for localhost",
        "1.8 ms",
    ):
        assert text in told


@pytest.mark.parametrize(
    ("target", "row", "texts"),
    [
        ("/orders", 0, ["Nothing took it", "✗ json: at qty: expected 2, got 3"]),
        ("/orders", 1, ["The handler raised", "KeyError: 'z9'", "Orders.create"]),
        ("/slow", 0, ["Failed", "reset after 10 bytes", "reset after 10 B"]),
    ],
)
def test_trouble_is_told_first(open_page: Open, target: str, row: int, texts: list[str]) -> None:
    page = open_page(make_run())
    page.locator(ROWS, has_text=target).nth(row).click()
    told = read_detail(page)
    assert told.startswith(texts[0])
    assert all(text in told for text in texts)


def test_json_is_laid_out_and_no_digit_of_it_is_lost(open_page: Open) -> None:
    page = open_page(make_run())
    told = open_tab(page, "/users/7?page=1", "Response")
    assert '\n  "big": 12345678901234567890,\n' in told
    assert '"tags": [\n    "admin",\n    "beta"\n  ],' in told
    page.get_by_role("button", name="As it came").click()
    assert '{"id":7,"name":"Ada"' in read_detail(page)


def test_requests_show_fields_query_and_body(open_page: Open) -> None:
    entry = make_entry("POST", "/form", sent="raw body")
    entry["request"]["queryString"] = write_fields(page="1")
    entry["request"]["headers"] = [*write_fields(A="1", B=""), *write_fields(A="2")]
    told = open_tab(open_page(make_document([entry])), "/form", "Request")
    assert [line.strip() for line in told.splitlines() if line.strip()] == [
        *("Header", "A\t1", "B", "A\t2", "Query", "page\t1", "Body", "raw body"),
    ]


def test_bytes_are_shown_in_hexadecimal_and_images_as_such(open_page: Open) -> None:
    pixel = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
        "rkJggg=="
    )
    entry = make_entry(path="/pixel")
    entry["response"]["content"] = {"mimeType": "image/png", "text": pixel, "encoding": "base64"}
    page = open_page(make_document([entry]))
    told = open_tab(page, "/pixel", "Response")
    assert "000000  89 50 4e 47 0d 0a 1a 0a 00 00 00 0d 49 48 44 52  .PNG........IHDR" in told
    loaded = page.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert loaded == 1


def test_the_raw_messages_are_shown(open_page: Open) -> None:
    told = open_tab(open_page(make_run()), "/orders", "Raw")
    assert "POST /orders HTTP/1.1\nHost: localhost:4343\nAccept: */*" in told
    assert "HTTP/1.1 404 Not Found\nContent-Type: application/json" in told


def test_the_curl_command_is_shown(open_page: Open) -> None:
    told = open_tab(open_page(make_run()), "/orders", "curl")
    assert 'curl --cacert "$KIT_CA" https://localhost:4343/orders' in told
    assert '--data-raw \'{"sku":"a1","qty":3}\'' in told


def test_frames_are_drawn_as_a_sequence(open_page: Open) -> None:
    page = open_page(make_run())
    open_tab(page, "/chat", "Frames")
    labels = [each.get_attribute("aria-label") for each in page.locator(".frame").all()]
    assert labels == [
        'client to server: Text, 15 B  {"say":"hello"}',
        'server to client: Text, 36 B  {"from":"host","say":"welcome, ada"}',
        "server to client: Ping, 0 B",
        "client to server: Pong, 0 B",
        "client to server: Binary, 8 B  89 50 4e 47 0d 0a 1a 0a",
        "client to server: Close 1000, 5 B  bye",
        "server to client: Close 1000, 2 B",
    ]
    assert page.locator(".frame .at").first.text_content() == "+4 ms"
    page.locator(".frame").nth(1).click()
    assert '"say": "welcome, ada"' in page.locator(".frame-detail").inner_text()
    page.locator(".frame").nth(4).press("Enter")
    assert "000000  89 50 4e 47" in page.locator(".frame-detail").inner_text()


def test_messages_are_cut_into_the_frames_they_came_in(open_page: Open) -> None:
    facts = [("send", 1, False, 2), ("receive", 9, True, 0), ("send", 0, True, 3)]
    frames = [
        {"direction": direction, "opcode": opcode, "fin": fin, "size": size, "time": at}
        for at, (direction, opcode, fin, size) in enumerate(facts)
    ]
    messages = make_messages(("receive", 9, ""), ("send", 1, "hello"))
    entry = make_entry(path="/cut", _webSocketMessages=messages, kit={"frames": frames})
    page = open_page(make_document([entry]))
    open_tab(page, "/cut", "Frames")
    labels = [each.get_attribute("aria-label") for each in page.locator(".frame").all()]
    assert labels == [
        "client to server: Text (to be continued), 2 B  he",
        "server to client: Ping, 0 B",
        "client to server: Continuation, 3 B  llo",
    ]


def test_of_many_frames_a_hundred_are_drawn_at_a_time(open_page: Open) -> None:
    messages = make_messages(*(("send", 1, f"number {at}") for at in range(2_500)))
    page = open_page(make_document([make_entry(path="/many", _webSocketMessages=messages)]))
    assert "frames 1 to 100 of 2500" in open_tab(page, "/many", "Frames")
    assert page.locator(".frame").count() == 100
    page.get_by_role("button", name="Later").click()
    assert "frames 101 to 200 of 2500" in read_detail(page)
    assert "number 100" in (page.locator(".frame").first.get_attribute("aria-label") or "")
    page.get_by_role("button", name="Earlier").click()
    assert page.get_by_role("button", name="Earlier").is_disabled()


# Keys


def chosen_target(page: Page) -> str:
    chosen = page.locator("#list [aria-selected=true] .path")
    return chosen.inner_text() if chosen.count() else ""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


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


# Recorded bytes are data


def make_hostile(text: str) -> Any:
    """Make a document that has a text wherever a text can be."""
    fields = [{"name": text, "value": text}]
    names = ["error", "route", "fault", "exception", "near_misses", "curl", "state", "role"]
    names += ["local", "peer", "ordinal"]
    kit: dict[str, Any] = dict.fromkeys(names, text)
    kit |= {
        "matches": {text: text},
        "tls": {"version": text, "sni": text},
        "request_body": {"sha256": text},
    }
    entry = make_entry(text, f"/{text}", page=text, body=text, sent=text, kit=kit)
    entry["request"] |= {"url": text, "headers": fields, "queryString": fields}
    entry["response"] |= {"headers": fields, "statusText": text, "status": text}
    entry["response"]["content"]["mimeType"] = text
    socket = make_entry(
        path="/socket", _webSocketMessages=make_messages(("send", 1, text), ("receive", 2, text))
    )
    problems = {"problems": [text], "failure": text, "worker": text}
    return make_document([entry, socket], [make_page(text, text, **problems)], dropped=text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_was_recorded_runs(open_page: Open, text: str) -> None:
    page = open_page(make_hostile(text), title=text)
    page.locator(".test").nth(1).click()
    page.locator(".test").nth(0).click()
    page.evaluate(CLICK_EVERYWHERE)
    assert page.evaluate("globalThis.planted") is None
    assert page.evaluate("document.querySelectorAll('iframe, a, object, embed').length") == 0
    assert page.evaluate("document.querySelectorAll('script').length") == 2
    assert page.url.startswith("file:")


def test_the_policy_keeps_foreign_script_out_even_if_it_were_in_the_page(
    browser: Any, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(make_run())
    path = tmp_path / "0.html"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<main", f"<script>{SCRIPT}</script><main"), encoding="utf-8")
    context = browser.new_context()
    other = context.new_page()
    complaints: list[str] = []
    other.on("console", lambda message: complaints.append(message.text))
    other.goto(path.as_uri())
    assert other.evaluate("globalThis.planted") is None
    assert len(complaints) == 1
    assert "Content Security Policy" in complaints[0]
    context.close()
    assert page.evaluate("globalThis.planted") is None


def test_characters_that_cannot_be_seen_are_shown(open_page: Open) -> None:
    entry = make_entry(path="/a\u202eb\x00\ud800c", body="line\r\none\x1b[0m\tand \u2028two")
    page = open_page(make_document([entry]))
    assert list_targets(page) == ["/a\\u{202e}b\\u{0}\\u{d800}c"]
    told = open_tab(page, "/a", "Response")
    assert "line\none\\u{1b}[0m\tand \\u{2028}two" in told


# Many


def make_many(count: int) -> Any:
    pages = [make_page(f"test_many.py::test_{at}") for at in range(count)]
    entries = [
        make_entry(path=f"/item/{at}", at_ms=at * 3, page=f"test_many.py::test_{at}")
        for at in range(count)
    ]
    return make_document(entries, pages)


def test_of_five_thousand_exchanges_only_those_in_sight_are_in_the_page(open_page: Open) -> None:
    page = open_page(make_many(5_000))
    assert count_rows(page) == "5000 exchanges"
    sizes = []
    for step in (0, 40_000, 139_000):
        page.locator("#list").evaluate(f"list => {{ list.scrollTop = {step}; }}")
        page.locator(ROWS, has_text=f"/item/{min(step // 28 + 3, 4_990)}").first.wait_for()
        sizes.append(page.evaluate("document.querySelectorAll('*').length"))
    assert max(sizes) < 1_500
    assert page.locator(ROWS).count() < 60
    page.locator("#list").focus()
    press(page, "End")
    assert chosen_target(page) == "/item/4999"
    press(page, "PageUp", "Home")
    assert chosen_target(page) == "/item/0"
    page.locator("#filter-text").fill("item/4321")
    assert list_targets(page) == ["/item/4321"]


def test_a_page_is_printed_with_rows_that_are_not_in_sight(open_page: Open) -> None:
    page = open_page(make_many(300))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(ROWS).count() == 300
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(ROWS).count() < 60


def test_a_screenshot_can_be_taken(open_page: Open, shot_path: Path) -> None:
    page = open_page(make_run(), title="shop")
    page.locator(ROWS, has_text="/chat").click()
    page.get_by_role("tab", name="Frames").click()
    page.locator(".frame").nth(1).click()
    page.screenshot(path=shot_path)
    assert 20_000 < shot_path.stat().st_size < 200_000
