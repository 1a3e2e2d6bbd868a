from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.deadlines import scaled
from support.documents import make_document, make_entry, make_page
from support.viewing import ROWS, Open, chosen_target, count_rows, list_targets, press

if TYPE_CHECKING:
    pass


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


SCROLL_AND_FILTER = """async () => {
  const list = document.getElementById("list");
  const input = document.getElementById("filter-text");
  const told = { frames: 0, scrolled: 0, filtered: 0, took: 0 };
  const observer = new MutationObserver(() => {});
  observer.observe(list, { childList: true });
  const countAdded = () =>
    observer.takeRecords().reduce((sum, each) => sum + each.addedNodes.length, 0);
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const most = list.scrollHeight - list.clientHeight;
  await frame();
  for (let step = 0; step < 60; step += 1) {
    countAdded();
    list.scrollTop = (most * ((step * 37) % 60)) / 60;
    const wanted = `list-${Math.floor(list.scrollTop / 28) + 3}`;
    let frames = 0;
    while (!document.getElementById(wanted) && frames < 60) {
      await frame();
      frames += 1;
    }
    told.frames = Math.max(told.frames, frames);
    told.scrolled = Math.max(told.scrolled, countAdded());
  }
  for (const text of ["i", "it", "item", "item/4", "item/49", "item/499", "nothing", ""]) {
    countAdded();
    const begin = performance.now();
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    told.took = Math.max(told.took, performance.now() - begin);
    told.filtered = Math.max(told.filtered, countAdded());
  }
  return told;
}"""


def test_five_thousand_exchanges_cost_a_reader_no_more_than_five_hundred(open_page: Open) -> None:
    few, many = (open_page(make_many(count)).evaluate(SCROLL_AND_FILTER) for count in (500, 5_000))
    # Rows are built for what is in sight, however many there are, and at once: a scroll is
    # told to the page in the next frame, and its rows stand there a frame or two later.
    assert many["scrolled"] <= few["scrolled"] + 1 < 60
    assert many["filtered"] == few["filtered"] < 60
    assert many["frames"] <= 5
    assert many["took"] < scaled(2_000)


def test_a_page_is_printed_with_rows_that_are_not_in_sight(open_page: Open) -> None:
    page = open_page(make_many(300))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(ROWS).count() == 300
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(ROWS).count() < 60
