"""What independent clients make of each fault, as the table beside this file has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit import faults
from support.fault_outcomes import (
    BEGIN,
    CASES,
    END,
    UNSETTLED,
    Case,
    measure,
    read_table,
    write_table,
)
from support.modules import ROOT

TABLE = Path(__file__).with_name("client_outcomes.md")
OUTCOMES = read_table(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "client"),
    [
        pytest.param(case, client, id=f"{case.name}-{client}")
        for case, client in [(case, client) for case in CASES for client in case.clients]
    ],
)
def test_a_client_makes_of_a_fault_what_the_table_says(case: Case, client: str) -> None:
    assert measure(case, client) in OUTCOMES[case.name, client].split(" or ")


def test_the_table_leaves_open_only_what_the_system_decides() -> None:
    assert {key: told for key, told in OUTCOMES.items() if " or " in told} == UNSETTLED


def test_the_table_holds_every_case_and_nothing_else() -> None:
    expected = {(case.name, client) for case in CASES for client in case.clients}

    assert OUTCOMES.keys() == expected
    assert write_table(OUTCOMES) == TABLE.read_text(encoding="utf-8").strip()


def test_every_fault_has_a_row() -> None:
    exported = [getattr(faults, name) for name in faults.__all__]
    kinds = {one for one in exported if isinstance(one, type) and issubclass(one, faults.Fault)}

    assert {type(case.fault) for case in CASES} == kinds - {faults.Fault}


def test_README_holds_the_same_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, begin, rest = readme.partition(BEGIN)
    table, end, _ = rest.partition(END)

    assert (begin, end) == (BEGIN, END)
    assert table.strip() == write_table(OUTCOMES)
