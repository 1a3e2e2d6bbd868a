"""The tables of cases: how many there are, and that each names the rule it checks."""

from __future__ import annotations

import re

from conformance import client_cases, server_heads, server_messages, test_client, test_handshakes

LEAST = 200
RULES = {
    case.id: case.rfc
    for cases in (server_heads.CASES, server_messages.CASES, client_cases.CASES)
    for case in cases
}
_SECTION = r"(?:[1-9][0-9]?|[A-Z])(?:\.[0-9]{1,2}){0,3}"
is_rule = re.compile(rf"(?:3986|6455|6585|9110|9112|9113) {_SECTION}").fullmatch
# Of RFC 6455, unless another number is given.
is_rule_of_handshakes = re.compile(rf"(?:7692 )?{_SECTION}").fullmatch


def test_there_are_many_cases() -> None:
    assert len(RULES) >= LEAST


def test_each_case_names_the_rule_it_checks() -> None:
    assert [name for name, rule in RULES.items() if not is_rule(rule)] == []
    assert [case[0] for case in test_client.REQUESTS if not is_rule(case[1])] == []
    assert [case[0] for case in test_handshakes.CASES if not is_rule_of_handshakes(case[1])] == []
