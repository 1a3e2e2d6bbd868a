"""What clients make of each TLS fault, as the table beside this file has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.testing import TLS_FAULTS, TlsFault
from support.modules import ROOT
from support.tls_outcomes import BEGIN, CLIENTS, END, measure, read_table, write_table

TABLE = Path(__file__).with_name("tls_outcomes.md")
OUTCOMES = read_table(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", TLS_FAULTS, ids=lambda fault: fault.name)
def test_a_client_makes_of_a_TLS_fault_what_the_table_says(fault: TlsFault, client: str) -> None:
    assert measure(fault, client) == OUTCOMES[fault.name, client]


def test_the_table_holds_every_fault_and_nothing_else() -> None:
    assert write_table(OUTCOMES) == TABLE.read_text(encoding="utf-8").strip()


def test_README_holds_the_same_TLS_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, begin, rest = readme.partition(BEGIN)
    table, end, _ = rest.partition(END)

    assert (begin, end) == (BEGIN, END)
    assert table.strip() == write_table(OUTCOMES)
