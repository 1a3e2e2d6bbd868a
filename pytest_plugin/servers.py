"""Servers that live as long as a test."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    import kit
    from kit.testing.route_coverage import RouteCoverage

GRACE_S = 1.0
"""How long handlers that still run when a test has ended may take to finish."""

LEAF_NAMES = ("localhost", "127.0.0.1", "::1")
ANY_HOST = ("", "0.0.0.0", "::")  # noqa: S104 - not bound here, only compared


ADVICE = "let handlers end before the test does, for example by an Event that they wait on"


class KitWarning(pytest.PytestWarning):
    """Something a test left undone, and the plugin had to end."""


class ServerFactory:
    """Starts servers for a test and stops them after it; what `kit_server_factory` gives.

    Args:
        find_authority: gives the authority that issues certificates; asked when
            the first server with TLS is made.
        coverage: what counts the routes that are hit, if the run is to tell.
    """

    def __init__(
        self,
        find_authority: Callable[[], kit.CertificateAuthority],
        coverage: RouteCoverage | None = None,
    ) -> None:
        self._find_authority = find_authority
        self._coverage = coverage
        self._is_over = False
        self._started: list[tuple[kit.HTTPServer, float | None]] = []

    def __call__(
        self,
        *routes: kit.Resource | Iterable[tuple[str, str, Callable[..., Any]]],
        tls: bool = True,
        host: str = "127.0.0.1",
        limits: kit.Limits | None = None,
    ) -> kit.HTTPServer:
        """Start a server on a free port.

        Args:
            routes: resources, or lists of (method, pattern, callback), to register.
            tls: whether it speaks TLS, with a certificate of `kit_ca`.
            host: where it listens.
            limits: the bounds. With limits of your own, `grace_s` is also how long
                handlers may take to finish after the test.

        Returns:
            The running server; it is stopped when the test is over.

        Raises:
            StateError: the test is over.
        """
        import kit

        if self._is_over:
            raise kit.StateError(
                "the test of this kit_server_factory is over, nobody would stop the server: "
                "ask for the fixture where the server is needed"
            )
        context = self._find_authority().server_context(*name_leaf(host)) if tls else None
        server = kit.HTTPServer((host, 0), ssl_context=context, limits=limits)
        for each in routes:
            server.registerRoutes(each)
        if self._coverage is not None:
            self._coverage.watch(server)
        server.start()
        self._started.append((server, GRACE_S if limits is None else None))
        return server

    def stop(self) -> None:
        """Stop every server, the last one first; warn of what had to be cut."""
        self._is_over = True
        cut: list[str] = []
        with contextlib.ExitStack() as stack:  # one that fails must not keep the others
            for server, grace_s in self._started:
                if self._coverage is not None:
                    self._coverage.note_registered(server)
                stack.callback(_stop_one, server, grace_s, cut)
            self._started = []
        if cut:
            warnings.warn("\n".join([*cut, ADVICE]), KitWarning, stacklevel=2)


def _stop_one(server: kit.HTTPServer, grace_s: float | None, cut: list[str]) -> None:
    busy = server.stop(grace_s=grace_s)
    if busy:
        cut.append(f"{server.url} was still busy after the test, and was cut:")
        cut += [f"  {each}" for each in busy]


def name_leaf(host: str) -> tuple[str, ...]:
    """Return what a certificate for a server on `host` says; () for the usual names."""
    return () if host in LEAF_NAMES or host in ANY_HOST else (*LEAF_NAMES, host)


def find_coverage(config: pytest.Config) -> RouteCoverage | None:
    """Return what counts the routes of this run; None if nobody asked for that."""
    report = config.pluginmanager.get_plugin("kit-route-coverage")
    return getattr(report, "coverage", None)
