"""Small recordings, made of exchanges with a real server."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from kit import HTTPServer, JsonResponse, Redaction, Request, Response, har
from support.deadlines import scaled


def write_recording(
    path: Path,
    targets: Iterable[str],
    *,
    redaction: Redaction | None = None,
    headers: Mapping[str, str] | None = None,
    answer: str = "ok",
) -> Path:
    """Ask a server of its own for the targets, and write what came as HAR."""

    def handle(request: Request) -> Response:
        return JsonResponse({"path": request.path, "answer": answer})

    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/:path*", handle)])
        count = 0
        for target in targets:
            count += 1
            asked = urllib.request.Request(server.url + target, headers=dict(headers or {}))
            with urllib.request.urlopen(asked, timeout=scaled(30)) as response:
                response.read()
        exchanges = []
        if count:
            exchanges = server.wait_for(count=count, timeout=scaled(30), state="complete")
    har.write(path, har.export(exchanges, redaction=redaction))
    return path
