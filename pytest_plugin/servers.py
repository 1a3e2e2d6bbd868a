"""Servers that live as long as a test, or as a session."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING

import pytest

from pytest_plugin.options import ALLOWANCES, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    import kit
    import kit.testing
    from kit.testing.route_coverage import RouteCoverage
    from pytest_plugin.cassettes import CassetteBook
    from pytest_plugin.ledger import Ledger

    # A server, how long its handlers may take at its end, and whether it is verified.
    Started = tuple[kit.testing.CheckedServer, float | None, bool]
    Stop = Callable[[kit.testing.CheckedServer, float | None], list[str]]
    # Problems, and the text that tells of them.
    Found = tuple[list[kit.testing.Problem], str]

LEAF_NAMES = ("localhost", "127.0.0.1", "::1")
ANY_HOST = ("", "0.0.0.0", "::")  # noqa: S104 - not bound here, only compared

ADVICE = "let handlers end before the test does, for example by an Event that they wait on"


class KitWarning(pytest.PytestWarning):
    """Something a test left undone, and the plugin had to end."""


class ServerFactory:
    """Starts servers for a test and stops them after it; what `kit_server_factory` gives.

    Args:
        authority: issues the certificates.
        settings: what the command line says.
        coverage: what counts the routes that are hit, if the run is to tell.
        limits: the bounds of servers that are given none.
        stop: stops a server, given how many seconds its handlers may take, and tells
            what was cut.
        cassettes: gives servers what answers from a recording, or records.
        allowed: what the test's marker says is no problem, and `verify`.
        is_session: whether the servers outlive a test.
    """

    def __init__(
        self,
        authority: kit.CertificateAuthority,
        settings: Settings | None = None,
        coverage: RouteCoverage | None = None,
        *,
        limits: kit.Limits | None = None,
        stop: Stop | None = None,
        cassettes: CassetteBook | None = None,
        allowed: Mapping[str, Any] | None = None,
        is_session: bool = False,
    ) -> None:
        self.authority = authority
        self._settings = settings or Settings()
        self._coverage = coverage
        self._limits = limits
        self._stop_server = stop or stop_server
        self._cassettes = cassettes
        self._allowed = dict(allowed or {})
        self._strict: bool = self._allowed.get("strict", self._settings.is_strict)
        self._is_session = is_session
        self._is_over = False
        self._started: list[Started] = []
        self._journal: kit.Journal | None = None
        self._ledger: Ledger | None = None
        self.arguments: dict[str, Any] = {}
        """What the test's marker and its fixture give `kit_server`."""
        self.has_passed = False
        """Whether the test has passed, and its servers were found in order by then."""

    def __call__(
        self,
        *resources: Any,
        routes: Any = (),
        tls: bool | None = None,
        host: str | None = None,
        hostname: str | Iterable[str] = (),
        limits: kit.Limits | None = None,
        upstream: str | kit.Proxy | None = None,
        verify: bool | None = None,
        allow_unmatched: bool | None = None,
        allow_handler_errors: bool | None = None,
        allow_malformed: bool | None = None,
        allow_unused_stubs: bool | None = None,
        allow_unclean_websockets: bool | None = None,
        allow_lint: Iterable[str] = (),
        faults: Iterable[Any] = (),
        strict: bool | None = None,
    ) -> kit.testing.CheckedServer:
        """Start a server on a free port.

        Args:
            resources: what to register: resources, or their classes, or lists of
                (method, pattern, callback).
            routes: the same, by name.
            tls: whether it speaks TLS, with a certificate of `kit_ca`; by default it
                does, unless the command line says otherwise.
            host: where it listens; 127.0.0.1 by default.
            hostname: names of your own that the certificate is to be good for too.
            limits: the bounds. With limits of your own, `grace_s` is also how long
                handlers may take to finish after the test.
            upstream: the base URL of a server, or a `kit.Upstream`, that this one stands
                before: what no stub and no route takes is answered from the test's
                cassette, or passed on and recorded.
            verify: whether the test fails for what goes wrong on it.
            allow_unmatched: whether requests may match nothing.
            allow_handler_errors: whether handlers may raise.
            allow_malformed: whether requests may be malformed.
            allow_unused_stubs: whether stubs may be left over.
            allow_unclean_websockets: whether websockets may end uncleanly.
            allow_lint: rules of `kit.testing.LINT_RULES` that clients may break.
            faults: what goes wrong on purpose: values of `kit.faults` for every request, or
                tuples of one, a method, and a pattern.
            strict: whether the test fails for what clients do sloppily.

        Returns:
            The running server; it is stopped when the test is over.

        Raises:
            StateError: the test is over.
        """
        import kit
        import kit.testing

        if self._is_over:
            raise kit.StateError(
                "the test of this kit_server_factory is over, nobody would stop the server: "
                "ask for the fixture where the server is needed"
            )
        given = {
            "allow_unmatched": allow_unmatched,
            "allow_handler_errors": allow_handler_errors,
            "allow_malformed": allow_malformed,
            "allow_unused_stubs": allow_unused_stubs,
            "allow_unclean_websockets": allow_unclean_websockets,
            "verify": verify,
        }
        allowed = self._merge(given)
        host = self._settings.host if host is None else host
        is_tls = self._settings.is_tls if tls is None else tls
        context = None
        if is_tls:
            context = self.authority.server_context(*name_leaf(host, hostname))
        bounds = self._limits if limits is None else limits
        server = kit.testing.CheckedServer(
            (host, 0),
            ssl_context=context,
            limits=bounds,
            allowances=kit.testing.Allowances(
                **{name.removeprefix("allow_"): allowed[name] for name in ALLOWANCES}
            ),
            strict=self._strict if strict is None else strict,
            allow_lint=(*self._allowed.get("allow_lint", ()), *allow_lint),
        )
        server.find_neighbours = self._list_servers
        for each in (*resources, routes):
            register(server, each)
        if self._journal is not None:
            server.add_observer(self._journal)
        if self._is_session:
            server.begin_phase(find_current_test())
        if self._coverage is not None:
            self._coverage.watch(server)
        if self._cassettes is not None:
            self._cassettes.insert(server, upstream)
        elif upstream is not None:
            raise kit.ConfigurationError(
                "upstream= is for kit_server_factory: a recording belongs to one test"
            )
        # Of the test and not of the run's order, so that workers choose alike.
        whose = "session" if self._is_session else find_current_test()
        server.fault_seed = f"{self._settings.fault_seed} {whose} {len(self._started)}"
        server.standing_faults = tuple(
            server.fault(*(each if isinstance(each, tuple) else (each,))) for each in faults
        )
        server.start()
        grace_s = self._settings.grace_s if bounds is None else None
        self._started.append((server, grace_s, allowed["verify"]))
        return server

    def _merge(self, given: Mapping[str, bool | None]) -> dict[str, bool]:
        settings = self._settings
        merged = dict.fromkeys(ALLOWANCES, False)
        merged |= {"allow_unmatched": settings.allow_unmatched, "verify": True}
        merged |= {
            name: self._allowed[name] for name in (*ALLOWANCES, "verify") if name in self._allowed
        }
        merged |= {name: value for name, value in given.items() if value is not None}
        merged["verify"] = merged["verify"] and settings.is_verifying
        return merged

    # What was seen

    def _list_servers(self) -> list[kit.testing.CheckedServer]:
        return self.servers

    @property
    def servers(self) -> list[kit.testing.CheckedServer]:
        """The servers started so far, also those that were stopped."""
        return [server for server, _, _ in self._started]

    def collect(self) -> kit.Journal:
        """Return one journal of the exchanges of all servers, in order of arrival.

        Raises:
            StateError: there are servers already, whose exchanges would be missing.
        """
        if self._journal is None:
            import kit

            if self._started:
                raise kit.StateError(
                    "kit_exchanges was asked for when servers ran already: "
                    "name it among the arguments of the test, or of the first fixture"
                )
            self._journal = kit.Journal()
        return self._journal

    def verify(self, when: str = "", *, but: str | None = None, has_stubs: bool = True) -> None:
        """Fail if there are problems on the servers that are to be verified, and not yet told.

        Args:
            when: what the text begins with.
            but: the present test, if its own problems are told elsewhere.
            has_stubs: whether stubs are looked at too.

        Raises:
            VerificationError: there are.
        """
        __tracebackhide__ = True
        found, text = self.find_untold(but=but, has_stubs=has_stubs)
        if found:
            import kit.testing

            raise kit.testing.VerificationError(f"{when}{text}", found)

    def find_problems(self) -> Found:
        """Return the problems of all servers that are to be verified, and their text."""
        return self._tell([(server, server.problems()) for server in self._list_verified()])

    def find_untold(
        self, *, test: str | None = None, but: str | None = None, has_stubs: bool = True
    ) -> Found:
        """Return what was told nowhere yet, and is allowed by no test's marker, as text too.

        It is taken as told from now on.

        Args:
            test: of servers of the session, only what arrived in this test, which is the
                present one.
            but: of servers of the session, what arrived in any test but this, the present one.
            has_stubs: whether stubs are looked at too; those of the session only without `test`.
        """
        found = []
        for server in self._list_verified():
            since = None if test is None else server.find_phase_start(test)
            if test is not None and since is None:
                continue  # it was started for another one
            until = None if but is None else server.find_phase_start(but)
            is_known = None
            if server.told:
                self.ledger.note_told(server, server.told)  # to a test that has caught it
            if self._ledger is not None or until is not None:
                is_known = self.ledger.make_filter(server, until)
            problems = server.problems(since=since, is_known=is_known)
            if problems and (self._ledger is not None or not has_stubs):
                problems = self.ledger.leave_out_stubs(server, problems, is_every=not has_stubs)
            if problems:
                self.ledger.note_told(server, problems)
            found.append((server, problems))
        return self._tell(found, is_of_session=test is not None)

    def _list_verified(self) -> list[kit.testing.CheckedServer]:
        return [server for server, _, is_verified in self._started if is_verified]

    def _tell(
        self,
        found: Iterable[tuple[kit.testing.CheckedServer, list[kit.testing.Problem]]],
        *,
        is_of_session: bool = False,
    ) -> Found:
        every: list[kit.testing.Problem] = []
        texts = []
        for server, problems in found:
            if problems:
                import kit.testing

                every += problems
                text = kit.testing.format_problems(server.url, problems, server.list_gaps())
                texts.append(f"{text}{_format_marker(problems)}" if is_of_session else text)
        return every, "\n\n".join(texts)

    @property
    def ledger(self) -> Ledger:
        """What needs no telling any more."""
        if self._ledger is None:
            from pytest_plugin.ledger import Ledger

            self._ledger = Ledger()
        return self._ledger

    def format_lint(self, test: str | None = None) -> str:
        """Write what clients did sloppily, where that is no problem; empty if nothing was.

        Args:
            test: of servers of the session, only what they did in this test.
        """
        import kit.testing
        from kit.testing.server import find_deadline

        deadline = find_deadline()
        noted = []
        for server in self.servers:
            since = None if test is None else server.find_phase_start(test)
            if not server.strict and (test is None or since is not None):
                noted.append((server.url, server.lint(since=since, deadline=deadline)))
        return "\n\n".join(kit.testing.format_lint(url, notes) for url, notes in noted if notes)

    def list_failed_handshakes(self, test: str | None = None) -> list[str]:
        """Tell of the TLS handshakes that have failed, a line each.

        Args:
            test: of servers of the session, only those of this test, which is the present one.
        """
        from kit.testing.server import find_deadline

        lines = []
        deadline = find_deadline()
        for server in self.servers:
            since = None if test is None else server.find_phase_start(test)
            if test is None or since is not None:
                told = server.list_failed_handshakes(since=since, deadline=deadline)
                lines += [f"{server.url}: {line}" for line in told]
        return lines

    def list_gaps(self) -> list[str]:
        """Tell what could not be kept of the exchanges, a line each."""
        return [f"{server.url}: {gap}" for server in self.servers for gap in server.list_gaps()]

    def begin_test(self, name: str) -> None:
        """Note that what arrives from now on belongs to another test."""
        for server in self.servers:
            server.begin_phase(name)

    # The end

    def stop(self) -> None:
        """Stop every server, the last one first; warn of what had to be cut."""
        self._is_over = True
        cut: list[str] = []
        with contextlib.ExitStack() as stack:  # one that fails must not keep the others
            for server, grace_s, _ in self._started:
                if self._coverage is not None:
                    self._coverage.note_registered(server)
                stack.callback(self._stop_one, server, grace_s, cut)
        if cut:
            warnings.warn("\n".join([*cut, ADVICE]), KitWarning, stacklevel=2)

    def _stop_one(
        self, server: kit.testing.CheckedServer, grace_s: float | None, cut: list[str]
    ) -> None:
        busy = self._stop_server(server, grace_s)
        if busy:
            cut.append(f"{server.url} was still busy after the test, and was cut:")
            cut += [f"  {each}" for each in busy]


