"""The fixtures that start and stop the servers of a test.

They are methods of an object that a hook tells of each test: to ask pytest for `request`
instead costs a test about as much as its server.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from pytest_plugin.cassettes import make_book
from pytest_plugin.late import LATE
from pytest_plugin.options import OF_ALL_SERVERS, SETTINGS, check_arguments, read_marker
from pytest_plugin.servers import FACTORY, ServerFactory, find_coverage
from pytest_plugin.totals import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import kit


class ServerFixtures:
    """Gives each test its factory of servers.

    Args:
        config: of this process.

    Attributes:
        marked: what the markers of the present test say; nothing if they are wrong.
    """

    _item: pytest.Item

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.marked: dict[str, Any] = {}
        self._is_kept = False

    def begin_test(self, item: pytest.Item, marked: dict[str, Any]) -> None:
        """Take in whose fixtures come next, and what its markers say of servers."""
        self._item = item
        self.marked = marked

    def keep_relay(self, session: pytest.Session) -> None:
        """Keep the relay running until the session ends, so that a server costs next to nothing."""
        if self._is_kept:
            return
        import kit

        self._is_kept = True
        stack = contextlib.ExitStack()
        session.addfinalizer(stack.close)
        stack.callback(setattr, self, "_is_kept", False)
        stack.enter_context(kit.keep_relay())
        stack.enter_context(self._config.stash[LATE].keep_ports())

    @pytest.fixture
    def kit_server_factory(
        self,
        kit_ca: kit.CertificateAuthority,
        kit_limits: kit.Limits | None,
        kit_server_options: dict[str, Any],
        kit_cassette_options: dict[str, Any],
    ) -> Iterator[ServerFactory]:
        """Start servers: `kit_server_factory(*routes, tls=True, host="127.0.0.1", limits=None)`.

        `hostname` gives names of your own to the certificate, `routes` the routes by name;
        `verify` and `allow_unmatched`, `allow_handler_errors`, `allow_malformed`,
        `allow_unused_stubs`, `allow_unclean_websockets` say what the test does not fail for,
        `strict` and `allow_lint` whether it fails for sloppy clients; `faults` go wrong on
        purpose; `upstream` names the server it stands before, which is recorded, or played
        from the test's cassette. All are stopped when the test is over. Handlers that still run
        then have one second to finish; those that do not are cut, with a warning.
        """
        __tracebackhide__ = True
        config, item = self._config, self._item
        self.keep_relay(item.session)
        if kit_server_options:
            check_arguments("kit_server_options", kit_server_options)
        arguments = {**kit_server_options, **self.marked}
        book = make_book(item, kit_cassette_options)
        factory = ServerFactory(
            kit_ca,
            config.stash[SETTINGS],
            find_coverage(config),
            limits=kit_limits,
            stop=config.stash[LATE].make_stop(item.nodeid),
            cassettes=book,
            allowed={name: value for name, value in arguments.items() if name in OF_ALL_SERVERS},
        )
        factory.arguments = arguments
        item.stash[FACTORY] = factory
        if "kit_exchanges" in getattr(item, "fixturenames", ()):
            factory.collect()
        yield factory
        try:
            factory.stop()
        finally:
            book.finish(has_passed=factory.has_passed)
        config.stash[TOTALS].add(factory.servers)


SERVERS = pytest.StashKey[ServerFixtures]()


def install(config: pytest.Config) -> None:
    """Offer the fixtures in this run."""
    config.stash[SERVERS] = fixtures = ServerFixtures(config)
    config.pluginmanager.register(fixtures, "kit-servers")


def begin_test(item: pytest.Item) -> None:
    """Check the marker's arguments; let servers of the session note whose turn it is."""
    __tracebackhide__ = True
    factory = item.config.stash.get(FACTORY, None)
    if factory is not None:
        factory.begin_test(item.nodeid)
    servers = item.config.stash[SERVERS]
    servers.begin_test(item, {})  # what holds for a test whose marker is wrong
    servers.begin_test(item, read_marker(item))
