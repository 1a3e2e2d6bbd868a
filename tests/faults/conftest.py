"""A server of each kind, and raw connections to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.serving import Rig, make_authority


@pytest.fixture(params=["plain", "tls"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A rig of each kind."""
    with Rig(make_authority() if request.param == "tls" else None) as rig:
        yield rig


@pytest.fixture
def plain_rig() -> Iterator[Rig]:
    """For what does not depend on the transport."""
    with Rig(None) as rig:
        yield rig
