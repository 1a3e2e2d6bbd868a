from __future__ import annotations

from typing import IO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.engine.intake import PROGRESS_BYTES, Intake
from kit.record import BodyRecord


def read(body: bytes | IO[bytes]) -> bytes:
    return body if isinstance(body, bytes) else body.read()


@given(pieces=st.lists(st.binary(max_size=50), max_size=20), memory=st.integers(1, 300))
def test_a_body_comes_out_as_it_went_in(pieces: list[bytes], memory: int) -> None:
    intake = Intake(memory, 10_000)
    for piece in pieces:
        intake.take(piece)
    whole = b"".join(pieces)
    body = intake.finish()
    assert isinstance(body, bytes) is (len(whole) <= memory)
    assert (read(body), intake.size) == (whole, len(whole))
    assert intake.record() == whole
    intake.close()


def test_no_body_is_no_bytes() -> None:
    intake = Intake(10, 10)
    assert (intake.finish(), intake.record()) == (b"", b"")
    intake.close()


def test_a_large_body_lies_in_a_file_that_closes_with_the_intake() -> None:
    intake = Intake(10, 5)
    intake.take(b"x" * 11)
    body = cast("IO[bytes]", intake.finish())
    assert body.read() == b"x" * 11
    intake.close()
    assert body.closed


def test_the_record_keeps_what_its_cap_allows_and_the_full_length() -> None:
    intake = Intake(1000, 5)
    for _ in range(4):
        intake.take(b"abc")
    record = intake.record()
    assert isinstance(record, BodyRecord)
    assert (record.kept, record.length) == (b"abcab", 12)
    intake.close()


def test_progress_is_told_once_for_each_portion() -> None:
    intake = Intake(10 * PROGRESS_BYTES, 0)
    told = [intake.take(bytes(PROGRESS_BYTES // 4)) for _ in range(12)]
    assert told == [False, False, False, True] * 3
    intake.close()


def test_a_dribble_is_no_progress() -> None:
    intake = Intake(1000, 0)
    assert not any(intake.take(b"x") for _ in range(500))
    intake.close()


def test_a_body_that_cannot_be_stored_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    intake = Intake(1, 0)
    with pytest.raises(OSError, match="nowhere"):
        intake.take(b"xx")
    intake.close()
