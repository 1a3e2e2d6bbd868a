"""A viewer's page taken apart as a browser does."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from typing import Any


@dataclasses.dataclass
class Page:
    """What a page consists of.

    Attributes:
        policy: the Content-Security-Policy.
        title: the text of the title element.
        heading: the text of the h1 element.
        styles: the contents of the style elements.
        scripts: the contents of the script elements that are run.
        data: the contents of those that are not.
        tags: the names of all elements, as they begin.
        attributes: name and value of every attribute of them.
    """

    policy: str = ""
    title: str = ""
    heading: str = ""
    styles: list[str] = dataclasses.field(default_factory=list)
    scripts: list[str] = dataclasses.field(default_factory=list)
    data: list[str] = dataclasses.field(default_factory=list)
    tags: list[str] = dataclasses.field(default_factory=list)
    attributes: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def document(self) -> Any:
        """The document that the page shows."""
        return json.loads(self.data[0])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.tags.append(tag)
        self.page.attributes += given.items()
        if given.get("http-equiv") == "Content-Security-Policy":
            self.page.policy = given["content"]
        self._inside = tag
        if tag == "script":
            self._inside = "data" if given.get("type") == "application/json" else "script"
            (self.page.data if self._inside == "data" else self.page.scripts).append("")
        elif tag == "style":
            self.page.styles.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        page = self.page
        lists = {"script": page.scripts, "data": page.data, "style": page.styles}
        if self._inside in lists:
            lists[self._inside][-1] += data
        elif self._inside == "title":
            page.title += data
        elif self._inside == "h1":
            page.heading += data


def read_page(text: str) -> Page:
    """Take a page apart."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page
