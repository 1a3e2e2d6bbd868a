"""The text an assertion fails with, made the same for every run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest


def fail(assertion: Callable[..., object], *arguments: Any, **options: Any) -> list[str]:
    """Call an assertion that must fail; return the lines of its text."""
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **options)
    return str(caught.value).splitlines()


def hide_numbers(lines: list[str]) -> list[str]:
    """Replace ids, ports and durations."""
    patterns = {
        r"<Exchange \d+": "<Exchange N",
        r"connection \d+": "connection N",
        r"127\.0\.0\.1:\d+": "HOST",
        r"\d+\.\d+ ms": "T",
    }
    text = "\n".join(lines)
    for pattern, replacement in patterns.items():
        text = re.sub(pattern, replacement, text)
    return text.splitlines()
