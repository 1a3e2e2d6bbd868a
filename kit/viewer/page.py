"""A HAR document as one HTML page, which needs nothing but a browser.

What was recorded is data in the page, and is never markup or script: it stands in an
element that is no script, with every character escaped that could end it; the page's
own script makes elements of its text only; and the page's Content-Security-Policy
allows that script and that style by their digests, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import ConfigurationError
from kit.viewer.commands import add_commands

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

DEFAULT_TITLE = "wirekit"

# In the order in which they stand on each other.
_SCRIPTS = ("text.js", "dom.js", "model.js", "sequence.js", "diff.js", "detail.js", "viewer.js")
_PLACE = re.compile(r"\{\{(\w+)\}\}")
# JSON has these inside of strings only, where an escape means the same. All that is not
# ASCII is escaped already, lone surrogates and U+2028 among it.
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render(document: Mapping[str, Any], *, title: str = DEFAULT_TITLE) -> str:
    """Make the page of a HAR document.

    Args:
        document: `{"log": {...}}`, as `kit.record.har.export` makes it or as any other
            tool does; the page makes do with what it finds.
        title: the page's heading.

    Returns:
        The page; the same document gives the same page.

    Raises:
        ConfigurationError: the document cannot be written as JSON.
    """
    script, style = _read_script(), _read("viewer.css")
    parts = {
        "policy": _write_policy(script, style),
        "title": html.escape(_show(title)),
        "style": style,
        "script": script,
        "data": _embed(add_commands(document)),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _read("template.html"))


def write(
    path: str | os.PathLike[str], document: Mapping[str, Any], *, title: str | None = None
) -> Path:
    """Write the page of a HAR document; whoever reads the file sees all of it, or the old one.

    Args:
        path: the file; the folders on its way are made.
        document: as for `render`.
        title: the page's heading; the file's name without its suffix if None.

    Returns:
        The path.

    Raises:
        ConfigurationError: the document cannot be written as JSON.
        OSError: the file cannot be written.
    """
    path = Path(path)
    page = render(document, title=path.stem if title is None else title)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        draft.write_bytes(page.encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _embed(document: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"a document to view must be JSON, a HAR's dict for example: {error}"
        ) from error
    return text.translate(_ESCAPED)


def _write_policy(script: str, style: str) -> str:
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _show(text: str) -> str:
    # A surrogate that stands alone cannot be encoded.
    return text.encode("utf-8", "backslashreplace").decode()


@cache
def _read_script() -> str:
    parts = "\n".join(_read(f"script/{name}") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


@cache
def _read(name: str) -> str:
    # A checkout may have other line ends, a browser's parser makes them these.
    text = resources.files("kit.viewer").joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")
