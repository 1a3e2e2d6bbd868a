"""Which of the exchanges that were recorded can be read again once they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kit.errors import RecordingError
from kit.record import har

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kit.record.entry import Entry
    from kit.record.har import HarLimits


class Fit(NamedTuple):
    """What fits into one recording.

    Attributes:
        entries: what does.
        excess: how many entries would make the file larger than what is read.
        faults: why each of the others could not be read back.
    """

    entries: list[Entry]
    excess: int
    faults: list[str]


def fit_entries(entries: Iterable[Entry], fresh: Collection[int], limits: HarLimits) -> Fit:
    """Leave out entries with which the file could not be read.

    Args:
        entries: all that is to be written, in an order in which the later are left out.
        fresh: the `id()` of those that were recorded now; others are always kept.
        limits: the bounds of what is read.
    """
    fit = Fit([], 0, [])
    size = 0
    for entry in entries:
        # As a file of its own, which is a little more than it takes beside others.
        data = har.format_document(har.dump([entry], redaction=None))
        if id(entry) in fresh:
            if size + len(data) > limits.file_bytes or len(fit.entries) >= limits.entries:
                fit = fit._replace(excess=fit.excess + 1)
                continue
            fault = _find_fault(data, limits)
            if fault is not None:
                fit.faults.append(fault)
                continue
        size += len(data)
        fit.entries.append(entry)
    return fit


def _find_fault(data: bytes, limits: HarLimits) -> str | None:
    try:
        har.load(data, limits=limits)
    except RecordingError as error:
        return error.reason
    return None
