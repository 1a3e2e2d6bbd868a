"""Expectations: stubs that answer expected requests, and gates that hold requests back.

- `book`: `StubBook`, the stubs of a server; `stubs`: one of them; `answers`: what it
  answers; `choice`: what stands for it until the body is there.
- `conditions` (with `fields` and `checks`): what a stub asks of a request; `seen` is
  the request as they see it; `multipart` reads such bodies.
- `matchers`: what may stand for a value; `diff` and `json_paths`: the same in JSON.
- `near_misses`, `problems`: why a request or a stub was left over.
- `gates`: requests held back.
- `host`: what a server has of all this.
"""

from __future__ import annotations

from kit.expect.answers import StubEndpoint
from kit.expect.book import StubBook
from kit.expect.checks import Check
from kit.expect.choice import Choice
from kit.expect.diff import at_paths, json_diff
from kit.expect.gates import Gate, Gates
from kit.expect.host import ExpectationHost
from kit.expect.matchers import UNSET, absent, partial
from kit.expect.multipart import file
from kit.expect.near_misses import StubNearMiss, format_unmatched
from kit.expect.problems import Problem
from kit.expect.stubs import Stub

__all__ = [
    "UNSET",
    "Check",
    "Choice",
    "ExpectationHost",
    "Gate",
    "Gates",
    "Problem",
    "Stub",
    "StubBook",
    "StubEndpoint",
    "StubNearMiss",
    "absent",
    "at_paths",
    "file",
    "format_unmatched",
    "json_diff",
    "partial",
]
