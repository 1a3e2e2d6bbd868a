"""Assertions for tests of any kind: plain functions that raise `AssertionError`.

- `assert_route`, `assert_no_route`: which route takes a request, without a server.
- `assert_opcodes`: what crossed a websocket, in order.
- `assert_guarded`: that a function keeps hostile file names inside a directory.
"""

from __future__ import annotations

from kit.testing.opcodes import assert_opcodes
from kit.testing.routes import assert_no_route, assert_route
from kit.testing.traversal import HostileName, assert_guarded, load_corpus

__all__ = [
    "HostileName",
    "assert_guarded",
    "assert_no_route",
    "assert_opcodes",
    "assert_route",
    "load_corpus",
]
