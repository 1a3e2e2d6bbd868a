from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.viewer import render, write
from support.documents import make_document, make_entry, make_run
from support.modules import ROOT
from support.pages import Page, read_page

HOSTILE = [
    "</script><script>planted = 1</script>",
    "</SCRIPT\t>",
    "<!--<script>",
    "]]>",
    "&lt;&#60;",
    "\u2028\u2029",
    "\ud800 alone, \udc00 too",
    "\x00\x1b[31m\x7f",
    "{{script}} {{data}} {{style}}",
    "\\u003c/script\\u003e",
]


def render_page(document: Any, **options: str) -> Page:
    return read_page(render(document, **options))


def digest_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("text", HOSTILE)
def test_recorded_text_does_not_leave_its_element(text: str) -> None:
    usual, page = render_page(make_document([])), render_page(make_document([{"comment": text}]))
    assert page.tags == usual.tags
    assert page.scripts == usual.scripts
    assert page.styles == usual.styles
    assert page.document["log"]["entries"] == [{"comment": text}]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_document_that_is_json_comes_through_as_it_is(document: dict[str, Any]) -> None:
    text = render(document)
    page = read_page(text)
    assert page.document == document
    assert len(page.scripts) == 1
    assert text.isascii() or "✓" not in page.data[0]
    assert page.data[0].isascii()


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else() -> None:
    page = render_page(make_run())
    [script], [style] = page.scripts, page.styles
    assert page.policy.split("; ") == [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "img-src data:",
        f"script-src {digest_of(script)}",
        f"style-src {digest_of(style)}",
    ]


def test_the_policy_does_not_depend_on_the_document() -> None:
    assert render_page(make_run()).policy == render_page(make_document([])).policy


def test_the_page_comes_without_event_handlers_and_inline_style() -> None:
    names = {name for name, _ in render_page(make_run()).attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]


def test_the_page_asks_for_nothing_from_anywhere() -> None:
    page = render_page(make_run())
    links = [value for name, value in page.attributes if name in {"src", "href", "action"}]
    assert links == ["data:,"]
    assert not re.search(r"url\(|@import", page.styles[0])
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket\(|import\(", page.scripts[0])


@pytest.mark.parametrize(
    "sink",
    [
        r"innerHTML",
        r"outerHTML",
        r"insertAdjacentHTML",
        r"document\.write",
        r"\beval\b",
        r"new Function",
        r"\.href\b",
        r"setAttribute\(\"style\"",
        r"DOMParser",
        r"createContextualFragment",
    ],
)
def test_the_script_makes_no_markup_of_text(sink: str) -> None:
    assert not re.search(sink, render_page(make_document([])).scripts[0])


def test_script_and_style_cannot_end_their_own_elements() -> None:
    folder = ROOT / "kit" / "viewer"
    for path in [*folder.glob("script/*.js"), folder / "viewer.css"]:
        assert not re.search(r"</|<!--", path.read_text(encoding="utf-8")), path.name


def test_every_script_of_the_package_is_in_the_page() -> None:
    [script] = render_page(make_document([])).scripts
    for path in (ROOT / "kit" / "viewer" / "script").iterdir():
        assert path.read_text(encoding="utf-8") in script, path.name


def test_the_same_document_gives_the_same_page() -> None:
    assert render(make_run()) == render(make_run())


def test_the_document_is_left_as_it_is() -> None:
    document = make_run()
    render(document)
    assert document == make_run()


def test_the_title_is_text() -> None:
    page = render_page(make_document([]), title="<b>a & b</b> {{data}} \ud800")
    assert page.title == page.heading == "<b>a & b</b> {{data}} \\ud800"


def test_every_request_is_given_its_command() -> None:
    [entry] = render_page(make_document([make_entry()])).document["log"]["entries"]
    assert entry["_kit"]["curl"].startswith('curl --cacert "$KIT_CA" https://localhost:4343/')


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"log": b"bytes"}, "Object of type bytes is not JSON serializable"),
        ({"log": float("nan")}, "Out of range float values are not JSON compliant"),
    ],
)
def test_a_document_that_is_no_json_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        render(document)
    told = "a document to view must be JSON, a HAR's dict for example: "
    assert str(caught.value).startswith(told + reason)


def test_a_document_that_is_nested_too_deeply_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    try:
        with pytest.raises(ConfigurationError, match="a document to view must be JSON"):
            render({"log": deep})
    finally:
        while deep:  # so that freeing it does not recurse
            deep = deep.pop()


# In a file


def test_a_page_is_written_with_its_folders_and_the_files_name_as_title(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "b" / "shop.html", make_run())
    assert path == tmp_path / "a" / "b" / "shop.html"
    assert path.read_text(encoding="utf-8") == render(make_run(), title="shop")
    assert [each.name for each in path.parent.iterdir()] == ["shop.html"]


def test_a_page_takes_another_ones_place_and_has_the_title_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write(path, make_document([]))
    write(str(path), make_run(), title="the run")
    assert path.read_text(encoding="utf-8") == render(make_run(), title="the run")


def test_what_cannot_be_written_leaves_the_old_page_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.mkdir()
    with pytest.raises(OSError, match=re.escape("page.html")):
        write(path, make_run())
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
