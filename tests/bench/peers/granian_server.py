"""granian's own interface, RSGI, which has no router: the paths are taken apart by hand."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from granian import Granian

from bench.peers.serving import announce, find_free_port, parse_arguments

TEXT = [("content-type", "text/plain")]


async def app(scope: Any, protocol: Any) -> None:
    path = scope.path
    if path.startswith("/users/"):
        protocol.response_str(200, TEXT, f"hello {path[7:]}")
    elif path.startswith("/slow/"):
        await asyncio.to_thread(time.sleep, 0.01)
        protocol.response_str(200, TEXT, f"hello {path[6:]}")
    elif path == "/json":
        protocol.response_str(200, TEXT, str(len(json.loads(await protocol()))))
    elif path == "/echo":
        protocol.response_bytes(200, TEXT, await protocol())
    else:
        protocol.response_empty(404, [])


def main() -> None:
    """Serve."""
    arguments = parse_arguments()
    port = find_free_port()
    announce(port)
    Granian(
        "bench.peers.granian_server:app",
        address="127.0.0.1",
        port=port,
        interface="rsgi",
        log_enabled=False,
        ssl_cert=Path(arguments.cert) if arguments.cert else None,
        ssl_key=Path(arguments.key) if arguments.key else None,
    ).serve()


if __name__ == "__main__":
    main()
