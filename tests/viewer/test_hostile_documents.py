from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.documents import make_document, make_entry, make_messages, make_page, make_run
from support.viewing import CLICK_EVERYWHERE, Open, list_targets, open_tab

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
