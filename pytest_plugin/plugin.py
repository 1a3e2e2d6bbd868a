"""What pytest loads: the fixtures, and hooks that hand over to other modules.

What only tests with servers need is imported when there is one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_plugin import (
    canary,
    cassettes,
    late,
    options,
    redaction,
    server_fixtures,
    totals,
)
from pytest_plugin.fixtures import (
    _kit_ca_path,
    kit_ca,
    kit_cassette_options,
    kit_client,
    kit_exchanges,
    kit_limits,
    kit_plain_server,
    kit_server,
    kit_server_options,
    kit_session_server_factory,
    kit_trust,
)
from pytest_plugin.servers import IS_CALLED, IS_PARTIAL, has_servers
from pytest_plugin.tls_faults import kit_tls_fault

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = [
    "_kit_ca_path",
    "kit_ca",
    "kit_cassette_options",
    "kit_client",
    "kit_exchanges",
    "kit_limits",
    "kit_plain_server",
    "kit_server",
    "kit_server_options",
    "kit_session_server_factory",
    "kit_tls_fault",
    "kit_trust",
]


# Not loaded by this: pytest only notes the name.
if "kit.testing" not in sys.modules:
    pytest.register_assert_rewrite("kit.testing")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their ini keys."""
    options.add_options(parser)
    cassettes.add_options(parser)
    redaction.add_options(parser)
    canary.add_options(parser)
    group = parser.getgroup("kit")
    text = "tell which routes were hit; fail the run if fewer than MIN percent were"
    group.addoption(
        "--kit-route-coverage", nargs="?", const="on", metavar="MIN", help=f"{text} (on, off)"
    )
    parser.addini("kit_route_coverage", f"{text}: on, off or MIN", default="off")


def pytest_configure(config: pytest.Config) -> None:
    """Set up what the options ask for, and register the marker."""
    options.configure(config)
    late.install(config)
    totals.install(config)
    cassettes.install(config)
    redaction.install(config)
    server_fixtures.install(config)
    wanted = options.read_artifacts(config)
    if wanted:
        from pytest_plugin import artifacts

        artifacts.install(config, wanted)
    canary.install(config)  # behind the artifacts, as it searches what else was written first
    is_told_to_hold = config.getoption("kit_hold")
    if is_told_to_hold or config.getini("kit_hold"):
        from pytest_plugin import hold

        hold.install(config, is_demanded=is_told_to_hold)
    coverage = config.getoption("kit_route_coverage")
    if coverage is None:
        coverage = config.getini("kit_route_coverage")
    if coverage not in {"", "off"}:
        from pytest_plugin import routes_report

        routes_report.install(config, coverage)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Tell what is not as usual, and what faults are chosen by."""
    settings = config.stash[options.SETTINGS]
    told = options.describe_settings(settings)
    seed = f"kit fault seed: {settings.fault_seed}"
    return [seed] if told is None else [told, seed]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Have xdist's workers choose by the same seed, and know since when the run lasts."""
    node.workerinput["kit_fault_seed"] = str(node.config.stash[options.SETTINGS].fault_seed)
    node.workerinput["kit_began_ns"] = node.config.stash[cassettes.CASSETTES].began_ns


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain where objects of kit differ."""
    from pytest_plugin import comparison

    return comparison.explain(op, left, right)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Note that this is not the whole suite."""
    for item in items[:1]:
        item.config.stash[IS_PARTIAL] = True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the marker; servers of the session are told whose requests come now."""
    server_fixtures.begin_test(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that has passed for what its servers have seen go wrong."""
    __tracebackhide__ = True
    item.stash[IS_CALLED] = True
    try:
        result = yield
    finally:
        del item.stash[IS_CALLED]
    if has_servers(item):
        from pytest_plugin import verification

        verification.verify_test(item)
        cassettes.verify_test(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what its servers have seen."""
    # Three times a test, so that those without servers are let pass at once.
    if not has_servers(item):
        return (yield)
    from pytest_plugin import report, verification

    if call.when == "teardown":
        verification.verify_teardown(item, call)
        cassettes.write_test(item, call)
    report.add_properties(item, call)
    made = yield
    if made.failed:
        cassettes.note_failure(item)
        report.add_exchanges(item, made)
        cassettes.add_ignored(item, made)
    if made.failed or call.when == "teardown":
        verification.complete_report(item, call, made)
    return made
