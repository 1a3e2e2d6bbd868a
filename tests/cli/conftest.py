from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SHOP = '''
import kit

class Orders(kit.Resource):
    @kit.get("/order/:id")
    @kit.header("X-Token")
    @kit.header("X-Other")
    @kit.param("page")
    def get_order(self, request):
        """Give one order."""
        return kit.JsonResponse(request.matches)

    @kit.post("/order", max_content_length=100)
    def make_order(self, request):
        return kit.Response(request.read())

    @kit.websocket("/events")
    def watch(self, request, opcode, payload):
        if payload:
            request.send(payload)

class Empty(kit.Resource):
    pass

class Needy(kit.Resource):
    def __init__(self, name):
        self.name = name

    @kit.get("/name")
    def get_name(self, request):
        return kit.Response(self.name)

class Broken(kit.Resource):
    def routes(self):
        return [("GET", "broken", print)]

class Other:
    class Inner(Orders):
        pass

needy = Needy("bob")
number = 3
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a directory of modules, and go there."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "raises.py").write_text("x = 1\nraise KeyError('y')\n")
    (tmp_path / "wants.py").write_text("import not_there_at_all\n")
    (tmp_path / "bare.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("def\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == tmp_path:
            del sys.modules[name]
