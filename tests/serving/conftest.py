"""A server of each kind, and raw connections to it."""

from __future__ import annotations

import logging
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


@pytest.fixture
def no_captured_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the log out of pytest's report: lone surrogates in it end an xdist worker."""
    monkeypatch.setattr(logging.getLogger("kit"), "propagate", False)
