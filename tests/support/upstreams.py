"""An upstream outside of an inner pytest, and tests that record it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from kit import HTTPServer, Request, Response

ASK = """
    def ask(server, path):
        with urllib.request.urlopen(server.url + path, timeout=20) as response:
            return response.read().decode()
"""


class Upstream:
    """A server outside of the inner pytest, which may go away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = "upstream"
        self._server = HTTPServer(("127.0.0.1", 0))
        self._server.registerRoutes([("GET", "/:rest*", self._handle)])

    def _handle(self, request: Request) -> Response:
        self.asked.append(request.target)
        return Response(f"{self.answer} {request.target}")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def stop(self) -> None:
        self._server.stop()


def find_files(folder: Path) -> list[str]:
    """List the recordings below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.har"))


def marked(upstream: Upstream, arguments: str = "", body: str = "") -> str:
    """Write a test that records or plays an upstream."""
    more = f", {arguments}" if arguments else ""
    lines = body or 'assert ask(kit_plain_server, "/a") == "upstream /a"'
    return f"""
        {ASK}
        @pytest.mark.kit_cassette(upstream={upstream.url!r}{more})
        def test_it(kit_plain_server):
            {lines}
        """.replace(f"\n        {ASK}", "\n" + ASK.replace("\n    ", "\n        "))