def _format_marker(problems: Iterable[kit.testing.Problem]) -> str:
    from kit.testing.verify import list_allowing

    allowed = list_allowing(problem.kind for problem in problems)
    given = ", ".join(f"allow_{each}" for each in allowed)
    return f"\nin this test alone: @pytest.mark.kit_server({given})"


FACTORY = pytest.StashKey[ServerFactory]()
"""At an item: the factory of its test. At the configuration: that of the session."""
IS_PARTIAL = pytest.StashKey[bool]()
"""At the configuration, if tests were deselected."""
IS_CALLED = pytest.StashKey[bool]()
"""At an item, while its call runs, and its servers' stubs may still be used."""


def has_servers(item: pytest.Item) -> bool:
    """Tell whether there may be servers to ask: of the test, or of the session."""
    return FACTORY in item.stash or FACTORY in item.config.stash


def stop_server(server: kit.testing.CheckedServer, grace_s: float | None) -> list[str]:
    """Stop a server, and close its port."""
    return server.stop(grace_s=grace_s)


def register(server: kit.HTTPServer, routes: Any) -> None:
    """Register resources, classes of them, and lists of routes or of all these."""
    if isinstance(routes, type):
        routes = routes()
    if isinstance(routes, list | tuple):
        for each in routes:
            if isinstance(each, tuple):
                server.registerRoutes([each])
            else:
                register(server, each)
    else:
        server.registerRoutes(routes)


def name_leaf(host: str, hostname: str | Iterable[str] = ()) -> tuple[str, ...]:
    """Return what a certificate for a server on `host` says; () for the usual names."""
    named = (hostname,) if isinstance(hostname, str) else tuple(hostname)
    unusual = () if host in LEAF_NAMES or host in ANY_HOST else (host,)
    return (*LEAF_NAMES, *unusual, *named) if unusual or named else ()


def find_current_phase() -> str:
    """Name the test that runs, with its phase, as pytest tells the environment."""
    return os.environ.get("PYTEST_CURRENT_TEST", "no test")


def find_current_test() -> str:
    """Name the test that runs."""
    return find_current_phase().rpartition(" (")[0] or "no test"


def find_coverage(config: pytest.Config) -> RouteCoverage | None:
    """Return what counts the routes of this run; None if nobody asked for that."""
    report = config.pluginmanager.get_plugin("kit-route-coverage")
    return getattr(report, "coverage", None)
