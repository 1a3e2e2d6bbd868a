"""The faults that are ordered for a server or client: next to nothing while there are none."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from kit.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.faults.fault import Fault, Role
    from kit.faults.plan import FaultRule
    from kit.wire.faulty import Tamper

Seed = int | str
SEED_BITS = 32


class Injection(NamedTuple):
    """A fault that one request or connection is to have."""

    fault: Fault
    tamper: Tamper


class FaultBook:
    """The faults that are ordered for a server, a client, or a server's connections.

    Args:
        role: the side that misbehaves.
        is_for_connections: whether they are of connections, not of requests.
        seeder: whose seed is taken.

    Attributes:
        has_faults: whether there is any; all that a request without one costs.
    """

    def __init__(
        self, role: Role, *, is_for_connections: bool = False, seeder: FaultBook | None = None
    ) -> None:
        self.has_faults: bool = False
        self._role: Role = role
        self._is_for_connections = is_for_connections
        self._lock = threading.Lock()
        self._rules: tuple[FaultRule, ...] = ()
        self._ordered = 0
        self._seed: Seed | None = None
        self._seeder = seeder

    @property
    def seed(self) -> Seed:
        """What the random choices of rules without a seed begin with; drawn when first needed."""
        if self._seeder is not None:
            return self._seeder.seed
        if self._seed is None:
            import random

            self._seed = random.SystemRandom().getrandbits(SEED_BITS)
        return self._seed

    @seed.setter
    def seed(self, seed: Seed) -> None:
        if not isinstance(seed, int | str):
            raise ConfigurationError(f"seed is an int or a str, not {seed!r}")
        self._seed = seed

    @property
    def rules(self) -> list[FaultRule]:
        """The rules, in the order they are asked."""
        return list(self._rules)

    def order(self, rule: FaultRule) -> FaultRule:
        """Add a rule.

        Raises:
            ConfigurationError: the fault is none that can be had here.
        """
        from kit.faults.plan import check_fault

        check_fault(rule.fault, self._role, is_for_connections=self._is_for_connections)
        with self._lock:
            rule._forget = self._remove
            self._ordered += 1
            rule.number = self._ordered
            rule.owner = f"{self._role} connections" if self._is_for_connections else self._role
            self._rules += (rule,)
            self.has_faults = True
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        for rule in self._rules:
            rule.remove()

    def _remove(self, rule: FaultRule) -> None:
        with self._lock:
            self._rules = tuple(each for each in self._rules if each is not rule)
            self.has_faults = bool(self._rules)

    def choose(
        self,
        method: str = "",
        path: str = "",
        *,
        is_reuse: bool = False,
        is_handshake: bool = False,
        more: Iterable[FaultRule] = (),
    ) -> Injection | None:
        """Return the fault that a request has; every rule that takes it counts it.

        Where several rules choose it, the first one's fault is applied.

        Args:
            method: the request's method.
            path: its path, undecoded.
            is_reuse: whether it is not the first one on its connection.
            is_handshake: whether it asks for a websocket.
            more: rules of what answers the request, asked before those of the book.
        """
        own = [each for each in self._rules if each.takes(method, path)]
        return self.choose_among([*more, *own], is_reuse=is_reuse, is_handshake=is_handshake)

    def choose_among(
        self,
        rules: Iterable[FaultRule],
        *,
        is_reuse: bool,
        is_handshake: bool = False,
        is_free: bool = True,
    ) -> Injection | None:
        """Return the fault that a request has by rules that take it; see `choose`.

        Args:
            rules: the rules.
            is_reuse: whether the request is not the first one on its connection.
            is_handshake: whether it asks for a websocket.
            is_free: whether it may have one; False when it has another one already.
        """
        found: Injection | None = None
        for rule in rules:
            if not rule.fits(is_reuse=is_reuse, is_handshake=is_handshake):
                continue
            source = rule.draw(self._get_seed, is_free=is_free and found is None)
            if source is not None:
                found = Injection(rule.fault, rule.fault.make_tamper(self._role, source))
                found.tamper.watch(rule.note_applied)
        return found

    def _get_seed(self) -> Seed:
        return self.seed
