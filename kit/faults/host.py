"""What a server and a client have for faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from kit.errors import ConfigurationError, StateError
from kit.faults.book import FaultBook
from kit.wire.faulty import FaultyStream

if TYPE_CHECKING:
    from collections.abc import Collection

    from kit.faults.book import Seed
    from kit.faults.fault import Fault, Role
    from kit.faults.plan import FaultRule
    from kit.wire.streams import Stream


class FaultHost:
    """The part of a server or client that goes wrong on purpose.

    Attributes:
        faults: what goes wrong with requests.
    """

    _role: ClassVar[Role]

    def __init__(self) -> None:
        super().__init__()
        self.faults: FaultBook = FaultBook(self._role)

    def fault(
        self,
        fault: Fault,
        method: str | None = None,
        pattern: str | None = None,
        *,
        nth: int | Collection[int] | None = None,
        every: int | None = None,
        share: float | None = None,
        times: int | None = None,
        seed: Seed | None = None,
    ) -> FaultRule:
        """Order a fault for requests, from the next one on.

        Without `nth`, `every` and `share` each matching request has it. A websocket is
        matched by its handshake's GET. Where several rules choose a request, the fault
        that was ordered first is applied, and all rules count the request.

        Args:
            fault: a value of `kit.faults`.
            method: the requests' method; None for any.
            pattern: the path, with wildcards as routes have them; None for any.
            nth: the number of the matching request, from 1, or several numbers.
            every: every so many matching requests: 3 for the third, the sixth, ...
            share: the random share of matching requests, 0 to 1.
            times: how many requests have it at most.
            seed: what the random choice begins with; by default made from `fault_seed`.

        Returns:
            The rule: it counts what it did, and can be removed.

        Raises:
            PatternError: the pattern is malformed.
            ConfigurationError: another argument cannot work.
        """
        from kit.faults.plan import FaultRule

        return self.faults.order(
            FaultRule(
                fault,
                method,
                pattern,
                nth=nth,
                every=every,
                share=share,
                times=times,
                seed=seed,
            )
        )

    def clear_faults(self) -> None:
        """Order no fault any more; what has one already keeps it."""
        self.faults.clear()

    @property
    def fault_seed(self) -> Seed:
        """What random choices of faults begin with; drawn by lot unless it is set.

        Set it before the first request to have the same choices again.
        """
        return self.faults.seed

    @fault_seed.setter
    def fault_seed(self, seed: Seed) -> None:
        self.faults.seed = seed


class Door(Protocol):
    """What lets connections in."""

    def refuse(self) -> None:
        """Let no further connection in."""

    def accept_again(self) -> None:
        """Let connections in again."""


class ServerFaultHost(FaultHost):
    """The part of a server that goes wrong on purpose, connections included.

    Attributes:
        connection_faults: what goes wrong with connections.
    """

    _role = "server"

    def __init__(self) -> None:
        super().__init__()
        self.connection_faults: FaultBook = FaultBook(
            "server", is_for_connections=True, seeder=self.faults
        )
        self._refusals: list[FaultRule] = []

    def fault_connections(
        self,
        fault: Fault,
        *,
        nth: int | Collection[int] | None = None,
        every: int | None = None,
        share: float | None = None,
        times: int | None = None,
        seed: Seed | None = None,
    ) -> FaultRule:
        """Order a fault for connections as they are accepted, before TLS; see `fault`.

        Args:
            fault: `Refuse`, `Reset`, `EmptyReply` or `NeverAnswer`. Refused connections
                never reach the server, so all are refused until the rule is removed.
            nth: the number of the connection, from 1, or several numbers.
            every: every so many connections.
            share: the random share of connections, 0 to 1.
            times: how many connections have it at most.
            seed: what the random choice begins with.

        Raises:
            ConfigurationError: an argument cannot work.
            StateError: connections are to be refused by a server that does not run.
        """
        from kit.faults.plan import FaultRule
        from kit.faults.transport import Refuse

        rule = FaultRule(fault, nth=nth, every=every, share=share, times=times, seed=seed)
        if not isinstance(fault, Refuse):
            return self.connection_faults.order(rule)
        if rule.where != "all":
            raise ConfigurationError(
                "Refuse takes no nth, every, share or times, as refused connections never "
                "reach the server: remove() the rule to accept again"
            )
        self._get_door().refuse()
        rule._forget = self._accept_again
        self._refusals.append(rule)
        return rule

    def clear_faults(self) -> None:
        """Order no fault any more, for requests and connections."""
        super().clear_faults()
        self.connection_faults.clear()
        for rule in list(self._refusals):
            rule.remove()

    def _accept_again(self, rule: FaultRule) -> None:
        self._refusals.remove(rule)
        if not self._refusals:
            self._get_door().accept_again()

    def _get_door(self) -> Door:
        door: Door | None = getattr(self, "_listener", None)
        if door is None:
            raise StateError("the server does not listen: start() it, then have it refuse")
        return door

    def spoil_connection(self, stream: Stream) -> FaultyStream | None:
        """Give a new connection's stream the fault it is to have; None if it has none."""
        injection = self.connection_faults.choose()
        if injection is None:
            return None
        faulty = FaultyStream(stream, is_server=True)
        faulty.apply(str(injection.fault), injection.tamper)
        faulty.send(b"")  # it goes wrong at once
        return faulty
