"""What every test gets: nothing may stay behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import leaks


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    before = leaks.take_snapshot()
    yield
    found = leaks.find_leaks(before)
    if found:
        pytest.fail(leaks.format_leaks(found), pytrace=False)
