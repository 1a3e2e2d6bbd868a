"""How the suite's work is divided."""

from __future__ import annotations

import pytest

from autobahn import run


@pytest.mark.parametrize(
    ("cases", "groups"),
    [
        (["1.*", "9.1.6"], [("1.*", "9.1.6")]),
        (["1.*", "12.1.*", "13.7.2"], [("12.1.*",), ("13.7.2",), ("1.*",)]),
        (["12.*"], [("12.1.*",), ("12.2.*",), ("12.3.*",), ("12.4.*",), ("12.5.*",)]),
    ],
)
def test_what_takes_long_is_a_part_of_its_own_and_comes_first(
    cases: list[str], groups: list[tuple[str, ...]]
) -> None:
    assert [part.cases for part in run.list_parts(["server"], ["wirekit"], cases)] == groups


def test_each_role_of_each_agent_has_its_parts() -> None:
    parts = run.list_parts(["server", "client"], ["wirekit", "websockets"], ["1.*"])

    assert [part.name for part in parts] == [
        "server-wirekit-1",
        "server-websockets-1",
        "client-wirekit-1",
        "client-websockets-1",
    ]


def test_all_cases_are_divided_once() -> None:
    parts = run.list_parts(["server"], ["wirekit"], list(run.CASES))

    names = [case for part in parts for case in part.cases]
    assert len(names) == len(set(names)) == 9 + 5 + 7
