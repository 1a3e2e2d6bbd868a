from __future__ import annotations

import json
import urllib.request
from pathlib import Path

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
