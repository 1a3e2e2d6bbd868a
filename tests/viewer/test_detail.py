from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.documents import make_document, make_entry, make_messages, make_run, write_fields
from support.viewing import ROWS, Open, open_tab, read_detail

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
        ("/orders", 0, ["Nothing took it", "✗ json: at qty:"]),
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


NEAR = """of 2 stubs the nearest are

stub 1: POST /orders
  ✓ method POST
  ✗ header x-a: expected '1', got nothing
  ✗ json:
      $.qty: expected 2, got 3
      $.lines[1].b: missing, expected "x"
      $.extra: unexpected, got 1
      $.note: expected ", got ", got "else"
"""


def open_near(open_page: Open, near: str) -> Page:
    entry = make_entry("POST", "/orders", 404, kit={"near_misses": near})
    page: Page = open_page(make_document([entry]))
    open_tab(page, "/orders", "Overview")
    return page


def test_what_parts_a_request_from_a_stub_is_marked_by_signs(open_page: Open) -> None:
    page = open_near(open_page, NEAR)
    assert page.locator(".near-misses").inner_text().splitlines()[2:] == [
        *("stub 1: POST /orders", "  ✓ method POST"),
        *("  ✗ header x-a:", "-   expected '1'", "+   got nothing"),
        *("  ✗ json:", "      $.qty:", "-       expected 2", "+       got 3"),
        *("      $.lines[1].b: missing", '-       expected "x"'),
        *("      $.extra: unexpected", "+       got 1"),
        # Where the text parts cannot be told for sure.
        *('      $.note: expected ", got ", got "else"', " "),
    ]


def test_what_parts_a_request_from_a_stub_is_marked_by_colours_and_elements(
    open_page: Open,
) -> None:
    page = open_near(open_page, NEAR)
    assert page.locator(".near-misses del").all_inner_texts() == [
        *("-   expected '1'", "-       expected 2", '-       expected "x"'),
    ]
    assert page.locator(".near-misses ins").all_inner_texts() == [
        *("+   got nothing", "+       got 3", "+       got 1"),
    ]
    colour = "element => getComputedStyle(element).%s"
    papers = [
        page.locator(f".near-misses {tag}").first.evaluate(colour % "backgroundColor")
        for tag in ("del", "ins", ".line")
    ]
    inks = [
        page.locator(f".near-misses .{kind}").first.evaluate(colour % "color")
        for kind in ("held", "failed", "line")
    ]
    assert len(set(papers)) == len(set(inks)) == 3


def test_of_many_differences_only_some_are_elements(open_page: Open) -> None:
    lines = [f"$.a[{at}]: expected {at}, got 0" for at in range(1_000)]
    page = open_near(open_page, "\n".join(lines))
    assert page.locator(".near-misses .line").count() == 3 * 500 + 1
    assert page.locator(".near-misses").inner_text().endswith(lines[-1])
