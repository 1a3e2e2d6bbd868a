"""The viewer's page in a browser, as its reader sees and uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., Any]
"""What the fixture `open_page` gives."""

ROWS = ".exchange"

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


def chosen_target(page: Page) -> str:
    chosen = page.locator("#list [aria-selected=true] .path")
    return chosen.inner_text() if chosen.count() else ""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
