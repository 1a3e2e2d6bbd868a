"""How long a test waits before it calls something stuck."""

from __future__ import annotations

import os

FACTOR_VARIABLE = "KIT_TEST_TIME_FACTOR"


def scaled(seconds: float) -> float:
    """Return `seconds` times the environment's factor, for slow or busy machines."""
    return seconds * float(os.environ.get(FACTOR_VARIABLE, "1"))
