"""What all journals of a run held, in numbers: over all tests, servers and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_plugin import workers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import kit

NAME = "kit-totals"
COUNTED = (
    "servers",
    "exchanges",
    "connections",
    "websockets",
    "unmatched",
    "handler errors",
    "failed",
    "dropped",
)


def install(config: pytest.Config) -> None:
    """Count what the servers of this run record."""
    config.stash[TOTALS] = totals = Totals(config)
    config.pluginmanager.register(totals, NAME)


class Totals:
    """Counts at the end of each test, and tells of it at the end of the run.

    A line is written with `-v`, and in any case if journals have dropped exchanges.

    Args:
        config: of this process, be it the controller or a worker.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lost: list[str] = []
        self.counts: dict[str, int] = dict.fromkeys(COUNTED, 0)

    def add(self, servers: Iterable[kit.HTTPServer]) -> None:
        """Count what servers have recorded that are stopped now."""
        counts = self.counts
        for server in servers:
            journal = server.journal
            counts["servers"] += 1
            counts["dropped"] += journal.dropped
            counts["connections"] += len({exchange.connection.id for exchange in journal})
            for exchange in journal:
                endpoint = exchange.endpoint
                counts["exchanges"] += 1
                counts["websockets"] += exchange.is_websocket
                counts["unmatched"] += endpoint is not None and not endpoint.is_match
                counts["handler errors"] += exchange.exception is not None
                counts["failed"] += exchange.is_failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in what a worker has counted."""
        counts = workers.receive(node, "totals")
        if counts is None:
            self._lost.append(workers.name_worker(node))
            return
        for name, number in counts.items():
            self.counts[name] += number

    def pytest_sessionfinish(self) -> None:
        """Hand over to the controller."""
        if workers.is_worker(self._config):
            workers.send(self._config, "totals", self.counts)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the line."""
        counts = self.counts
        is_asked = self._config.get_verbosity() > 0 and counts["servers"]
        if not is_asked and not counts["dropped"]:
            return
        terminalreporter.ensure_newline()
        terminalreporter.write_line(f"kit: {format_totals(counts)}")
        if counts["dropped"]:
            terminalreporter.write_line(
                "kit: what was dropped is in no report: the journals' bounds were passed"
            )
        for line in workers.tell_lost(self._lost, "it is not counted"):
            terminalreporter.write_line(f"kit: {line}")


TOTALS = pytest.StashKey[Totals]()


def format_totals(counts: dict[str, int]) -> str:
    """Write the numbers in one line; of the rarer things only those that there are."""
    told = [_count(counts[name], name) for name in COUNTED[:3]]
    told += [_count(counts[name], name) for name in COUNTED[3:] if counts[name]]
    return ", ".join(told)


def _count(number: int, nouns: str) -> str:
    return f"{number} {nouns.removesuffix('s') if number == 1 else nouns}"
