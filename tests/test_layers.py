"""The architecture, read off the code's own imports.

    7  kit.cli  kit.__main__  pytest_plugin    on kit's public names only
    6  kit  kit.testing  kit.viewer            the public names
    5  kit.server  kit.client  kit.proxy       never import each other
    4  kit.engine                              who runs what when
    3  kit.routing  kit.expect  kit.record     what to answer; what happened
       kit.faults                              what goes wrong on purpose
    2  kit.wire                                bytes to events and back
    1  kit.messages  headers  serializable  paths  clock  limits  loops
    0  kit.errors  kit.opcodes  kit.version

A module imports only from its own layer and lower ones.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.modules import ROOT, Import, Module, find_circle, read_modules

LAYERS = {
    "kit.errors": 0,
    "kit.opcodes": 0,
    "kit.version": 0,
    "kit.limits": 1,
    "kit.loops": 1,
    "kit.clock": 1,
    "kit.headers": 1,
    "kit.paths": 1,
    "kit.serializable": 1,
    "kit.messages": 1,
    "kit.wire": 2,
    "kit.routing": 3,
    "kit.expect": 3,
    "kit.faults": 3,
    "kit.record": 3,
    "kit.engine": 4,
    "kit.server": 5,
    "kit.client": 5,
    "kit.proxy": 5,
    "kit.testing": 6,
    "kit.upstream": 6,
    "kit.viewer": 6,
    "kit.cli": 7,
    "kit.__main__": 7,
    "pytest_plugin": 7,
}
PUBLIC_NAMES_LAYER = 6
"""The layer of the package `kit` itself."""

PUBLIC_BELOW = {"kit.expect", "kit.expect.files"}
"""Packages and modules below it that are public under their own names."""

PROTOCOLS = ("kit.wire.http1", "kit.wire.websocket")
NOT_IN_PROTOCOLS = {"asyncio", "selectors", "select", "socket", "ssl", "threading", "time"}

TEST_TOOLS = {"coverage", "freezegun", "pytest", "_pytest", "xdist"}
OPTIONAL_IN_PLUGIN = {"coverage", "freezegun", "xdist"}

MAX_LINES = 500

Modules = dict[str, Module]
Check = Callable[[Modules], Iterator[str]]


def room_of(name: str) -> str:
    """Return the entry of LAYERS a module belongs to, or "kit" itself, or ""."""
    if name == "kit":
        return "kit"
    rooms = [room for room in LAYERS if name == room or name.startswith(f"{room}.")]
    return rooms[0] if rooms else ""


def layer_of(name: str) -> int:
    room = room_of(name)
    return PUBLIC_NAMES_LAYER if room == "kit" else LAYERS[room]


def inner_imports(modules: Modules) -> Iterator[tuple[Module, Import]]:
    """Yield each import of one of the project's own modules, of a known room."""
    for module in modules.values():
        for imported in module.imports:
            if room_of(module.name) and room_of(imported.target):
                yield module, imported


def outer_imports(modules: Modules) -> Iterator[tuple[Module, Import, str]]:
    """Yield each import from outside the project with its top-level name."""
    for module in modules.values():
        for imported in module.imports:
            top = imported.target.partition(".")[0]
            if top not in {"kit", "pytest_plugin"}:
                yield module, imported, top


