from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import kit
from kit.cli.sources import Sources, list_files
from kit.cli.targets import TargetError
from kit.expect.files import SUFFIXES
from support.recordings import write_recording

STUB = {"request": {"path": "/stub"}, "response": {"file": "answer.txt"}}


def patterns(sources: Sources) -> list[str]:
    return [route.url_pattern for route in sources.load().router.routes()]


def write_stubs(directory: Path) -> Path:
    (directory / "answer.txt").write_text("answer")
    path = directory / "stubs.json"
    path.write_text(json.dumps({"stubs": [STUB]}))
    return path


def test_resources_and_stubs_are_loaded_together(shop: Path) -> None:
    path = write_stubs(shop)
    mock = Sources(["shop:Orders", str(path), "shop:needy"]).load()
    assert [route.url_pattern for route in mock.router.routes()] == [
        "/order/:id",
        "/order",
        "/events",
        "/name",
    ]
    assert [stub.pattern for stub in mock.stubs] == ["/stub"]
    assert mock.files == [path, shop / "answer.txt", shop / "shop.py"]


def test_modules_that_a_resource_imports_are_among_the_files(shop: Path) -> None:
    (shop / "parts").mkdir()
    (shop / "parts" / "__init__.py").write_text("from parts.names import NAME")
    (shop / "parts" / "names.py").write_text("NAME = '/parts'")
    (shop / "whole.py").write_text(
        "import kit, parts, json\nclass Whole(kit.Resource):\n"
        "    @kit.get(parts.NAME)\n    def show(self, request): ...\n"
    )
    sources = Sources(["whole:Whole"])
    mock = sources.load()
    assert sorted(mock.files) == [
        shop / "parts" / "__init__.py",
        shop / "parts" / "names.py",
        shop / "whole.py",
    ]
    (shop / "parts" / "names.py").write_text("NAME = '/other-parts'")
    assert patterns(sources) == ["/other-parts"]


def test_what_is_loaded_again_is_new(shop: Path) -> None:
    sources = Sources(["shop:Orders"])
    assert patterns(sources) == ["/order/:id", "/order", "/events"]
    (shop / "shop.py").write_text(
        "import kit\nclass Orders(kit.Resource):\n"
        "    @kit.get('/new')\n    def show(self, request): ...\n"
    )
    assert patterns(sources) == ["/new"]


def test_a_broken_module_leaves_the_old_ones_in_place(shop: Path) -> None:
    sources = Sources(["shop:Orders"])
    sources.load()
    before = sys.modules["shop"]
    (shop / "extra.py").write_text("def broken(:\n")
    (shop / "shop.py").write_text("import kit\nimport extra\n")
    with pytest.raises(TargetError) as raised:
        sources.load()
    assert "SyntaxError" in str(raised.value)
    assert shop / "extra.py" in list_files(raised.value)
    assert sys.modules["shop"] is before
    assert "extra" not in sys.modules


def test_a_module_that_is_missing_is_looked_for_where_it_would_be(shop: Path) -> None:
    with pytest.raises(TargetError) as raised:
        Sources(["wants:Any"]).load()
    missing = "not_there_at_all"
    assert list_files(raised.value) == (
        shop / "wants.py",
        shop / f"{missing}.py",
        shop / missing / "__init__.py",
    )


def test_several_recordings_are_refused() -> None:
    with pytest.raises(TargetError) as raised:
        Sources(["a.har", "shop:Orders", "b.HAR"])
    assert str(raised.value) == "one recording can be served, not 2: a.har, b.HAR"


def test_a_recording_that_is_missing_is_an_error(shop: Path) -> None:
    with pytest.raises(kit.RecordingError) as raised:
        Sources(["nosuch.har"]).load()
    assert str(raised.value) == "recording 'nosuch.har': there is no such file"


def test_a_recording_stands_behind_the_routes(shop: Path) -> None:
    path = write_recording(shop / "calls.har", ["/one", "/two"])
    mock = Sources(["shop:Orders", str(path)]).load()
    assert [entry.request.path for entry in mock.recordings] == ["/one", "/two"]
    assert mock.router.fallback is not None
    assert mock.files == [path, shop / "shop.py"]


def test_a_broken_stub_file_is_an_error_that_names_it(shop: Path) -> None:
    path = write_stubs(shop)
    path.write_text("{")
    with pytest.raises(kit.ConfigurationError) as raised:
        Sources(["shop:Orders", str(path)]).load()
    assert str(raised.value).startswith(f"{path}: this is not JSON that can be read")
    assert list_files(raised.value) == ()
    assert "shop" not in sys.modules


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stub_file_is_told_by_its_suffix(shop: Path, suffix: str) -> None:
    with pytest.raises(kit.ConfigurationError) as raised:
        Sources([f"nosuch{suffix.upper()}"]).load()
    assert str(raised.value).endswith("cannot be read: No such file or directory")
