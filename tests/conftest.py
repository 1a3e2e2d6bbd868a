"""What every test gets: nothing may stay behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from support import leaks

# An example that takes long tells of a busy machine, and of nothing else.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

ONCE = frozenset(
    (
        "autobahn",
        "bench",
        "conformance",
        "soak",
        "test_clients",
        "test_readme",
        "test_tls_clients",
        "viewer",
    )
)
"""Of tests/, what says the same with every Python, and need be run with one of them only."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what need be run once."""
    root = Path(__file__).parent
    for item in items:
        parts = item.path.relative_to(root).with_suffix("").parts
        if not ONCE.isdisjoint(parts):
            item.add_marker("once")


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    before = leaks.take_snapshot()
    yield
    found = leaks.find_leaks(before)
    if found:
        pytest.fail(leaks.format_leaks(found), pytrace=False)
