"""The seam between the engine and whoever wants to know what happens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kit.record.exchange import Exchange


class Observer(Protocol):
    """Is told of each exchange, from whichever thread the exchange runs on.

    `started` comes once, then `progress` any number of times, then once either
    `complete` or `failed`. An observer returns quickly: the connection waits.
    """

    def started(self, exchange: Exchange) -> None:
        """A request's head has arrived and its route, if any, is known."""

    def progress(self, exchange: Exchange) -> None:
        """The exchange has moved on: its handler runs, a frame was recorded, ..."""

    def complete(self, exchange: Exchange) -> None:
        """The last byte of the response was handed to the operating system."""

    def failed(self, exchange: Exchange, error: str) -> None:
        """The exchange ended without a whole response; `error` tells why."""


class Observers:
    """An observer that tells each of several, in order.

    One that raises keeps neither the others from being told nor the connection
    from going on; its exception goes to `threading.excepthook`.
    """

    __slots__ = ("_all",)

    def __init__(self, *observers: Observer) -> None:
        self._all = observers

    def add(self, observer: Observer) -> None:
        """Tell this one too, from now on."""
        self._all = (*self._all, observer)

    def remove(self, observer: Observer) -> None:
        """Tell this one no more; one that was never added is no error."""
        self._all = tuple(one for one in self._all if one is not observer)

    def started(self, exchange: Exchange) -> None:
        """Tell all that a request has arrived."""
        for observer in self._all:
            try:
                observer.started(exchange)
            except Exception as raised:  # noqa: BLE001 - reported, see the class
                _report(raised)

    def progress(self, exchange: Exchange) -> None:
        """Tell all that the exchange has moved on."""
        for observer in self._all:
            try:
                observer.progress(exchange)
            except Exception as raised:  # noqa: BLE001 - reported, see the class
                _report(raised)

    def complete(self, exchange: Exchange) -> None:
        """Tell all that the exchange is complete."""
        for observer in self._all:
            try:
                observer.complete(exchange)
            except Exception as raised:  # noqa: BLE001 - reported, see the class
                _report(raised)

    def failed(self, exchange: Exchange, error: str) -> None:
        """Tell all that the exchange has failed."""
        for observer in self._all:
            try:
                observer.failed(exchange, error)
            except Exception as raised:  # noqa: BLE001 - reported, see the class
                _report(raised)

    def __len__(self) -> int:
        return len(self._all)


def _report(error: Exception) -> None:
    arguments = (type(error), error, error.__traceback__, threading.current_thread())
    threading.excepthook(threading.ExceptHookArgs(arguments))
