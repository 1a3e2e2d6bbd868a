"""What would make a recording unreadable is left out of it."""

from __future__ import annotations

from kit.record import har
from kit.record.entry import Entry, RecordedResponse
from kit.record.fitting import fit_entries
from support.har_entries import make_entry


def make(number: int, size: int, *, byte: bytes = b"x") -> Entry:
    response = RecordedResponse(status=200, body=byte * size)
    return make_entry(path=f"/{number}", response=response)


def test_what_fits_can_be_read_in_the_same_bounds() -> None:
    limits = har.HarLimits(file_bytes=20_000)
    for byte in (b"x", b"\xff", b'"', b"\n"):
        entries = [make(number, 900, byte=byte) for number in range(20)]
        fit = fit_entries(entries, set(map(id, entries)), limits)
        assert 0 < len(fit.entries) < 20
        assert fit.excess == 20 - len(fit.entries)
        data = har.format_document(har.dump(fit.entries, redaction=None))
        assert len(har.load(data, limits=limits)) == len(fit.entries)


def test_entries_that_were_there_before_are_kept() -> None:
    old, fresh = make(1, 5000), make(2, 10)
    fit = fit_entries([old, fresh], {id(fresh)}, har.HarLimits(file_bytes=3000))
    assert (fit.entries, fit.excess) == ([old], 1)


def test_there_is_a_bound_of_entries_too() -> None:
    entries = [make(number, 1) for number in range(3)]
    fit = fit_entries(entries, set(map(id, entries)), har.HarLimits(entries=2))
    assert (fit.entries, fit.excess, fit.faults) == (entries[:2], 1, [])


def test_what_cannot_be_read_back_is_told() -> None:
    bad = make_entry(response=RecordedResponse(status=200, headers=((b"A", b"\x01"),)))
    good = make(1, 1)
    fit = fit_entries([bad, good], {id(bad), id(good)}, har.HarLimits())
    assert fit.entries == [good]
    (fault,) = fit.faults
    assert fault.startswith("the response's headers cannot be sent: header A holds the control ")
