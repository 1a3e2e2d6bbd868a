"""A headless Chromium, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kit.viewer import write
from support.deadlines import scaled
from support.viewing import Open

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")


# For a module, not for the session: as long as it lives, its event loop counts as running
# in this thread, where other modules' tests run loops of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium; its tests skip where it, or Playwright, is not installed."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed, which drives Chromium"
    )
    paths = list(filter(None, map(shutil.which, NAMES)))
    if not paths:
        pytest.skip("no Chromium is installed (Debian: chromium)")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=paths[0], args=list(ARGUMENTS), timeout=scaled(60_000)
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open the page of a document; fail for whatever the console has to complain about."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_one(document: Any, *, scheme: str = "light", title: str = "run") -> Page:
        path = write(tmp_path / f"{len(contexts)}.html", document, title=title)
        context = browser.new_context(
            viewport={"width": 1280, "height": 720},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(scaled(10_000))
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: note_request(request.url))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri())
        return page

    def note_request(url: str) -> None:
        if not url.startswith(("file:", "data:")):
            complaints.append(f"request: {url}")

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def shot_path(tmp_path: Path) -> Path:
    """Where a screenshot goes: to $KIT_SHOT if that is set."""
    return Path(os.environ.get("KIT_SHOT") or tmp_path / "viewer.png")
