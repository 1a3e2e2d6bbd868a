"""A recording of ours, read by what Chromium's developer tools import HAR files with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.deadlines import scaled
from support.har_entries import FIXTURES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOOLS = "devtools://devtools/bundled"
IMPORT = f"""async (text) => {{
  const har = await import("{TOOLS}/models/har/har.js");
  const root = new har.HARFormat.HARRoot(JSON.parse(text));
  const told = [];
  for (const request of har.Importer.Importer.requestsFromHARLog(root.log)) {{
    const content = await request.requestContentData();
    told.push({{
      method: request.requestMethod, url: request.url(), status: request.statusCode,
      text: content.isTextContent ? content.text : content.base64,
      posted: await request.requestFormData(), type: request.resourceType().name(),
      frames: request.frames().map((frame) => [frame.type, frame.opCode, frame.text]),
    }});
  }}
  return told;
}}"""


@pytest.fixture
def requests(browser: Browser) -> dict[str, Any]:
    """Give what the tools have read, by path."""
    context = browser.new_context()
    context.set_default_timeout(scaled(20_000))
    page = context.new_page()
    page.goto(f"{TOOLS}/devtools_app.html")
    text = (FIXTURES / "read-by-mitmproxy" / "given.har").read_text(encoding="utf-8")
    has_tools = f"import('{TOOLS}/models/har/har.js').then(() => true, () => false)"
    told = page.evaluate(IMPORT, text) if page.evaluate(has_tools) else None
    context.close()
    if told is None:
        pytest.skip("this Chromium has its developer tools elsewhere")
    return {each["url"].split("/", 3)[3].partition("?")[0]: each for each in told}


def test_the_developer_tools_read_requests_bodies_and_frames(requests: dict[str, Any]) -> None:
    assert {path: (each["method"], each["status"]) for path, each in requests.items()} == {
        "": ("GET", 200),
        "users/ada": ("GET", 200),
        "orders": ("POST", 201),
        "form": ("POST", 200),
        "gzip": ("GET", 200),
        "pixel.png": ("GET", 200),
        "events": ("GET", 200),
        "echo": ("GET", 101),
    }
    assert requests["users/ada"]["url"].endswith("?page=1&page=2&api_key=k-123456")
    assert requests["form"]["posted"] == "name=Ada+L&token=t+1&name=%C3%A9"
    assert requests["gzip"]["text"].startswith('{"text": "wirekit wirekit ')
    assert requests["pixel.png"]["text"].startswith("iVBORw0KGgo")
    assert (requests["pixel.png"]["type"], requests["echo"]["type"]) == ("image", "websocket")
    assert requests["echo"]["frames"] == [
        ["send", 1, "hällo"],
        ["receive", 1, "hällo"],
        ["send", 2, "AQL/"],
        ["receive", 2, "AQL/"],
        ["send", 8, "A+g="],
        ["receive", 8, "A+g="],
    ]
