"""The quick way through ASCII says the same as the thorough one."""

from __future__ import annotations

import codecs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autobahn.suite_program import VALIDATOR


class Thorough:
    """Stands for the suite's validator: what it says, by the standard library's decoder."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.reset()

    def reset(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_valid, self._total = True, 0

    def validate(self, data: bytes) -> tuple[bool, bool, int, int]:
        self.looked_at += len(data)
        at = 0
        while self._is_valid and at < len(data):
            try:
                self._decoder.decode(data[at : at + 1])
            except UnicodeDecodeError:
                self._is_valid = False
            else:
                at += 1
        self._total += at
        is_between = self._is_valid and not self._decoder.getstate()[0]
        return self._is_valid, is_between, at, self._total


@pytest.fixture(scope="module")
def make() -> Any:
    names: dict[str, Any] = {"Thorough": Thorough}
    exec(VALIDATOR, names)  # a program for the Python of the suite
    return names["AsciiFirstValidator"]


PIECES = st.lists(
    st.one_of(st.text().map(str.encode), st.text("ab").map(str.encode), st.binary(max_size=4))
)


@given(messages=st.lists(PIECES, max_size=3))
def test_it_says_of_every_message_what_the_thorough_one_says(
    make: Any, messages: list[list[bytes]]
) -> None:
    quick, thorough = make(), Thorough()
    for pieces in messages:
        quick.reset()
        thorough.reset()
        for piece in pieces:
            told = quick.validate(piece)
            assert told == thorough.validate(piece)
            if not told[0]:
                break


def test_ASCII_is_not_looked_at_twice(make: Any) -> None:
    quick = make()

    assert quick.validate(b"x" * 1000) == (True, True, 1000, 1000)
    assert quick.validate("é".encode()[:1]) == (True, False, 1, 1001)
    assert quick.validate(b"x") == (False, False, 0, 1001)
    assert quick._thorough.looked_at == 2
