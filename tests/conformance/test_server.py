"""The server's role against RFC 9110, 9112 and 6455, over real sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from conformance import server_heads, server_messages
from conformance.server_role import Case, check, make_server
from kit import HTTPServer
from support.raw import RawClient

CASES = [*server_heads.CASES, *server_messages.CASES]
# A refusal may come before the last byte is sent, so only what is accepted is cut up.
ACCEPTED = [case for case in CASES if not case.closes and not case.ends]


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with make_server() as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_server_does_what_the_rfc_wants(server: HTTPServer, case: Case) -> None:
    with RawClient(server.addr) as client:
        check(client, case)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_it_does_so_however_the_bytes_arrive(server: HTTPServer, case: Case) -> None:
    with RawClient(server.addr) as client:
        check(client, case, is_bytewise=True)


def test_no_case_is_told_twice() -> None:
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
