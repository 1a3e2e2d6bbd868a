"""Recordings of ours, played to a page by Playwright in Chromium."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kit
from kit import Cassette, HTTPServer, JsonResponse, Request, Response, Upstream
from kit.viewer.run import RealTime, RunRecord, Told, pack_test
from support.deadlines import scaled

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<!doctype html><meta charset="utf-8"><title>Café</title><script>
async function run() {
  const told = [];
  const user = await fetch("/users/ada?page=1&page=2");
  told.push(user.status, (await user.json()).name);
  const order = await fetch("/orders", {method: "POST", body: '{"sku":"a1"}',
    headers: {"Content-Type": "application/json"}});
  told.push(order.status, (await order.json()).id, order.headers.get("x-kind"));
  const bytes = new Uint8Array(await (await fetch("/bytes")).arrayBuffer());
  told.push([...bytes].join(" "));
  told.push(await fetch("/never").then(() => "answered", () => "not recorded"));
  document.title = "told";
  return told;
}
</script>"""

BYTES = bytes([0, 255, 13, 10])
TOLD = [200, "ada é", 201, 7, "new", "0 255 13 10", "not recorded"]


def show_page(request: Request) -> Response:
    return Response(PAGE, headers={"Content-Type": "text/html; charset=utf-8"})


def show_user(request: Request) -> Response:
    return JsonResponse({"name": f"{request.matches['name']} é"}, compress=True)


def take_order(request: Request) -> Response:
    return JsonResponse({"id": 7, "of": request.json()}, 201, {"X-Kind": "new"})


def show_bytes(request: Request) -> Response:
    return Response(iter([BYTES[:2], BYTES[2:]]), headers={"Content-Type": "x/y"})


@pytest.fixture
def site() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(
            [
                ("GET", "/", show_page),
                ("GET", "/users/:name", show_user),
                ("POST", "/orders", take_order),
                ("GET", "/bytes", show_bytes),
            ]
        )
        yield server


def visit(url: str) -> None:
    """Ask for all that the page asks for."""
    kind = {"Content-Type": "application/json"}
    for request in (
        urllib.request.Request(f"{url}/"),
        urllib.request.Request(
            f"{url}/users/ada?page=1&page=2", headers={"Accept-Encoding": "gzip"}
        ),
        urllib.request.Request(f"{url}/orders", b'{"sku":"a1"}', kind),
        urllib.request.Request(f"{url}/bytes"),
    ):
        with urllib.request.urlopen(request, timeout=scaled(20)) as response:
            response.read()


def write_cassette(site: HTTPServer, path: Path) -> None:
    with (
        Upstream(site.url) as source,
        Cassette(path, mode="once", upstream=source) as cassette,
        HTTPServer(("127.0.0.1", 0)) as server,
    ):
        server.fallback = cassette
        visit(server.url)


def write_journal(site: HTTPServer, path: Path) -> None:
    visit(site.url)
    site.journal.wait_for(count=4, state="complete", timeout=scaled(20))
    kit.har.write(path, kit.har.export(site.journal))


def write_run(site: HTTPServer, path: Path) -> None:
    """Write what `--kit-har` does."""
    visit(site.url)
    site.journal.wait_for(count=4, state="complete", timeout=scaled(20))
    record = RunRecord()
    packed = pack_test(site.journal, name="test_a.py::test_it", real_time=RealTime())
    record.add(Told(name="test_a.py::test_it", outcome="passed"), packed)
    record.write_har(path)


@pytest.mark.parametrize("write", [write_cassette, write_journal, write_run])
def test_playwright_answers_a_page_from_a_recording_of_ours(
    browser: Browser, site: HTTPServer, tmp_path: Path, write: Any
) -> None:
    path = tmp_path / "recording.har"
    write(site, path)
    assert len(json.loads(path.read_bytes())["log"]["entries"]) == 4
    site.stop()
    context = browser.new_context()
    context.set_default_timeout(scaled(20_000))
    context.route_from_har(path, not_found="abort")
    page = context.new_page()
    page.goto(f"{site.url}/")
    assert page.title() == "Café"
    assert page.evaluate("run()") == TOLD
    context.close()
