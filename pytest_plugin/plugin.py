"""What pytest loads: the fixtures, and hooks that hand over to other modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_plugin.fixtures import (
    _kit_ca_path,
    _kit_relay,
    kit_ca,
    kit_client,
    kit_server,
    kit_server_factory,
    kit_trust,
)

if TYPE_CHECKING:
    import pytest

__all__ = [
    "_kit_ca_path",
    "_kit_relay",
    "kit_ca",
    "kit_client",
    "kit_server",
    "kit_server_factory",
    "kit_trust",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their ini keys."""
    group = parser.getgroup("kit", "servers and clients of wirekit")
    text = "tell which routes were hit; fail the run if fewer than MIN percent were"
    group.addoption(
        "--kit-route-coverage", nargs="?", const="on", metavar="MIN", help=f"{text} (on, off)"
    )
    parser.addini("kit_route_coverage", f"{text}: on, off or MIN", default="off")


def pytest_configure(config: pytest.Config) -> None:
    """Set up what the options ask for."""
    coverage = config.getoption("kit_route_coverage")
    if coverage is None:
        coverage = config.getini("kit_route_coverage")
    if coverage not in {"", "off"}:
        from pytest_plugin import routes_report

        routes_report.install(config, coverage)
