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
CA_VARIABLE = "KIT_CA"
TRUST_HINT = (
    f"(to send these again over TLS: kit_ca.write_pem(path) in the test, {CA_VARIABLE}=path in the "
    "shell; with --kit-hold the server is still there, and the file too)"
)
SHOWN_PATHS = 20


def add_exchanges(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add the timeline of a failed test's exchanges, the last ones."""
    limit = item.config.stash[SETTINGS].shown_exchanges
    if not report.failed or not limit:
        return
    exchanges, lines = collect_exchanges(item), list_failed_handshakes(item)
    if exchanges:
        import kit.testing

        timeline = kit.testing.format_timeline(exchanges, limit=limit)
        hint = [TRUST_HINT] if f'"${CA_VARIABLE}"' in timeline else []
        lines = [*hint, *list_gaps(item), *lines, timeline]
    if lines:
        report.sections.append((EXCHANGES, "\n".join(lines)))


def add_properties(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Count a test's exchanges and connections, for the JUnit report.

    That reads the properties of a teardown, or of a call that has failed if the teardown
    fails too.
    """
    has_failed = call.excinfo is not None or getattr(item, "_excinfo", None)
    if call.when != "teardown" and not has_failed:
        return
    factory = item.stash.get(FACTORY, None)
    exchanges = collect_exchanges(item)
    if factory is None and not exchanges:
        return
    connections = {exchange.connection.id for exchange in exchanges}
    paths = dict.fromkeys(exchange.path for exchange in exchanges if exchange.path)
    told = {
        "kit_exchanges": len(exchanges),
        "kit_connections": len(connections),
        "kit_paths": _join_paths(list(paths)),
    }
    # A test that is run again has those of its last run already.
    item.user_properties[:] = [each for each in item.user_properties if each[0] not in told]
    item.user_properties += told.items()


def _join_paths(paths: list[str]) -> str:
    left_out = len(paths) - SHOWN_PATHS
    return " ".join(paths[:SHOWN_PATHS]) + (f" and {left_out} more" if left_out > 0 else "")


def list_failed_handshakes(item: pytest.Item) -> list[str]:
    """Tell of the TLS handshakes that have failed on a test's servers, a line each."""
    own = item.stash.get(FACTORY, None)
    shared = item.config.stash.get(FACTORY, None)
    lines = [] if own is None else own.list_failed_handshakes()
    return lines if shared is None else lines + shared.list_failed_handshakes(item.nodeid)


def collect_exchanges(item: pytest.Item) -> list[kit.Exchange]:
    """Return the exchanges of a test: of its own servers, and of the session's in its time."""
    own = item.stash.get(FACTORY, None)
    shared = item.config.stash.get(FACTORY, None)
    found = [] if own is None else [each for server in own.servers for each in server.journal]
    found += [] if shared is None else _select_shared(shared, item.nodeid)
    return sorted(found, key=_id_of)


def list_gaps(item: pytest.Item) -> list[str]:
    """Tell what the journals of a test's servers have dropped, a line each."""
    factories = [item.stash.get(FACTORY, None), item.config.stash.get(FACTORY, None)]
    return [f"({gap})" for each in factories if each is not None for gap in each.list_gaps()]


def _select_shared(factory: ServerFactory, name: str) -> list[kit.Exchange]:
    found = []
    for server in factory.servers:
        since = server.find_phase_start(name)
        if since is not None:
            found += server.list_since(since)
    return found


def _id_of(exchange: kit.Exchange) -> int:
    return exchange.id