def check_every_module_has_a_layer(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if not room_of(module.name):
            yield f"{module.name} has no layer: give it one in LAYERS"
        for imported in module.imports:
            top = imported.target.partition(".")[0]
            if top in {"kit", "pytest_plugin"} and imported.target not in modules:
                yield f"{module.at(imported)} imports {imported.target}, which does not exist"


def check_imports_go_down(modules: Modules) -> Iterator[str]:
    for module, imported in inner_imports(modules):
        here, there = layer_of(module.name), layer_of(imported.target)
        if there > here:
            yield (
                f"{module.at(imported)} (layer {here}) imports "
                f"{imported.target} (layer {there}), which is above it"
            )


def check_server_client_and_proxy_stand_apart(modules: Modules) -> Iterator[str]:
    for module, imported in inner_imports(modules):
        rooms = room_of(module.name), room_of(imported.target)
        if rooms[0] != rooms[1] and layer_of(rooms[0]) == layer_of(rooms[1]) == 5:
            yield f"{module.at(imported)} imports {imported.target}: layer 5 modules stand apart"


def check_routing_does_not_know_expectations(modules: Modules) -> Iterator[str]:
    for module, imported in inner_imports(modules):
        if (room_of(module.name), room_of(imported.target)) == ("kit.routing", "kit.expect"):
            yield f"{module.at(imported)} imports {imported.target}: stubs are built on routes"


def check_there_is_no_circle_of_modules(modules: Modules) -> Iterator[str]:
    edges: dict[str, set[str]] = {}
    for module, imported in inner_imports(modules):
        if not imported.is_type_only:
            edges.setdefault(module.name, set()).add(imported.target)
    if circle := find_circle(edges):
        yield "modules import each other in a circle: " + " -> ".join(circle)


def check_there_is_no_circle_of_rooms(modules: Modules) -> Iterator[str]:
    edges: dict[str, set[str]] = {}
    for module, imported in inner_imports(modules):
        here, there = room_of(module.name), room_of(imported.target)
        if here != there:
            edges.setdefault(here, set()).add(there)
    if circle := find_circle(edges):
        yield "rooms import each other in a circle: " + " -> ".join(circle)


def check_protocols_are_sans_io(modules: Modules) -> Iterator[str]:
    for module, imported, top in outer_imports(modules):
        if module.name.startswith(PROTOCOLS) and top in NOT_IN_PROTOCOLS:
            yield f"{module.at(imported)} imports {top}: a protocol turns bytes into events"


def check_kit_does_not_know_test_tools(modules: Modules) -> Iterator[str]:
    for module, imported, top in outer_imports(modules):
        if module.name.startswith("kit") and top in TEST_TOOLS:
            yield f"{module.at(imported)} imports {top}: kit is used without it"


def check_third_parties_are_declared(modules: Modules) -> Iterator[str]:
    declared = declared_dependencies()
    for module, imported, top in outer_imports(modules):
        if top in sys.stdlib_module_names or top in declared:
            continue
        if module.name.startswith("pytest_plugin"):
            is_optional = imported.is_lazy or imported.is_type_only
            if top == "pytest" or (top in OPTIONAL_IN_PLUGIN and is_optional):
                continue
        yield f"{module.at(imported)} imports {top}, which pyproject.toml does not declare"


def check_click_is_for_the_command_line(modules: Modules) -> Iterator[str]:
    for module, imported, top in outer_imports(modules):
        if top == "click" and room_of(module.name) != "kit.cli":
            yield f"{module.at(imported)} imports click, which is for kit.cli alone"


def check_the_top_layer_uses_public_names(modules: Modules) -> Iterator[str]:
    for module, imported in inner_imports(modules):
        own = "pytest_plugin" if room_of(module.name) == "pytest_plugin" else "kit.cli"
        if layer_of(module.name) != 7 or room_of(imported.target) == own:
            continue
        is_dunder = imported.name.startswith("__") and imported.name.endswith("__")
        is_public = imported.target in PUBLIC_BELOW
        if layer_of(imported.target) != PUBLIC_NAMES_LAYER and not is_public:
            yield f"{module.at(imported)} imports {imported.target}: take the name from kit"
        elif imported.name.startswith("_") and not is_dunder:
            yield f"{module.at(imported)} imports the private name {imported.name}"


def check_modules_are_short(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if module.line_count >= MAX_LINES:
            yield f"{module.name} has {module.line_count} lines: split it below {MAX_LINES}"


CHECKS: list[Check] = [
    check_every_module_has_a_layer,
    check_imports_go_down,
    check_server_client_and_proxy_stand_apart,
    check_routing_does_not_know_expectations,
    check_there_is_no_circle_of_modules,
    check_there_is_no_circle_of_rooms,
    check_protocols_are_sans_io,
    check_kit_does_not_know_test_tools,
    check_third_parties_are_declared,
    check_click_is_for_the_command_line,
    check_the_top_layer_uses_public_names,
    check_modules_are_short,
]


def name_of(check: Check) -> str:
    return getattr(check, "__name__", "").removeprefix("check_")


def declared_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^A-Za-z0-9_]", text, maxsplit=1)[0] for text in project["dependencies"]}


@pytest.fixture(scope="module")
def modules() -> Modules:
    return read_modules(ROOT, "kit", "pytest_plugin")


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_code_keeps_the_rule(check: Check, modules: Modules) -> None:
    complaints = list(check(modules))
    assert not complaints, "\n".join(complaints)


def test_both_packages_are_read(modules: Modules) -> None:
    assert {"kit", "kit.errors", "kit.wire", "kit.engine", "pytest_plugin"} <= modules.keys()


BROKEN_TREES: list[tuple[Check, dict[str, str], str]] = [
    (
        check_every_module_has_a_layer,
        {"kit/helpers.py": ""},
        "kit.helpers has no layer: give it one in LAYERS",
    ),
    (
        check_every_module_has_a_layer,
        {"kit/server.py": "import kit.nowhere"},
        "kit.server:1 imports kit.nowhere, which does not exist",
    ),
    (
        check_imports_go_down,
        {"kit/headers.py": "from kit.wire import tls", "kit/wire/tls.py": ""},
        "kit.headers:1 (layer 1) imports kit.wire.tls (layer 2), which is above it",
    ),
    (
        check_imports_go_down,
        {"kit/wire/tls.py": "from ..server import HTTPServer", "kit/server.py": ""},
        "kit.wire.tls:1 (layer 2) imports kit.server (layer 5), which is above it",
    ),
    (
        check_imports_go_down,
        {"kit/errors.py": "if TYPE_CHECKING:\n    from kit import Request", "kit/__init__.py": ""},
        "kit.errors:2 (layer 0) imports kit (layer 6), which is above it",
    ),
    (
        check_imports_go_down,
        {"kit/clock.py": "def now():\n    import kit.cli", "kit/cli/__init__.py": ""},
        "kit.clock:2 (layer 1) imports kit.cli (layer 7), which is above it",
    ),
    (
        check_server_client_and_proxy_stand_apart,
        {"kit/proxy.py": "from kit.client import HTTPClient", "kit/client.py": ""},
        "kit.proxy:1 imports kit.client: layer 5 modules stand apart",
    ),
    (
        check_routing_does_not_know_expectations,
        {"kit/routing/router.py": "import kit.expect.stubs", "kit/expect/stubs.py": ""},
        "kit.routing.router:1 imports kit.expect.stubs: stubs are built on routes",
    ),
    (
        check_there_is_no_circle_of_modules,
        {"kit/wire/a.py": "from kit.wire import b", "kit/wire/b.py": "import kit.wire.a"},
        "modules import each other in a circle: kit.wire.a -> kit.wire.b -> kit.wire.a",
    ),
    (
        check_there_is_no_circle_of_rooms,
        {
            "kit/record/a.py": "import kit.routing.b",
            "kit/routing/b.py": "",
            "kit/routing/c.py": "import kit.record.a",
        },
        "rooms import each other in a circle: kit.record -> kit.routing -> kit.record",
    ),
    (
        check_protocols_are_sans_io,
        {"kit/wire/http1/server.py": "def now():\n    from time import monotonic"},
        "kit.wire.http1.server:2 imports time: a protocol turns bytes into events",
    ),
    (
        check_protocols_are_sans_io,
        {"kit/wire/websocket.py": "import asyncio.events"},
        "kit.wire.websocket:1 imports asyncio: a protocol turns bytes into events",
    ),
    (
        check_kit_does_not_know_test_tools,
        {"kit/testing/routes.py": "from pytest import fail"},
        "kit.testing.routes:1 imports pytest: kit is used without it",
    ),
    (
        check_third_parties_are_declared,
        {"kit/client.py": "import urllib3"},
        "kit.client:1 imports urllib3, which pyproject.toml does not declare",
    ),
    (
        check_third_parties_are_declared,
        {"pytest_plugin/plugin.py": "import xdist"},
        "pytest_plugin.plugin:1 imports xdist, which pyproject.toml does not declare",
    ),
    (
        check_click_is_for_the_command_line,
        {"kit/server.py": "import click"},
        "kit.server:1 imports click, which is for kit.cli alone",
    ),
    (
        check_the_top_layer_uses_public_names,
        {"pytest_plugin/plugin.py": "from kit.server import HTTPServer", "kit/server.py": ""},
        "pytest_plugin.plugin:1 imports kit.server: take the name from kit",
    ),
    (
        check_the_top_layer_uses_public_names,
        {"pytest_plugin/plugin.py": "import kit.cli", "kit/cli/__init__.py": ""},
        "pytest_plugin.plugin:1 imports kit.cli: take the name from kit",
    ),
    (
        check_the_top_layer_uses_public_names,
        {"kit/cli/serve.py": "from kit import _private", "kit/__init__.py": ""},
        "kit.cli.serve:1 imports the private name _private",
    ),
    (
        check_modules_are_short,
        {"kit/server.py": "\n" * 500},
        "kit.server has 500 lines: split it below 500",
    ),
]


def write_tree(root: Path, files: dict[str, str]) -> Modules:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return read_modules(root, "kit", "pytest_plugin")


@pytest.mark.parametrize(("check", "files", "complaint"), BROKEN_TREES)
def test_a_broken_rule_is_told(
    tmp_path: Path, check: Check, files: dict[str, str], complaint: str
) -> None:
    assert list(check(write_tree(tmp_path, files))) == [complaint]


GOOD_TREE = {
    "kit/__init__.py": "from kit.server import HTTPServer",
    "kit/errors.py": "",
    "kit/server.py": "import kit.errors\nfrom kit.wire.http1 import head\nimport msgspec",
    "kit/wire/tls.py": "import ssl, socket",
    "kit/wire/http1/__init__.py": "from .head import parse",
    "kit/wire/http1/head.py": "from ... import errors\nimport re, httptools",
    "kit/cli/__init__.py": "import click\nfrom kit import HTTPServer, __version__",
    "pytest_plugin/plugin.py": "import pytest\ndef f():\n    import xdist\n    import kit.testing",
    "kit/testing/__init__.py": "from kit import HTTPServer",
}


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_a_tree_that_keeps_every_rule_is_accepted(tmp_path: Path, check: Check) -> None:
    assert list(check(write_tree(tmp_path, GOOD_TREE))) == []
