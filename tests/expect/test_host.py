from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kit import ConfigurationError, HTTPServer
from support.deadlines import scaled


@pytest.mark.parametrize("name", ["stubs.json", "stubs.yaml"])
def test_stubs_that_a_server_exports_are_loaded_by_another(tmp_path: Path, name: str) -> None:
    if name.endswith("yaml"):
        pytest.importorskip("yaml", reason="PyYAML is not installed")
    with HTTPServer(("127.0.0.1", 0)) as first:
        first.expect("GET", "/orders/:id").respond_json({"id": 7})
        first.export_stubs(tmp_path / name)
    with HTTPServer(("127.0.0.1", 0)) as second:
        [stub] = second.load_stubs(tmp_path / name)
        assert list(second.stubs) == [stub]
        with urllib.request.urlopen(f"{second.url}/orders/7", timeout=scaled(20)) as response:
            assert json.load(response) == {"id": 7}


def test_a_file_that_cannot_be_loaded_registers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stubs.json"
    path.write_text('{"stubs": [{"request": {"path": "/a"}, "response": {}}, {}]}')
    server = HTTPServer(("127.0.0.1", 0))
    with pytest.raises(ConfigurationError, match=r"stubs\.json: "):
        server.load_stubs(path)
    assert list(server.stubs) == []


def test_a_stub_that_cannot_be_exported_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "stubs.json"
    path.write_text("as it was")
    server = HTTPServer(("127.0.0.1", 0))
    server.expect("GET", "/a").respond()
    server.expect("GET", "/b")
    with pytest.raises(ConfigurationError, match=r"stub 2: GET /b .*: it has no response"):
        server.export_stubs(path)
    assert path.read_text() == "as it was"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("params", "did you mean query?"),
        ("query_string", "did you mean query?"),
        ("data", "did you mean body?"),
        ("path", "did you mean pattern?"),
        ("jsn", "did you mean json?"),
        (
            "zzz",
            (
                "there are query, headers, cookies, json, body, form, multipart, match, "
                "max_content_length"
            ),
        ),
    ],
)
def test_an_argument_of_another_name_is_refused_with_the_one_that_is_meant(
    name: str, advice: str
) -> None:
    server = HTTPServer(("127.0.0.1", 0))
    unknown: dict[str, Any] = {name: "1"}
    with pytest.raises(TypeError) as caught:
        server.expect("GET", "/", **unknown)
    assert str(caught.value) == f"expect() got an unexpected keyword argument '{name}': {advice}"
    assert list(server.stubs) == []


def test_a_gate_takes_several_methods_or_any() -> None:
    server = HTTPServer(("127.0.0.1", 0))
    assert str(server.hold(["GET", "PUT"], "/a")) == "GET|PUT /a"
    assert str(server.hold(..., "/a")) == "any method /a"
