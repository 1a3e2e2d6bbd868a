"""A server of each kind, and raw connections to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.serving import Rig, make_authority


@pytest.fixture(params=["plain", "tls"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A rig of each kind."""
    yield from _run(is_tls=request.param == "tls")


@pytest.fixture
def plain_rig() -> Iterator[Rig]:
    """For what does not depend on the transport."""
    yield from _run(is_tls=False)


def _run(*, is_tls: bool) -> Iterator[Rig]:
    with Rig(make_authority() if is_tls else None) as rig:
        yield rig
