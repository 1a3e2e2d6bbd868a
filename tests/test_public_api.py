"""The public names and signatures are those of `public_api.txt`, which is part of the release."""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path

import pytest

from support.public_api import MODULES, describe_api, list_members

SNAPSHOT = Path(__file__).with_name("public_api.txt")

INSTRUCTION = """
The public API is not what tests/public_api.txt says (- as it was, + as it is).

If that is not meant, undo it: names and signatures are kept for one minor version after they are
deprecated. If it is meant, tell it in CHANGELOG.md, and renew the file:

    cd tests && python -m support.public_api > public_api.txt
"""


def compare_api(kept: list[str], found: list[str]) -> str:
    """Tell how the API differs from the one that was kept, and what to do; "" if it does not."""
    if kept == found:
        return ""
    lines = difflib.unified_diff(kept, found, "public_api.txt", "kit", n=0, lineterm="")
    return "\n".join([INSTRUCTION, *lines])


def test_the_public_api_is_the_one_that_was_kept() -> None:
    kept = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    told = compare_api(kept, [*describe_api()])
    assert told == "", told


def test_a_changed_signature_is_told_with_what_to_do() -> None:
    found = [*describe_api()]
    changed = [line.replace("kit.get(path: ", "kit.get(route: ") for line in found]
    told = compare_api(changed, found).splitlines()
    assert "    cd tests && python -m support.public_api > public_api.txt" in told
    assert [line.partition(":")[0] for line in told if line.startswith(("-kit", "+kit"))] == [
        "-kit.get(route",
        "+kit.get(path",
    ]


@pytest.mark.parametrize("path", MODULES)
def test_each_public_name_is_there_once(path: str) -> None:
    names = list(MODULES[path].__all__)
    assert len(names) == len(set(names)) > 0
    assert [name for name in names if not hasattr(MODULES[path], name)] == []


def test_every_public_thing_of_each_module_has_a_docstring() -> None:
    undocumented = [
        f"{path}.{name}"
        for path, module in MODULES.items()
        for name in module.__all__
        if callable(thing := getattr(module, name)) and not vars(thing).get("__doc__", "")
        if not getattr(thing, "__doc__", "")
    ]
    assert undocumented == []


def test_every_public_method_and_property_has_a_docstring() -> None:
    members = {
        f"{path}.{name}.{attribute}": member
        for path, module in MODULES.items()
        for name in module.__all__
        if isinstance(thing := getattr(module, name), type)
        for attribute, member in list_members(thing).items()
        if isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)
    }
    assert {"kit.HTTPServer.start", "kit.testing.RawClient.close"} <= members.keys()
    assert [name for name, member in members.items() if not inspect.getdoc(member)] == []
