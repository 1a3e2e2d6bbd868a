# ruff: noqa: ARG002 - every fault is given what some of them ask for
"""Delays: before a message, or between its pieces; fixed, or drawn from a distribution."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

from kit.errors import ConfigurationError
from kit.faults.fault import (
    MAX_PAUSE_S,
    Fault,
    PauseTampering,
    Role,
    Tampering,
    check_seconds,
)
from kit.wire.faulty import Action, Pause, Tamper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random


@dataclasses.dataclass(frozen=True, repr=False)
class Delay(Fault):
    """Wait before the first byte of the message."""

    seconds: float

    is_harmless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_seconds("Delay.seconds", self.seconds)

    def describe(self) -> str:
        """Tell how long."""
        return f"delayed by {self.seconds:g} s"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return PauseTampering(self.seconds)


@dataclasses.dataclass(frozen=True, repr=False)
class UniformDelay(Fault):
    """Wait before the first byte, each time in `low_s` to `high_s` is equally likely."""

    low_s: float
    high_s: float

    is_harmless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_seconds("UniformDelay.low_s", self.low_s)
        check_seconds("UniformDelay.high_s", self.high_s)
        if self.low_s > self.high_s:
            raise ConfigurationError(
                f"UniformDelay.low_s is at most high_s, not {self.low_s!r} and {self.high_s!r}"
            )

    def describe(self) -> str:
        """Tell between what."""
        return f"delayed by {self.low_s:g} to {self.high_s:g} s"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Draw a delay."""
        return PauseTampering(random.uniform(self.low_s, self.high_s))


@dataclasses.dataclass(frozen=True, repr=False)
class LogNormalDelay(Fault):
    """Wait before the first byte, as real networks do: mostly little, sometimes much.

    Args:
        median_s: half of the delays are shorter.
        sigma: how far they scatter: the standard deviation of the delay's logarithm.
        max_s: no delay is longer.
    """

    median_s: float
    sigma: float = 0.5
    max_s: float = 60.0

    is_harmless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_seconds("LogNormalDelay.median_s", self.median_s)
        check_seconds("LogNormalDelay.max_s", self.max_s)
        if not self.median_s > 0:
            raise ConfigurationError(f"LogNormalDelay.median_s is above 0, not {self.median_s!r}")
        sigma: object = self.sigma
        is_number = isinstance(sigma, int | float) and not isinstance(sigma, bool)
        if not (is_number and 0 <= self.sigma <= 10):
            raise ConfigurationError(f"LogNormalDelay.sigma is a number of 0 to 10, not {sigma!r}")

    def describe(self) -> str:
        """Tell the distribution."""
        return f"delayed by about {self.median_s:g} s (log-normal, sigma {self.sigma:g})"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Draw a delay."""
        drawn = random.lognormvariate(math.log(self.median_s), self.sigma)
        return PauseTampering(min(drawn, self.max_s, MAX_PAUSE_S))


@dataclasses.dataclass(frozen=True, repr=False)
class ChunkDelay(Fault):
    """Wait before each piece that is sent: a head with a small body, a chunk, a frame.

    What is sent at once but larger than 64 KiB is a piece for each 64 KiB of it.
    """

    seconds: float

    is_harmless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_seconds("ChunkDelay.seconds", self.seconds)

    def describe(self) -> str:
        """Tell how long."""
        return f"each piece delayed by {self.seconds:g} s"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _ChunkPausing(Pause(self.seconds))


class _ChunkPausing(Tampering):
    def __init__(self, pause: Pause) -> None:
        self._pause = pause

    def alter(self, data: bytes) -> Iterable[Action]:
        """Wait, then send it."""
        return (self._pause, data)
