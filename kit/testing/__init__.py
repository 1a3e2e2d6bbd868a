"""Assertions for tests of any kind: plain functions that raise `AssertionError`.

- `assert_route`, `assert_no_route`: which route takes a request, without a server.
- `assert_exchanges`, `assert_count`, `assert_no_unexpected`: which requests came.
- `assert_request_headers`, `assert_body`: what was in one of them.
- `assert_connections`, `assert_tls`, `assert_retries`: over which connections, when.
- `assert_opcodes`: what crossed a websocket, in order; with `repeat`, `optional`,
  `any_order`, `sent`, `received` and `json_payload` for what may vary.
- `assert_guarded`: that a function, or a live URL, keeps hostile file names inside
  a directory; `canary_files` makes one to serve.
- `format_curl`, `format_timeline`: exchanges as text, for a report.
- `RawClient`, `RawServer`: peers that send literal bytes and frames, to test a server or a
  client with what a correct peer never sends; `TlsFaultServer`: TLS that fails on purpose.
- `find_lint`: what clients did sloppily, also as `CheckedServer.lint()`.
- `CheckedServer`: a server with the assertions as methods, whose `verify()` raises
  `VerificationError` for what handlers raised, what nothing took, stubs left over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.testing.canaries import CanaryFiles, canary_files
from kit.testing.connections import assert_connections, assert_retries, assert_tls
from kit.testing.corpus import HostileName, load_corpus
from kit.testing.curl import format_curl
from kit.testing.exchanges import assert_count, assert_exchanges, assert_no_unexpected
from kit.testing.items import any_order, optional, received, repeat, sent
from kit.testing.matchers import json_payload
from kit.testing.opcodes import assert_opcodes
from kit.testing.requests import assert_body, assert_request_headers
from kit.testing.routes import assert_no_route, assert_route
from kit.testing.server import CheckedServer
from kit.testing.timeline import format_timeline
from kit.testing.traversal import assert_guarded
from kit.testing.verify import Allowances, Problem, VerificationError, format_problems

if TYPE_CHECKING:
    from kit.testing.lint import LINT_RULES, LintNote, find_lint, format_lint
    from kit.testing.raw import RawConnection, RawFrame, RawResponse, make_frame
    from kit.testing.raw_client import RawClient
    from kit.testing.raw_server import RawServer, RawServerConnection
    from kit.testing.tls_faults import TLS_FAULTS, TlsFault, TlsFaultServer, find_tls_fault

__all__ = [
    "LINT_RULES",
    "TLS_FAULTS",
    "Allowances",
    "CanaryFiles",
    "CheckedServer",
    "HostileName",
    "LintNote",
    "Problem",
    "RawClient",
    "RawConnection",
    "RawFrame",
    "RawResponse",
    "RawServer",
    "RawServerConnection",
    "TlsFault",
    "TlsFaultServer",
    "VerificationError",
    "any_order",
    "assert_body",
    "assert_connections",
    "assert_count",
    "assert_exchanges",
    "assert_guarded",
    "assert_no_route",
    "assert_no_unexpected",
    "assert_opcodes",
    "assert_request_headers",
    "assert_retries",
    "assert_route",
    "assert_tls",
    "canary_files",
    "find_lint",
    "find_tls_fault",
    "format_curl",
    "format_lint",
    "format_problems",
    "format_timeline",
    "json_payload",
    "load_corpus",
    "make_frame",
    "optional",
    "received",
    "repeat",
    "sent",
]

# Imported when they are first asked for: a test that needs but a server pays for no more.
_LATE = {
    "LINT_RULES": "kit.testing.lint",
    "LintNote": "kit.testing.lint",
    "RawClient": "kit.testing.raw_client",
    "RawConnection": "kit.testing.raw",
    "RawFrame": "kit.testing.raw",
    "RawResponse": "kit.testing.raw",
    "RawServer": "kit.testing.raw_server",
    "RawServerConnection": "kit.testing.raw_server",
    "TLS_FAULTS": "kit.testing.tls_faults",
    "TlsFault": "kit.testing.tls_faults",
    "TlsFaultServer": "kit.testing.tls_faults",
    "find_lint": "kit.testing.lint",
    "find_tls_fault": "kit.testing.tls_faults",
    "format_lint": "kit.testing.lint",
    "make_frame": "kit.testing.raw",
}


if not TYPE_CHECKING:  # or type checkers would take any misspelt name

    def __getattr__(name: str) -> Any:
        """Import a public name that few need."""
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(_LATE[name]), name)
        globals()[name] = value
        return value
