from __future__ import annotations

import threading

import pytest

from kit.record import Exchange, Journal, Observers
from support.exchanges import answer, make_exchange


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, exchange: Exchange) -> None:
        self.heard.append("started")

    def progress(self, exchange: Exchange) -> None:
        self.heard.append("progress")

    def complete(self, exchange: Exchange) -> None:
        self.heard.append("complete")

    def failed(self, exchange: Exchange, error: str) -> None:
        self.heard.append(f"failed: {error}")


class Broken(Notes):
    """Raises whatever it is told."""

    def started(self, exchange: Exchange) -> None:
        raise LookupError("started is broken")

    def progress(self, exchange: Exchange) -> None:
        raise LookupError("progress is broken")

    def complete(self, exchange: Exchange) -> None:
        raise LookupError("complete is broken")

    def failed(self, exchange: Exchange, error: str) -> None:
        raise LookupError("failed is broken")


def tell_everything(observers: Observers) -> None:
    exchange = make_exchange()
    observers.started(exchange)
    observers.progress(exchange)
    observers.complete(answer(exchange))
    observers.failed(exchange, "reset")


EVERYTHING = ["started", "progress", "complete", "failed: reset"]


def test_every_observer_is_told_everything() -> None:
    first, second = Notes(), Notes()
    tell_everything(Observers(first, second))
    assert first.heard == second.heard == EVERYTHING


def test_observers_come_and_go() -> None:
    first, second = Notes(), Notes()
    observers = Observers(first)
    observers.add(second)
    observers.remove(first)
    tell_everything(observers)
    assert (first.heard, second.heard, len(observers)) == ([], EVERYTHING, 1)


def test_removing_a_stranger_changes_nothing() -> None:
    observers = Observers(Notes())
    observers.remove(Notes())
    assert len(observers) == 1


def test_one_that_raises_is_reported_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(str(args.exc_value)))
    notes = Notes()
    tell_everything(Observers(Broken(), notes))
    assert notes.heard == EVERYTHING
    assert reported == [
        "started is broken",
        "progress is broken",
        "complete is broken",
        "failed is broken",
    ]


def test_a_journal_is_an_observer() -> None:
    journal = Journal()
    exchange = make_exchange()
    Observers(journal).started(exchange)
    assert list(journal) == [exchange]
