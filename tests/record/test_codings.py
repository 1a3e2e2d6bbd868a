from __future__ import annotations

import pytest

from kit.record.codings import narrow_codings


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        (b"gzip, deflate, br, zstd", b"gzip, deflate"),
        (b"GZIP;q=0.5,identity", b"GZIP;q=0.5,identity"),
        (b"br", b"identity"),
        (b"*", b"identity"),
        (b"", b"identity"),
        (b"br, identity;q=0", b"gzip"),
        (b"br, *; q=0.000", b"gzip"),
        (b"br, gzip;q=0", b"identity"),
        (b"br, gzip;q=0.05", b"gzip;q=0.05"),
    ],
)
def test_upstream_is_asked_for_what_a_recording_can_undo(asked: bytes, passed: bytes) -> None:
    assert narrow_codings([(b"Accept-Encoding", asked)]) == ((b"Accept-Encoding", passed),)


def test_other_fields_stay() -> None:
    assert narrow_codings([(b"TE", b"br"), (b"Accept", b"*")]) == (
        (b"TE", b"br"),
        (b"Accept", b"*"),
    )
