"""What the report of a test says of the exchanges it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_plugin.options import SETTINGS
from pytest_plugin.servers import FACTORY

if TYPE_CHECKING:
    import pytest

    import kit
    from pytest_plugin.servers import ServerFactory

EXCHANGES = "kit exchanges"


def add_exchanges(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add the timeline of a failed test's exchanges, the last ones."""
    limit = item.config.stash[SETTINGS].shown_exchanges
    if not report.failed or not limit:
        return
    exchanges = collect_exchanges(item)
    if exchanges:
        import kit.testing

        report.sections.append((EXCHANGES, kit.testing.format_timeline(exchanges, limit=limit)))


def add_properties(item: pytest.Item) -> None:
    """Count a test's exchanges and connections, for the JUnit report."""
    factory = item.stash.get(FACTORY, None)
    exchanges = collect_exchanges(item)
    if factory is None and not exchanges:
        return
    connections = {exchange.connection.id for exchange in exchanges}
    paths = dict.fromkeys(exchange.path for exchange in exchanges if exchange.path)
    item.user_properties += [
        ("kit_exchanges", len(exchanges)),
        ("kit_connections", len(connections)),
        ("kit_paths", " ".join(list(paths)[:20])),
    ]


def collect_exchanges(item: pytest.Item) -> list[kit.Exchange]:
    """Return the exchanges of a test: of its own servers, and of the session's in its time."""
    own = item.stash.get(FACTORY, None)
    shared = item.config.stash.get(FACTORY, None)
    found = [] if own is None else [each for server in own.servers for each in server.journal]
    found += [] if shared is None else _select_shared(shared, item.nodeid)
    return sorted(found, key=_id_of)


def _select_shared(factory: ServerFactory, name: str) -> list[kit.Exchange]:
    return [
        exchange
        for server in factory.servers
        for exchange in server.journal
        if server.find_phase(exchange) == name
    ]


def _id_of(exchange: kit.Exchange) -> int:
    return exchange.id
