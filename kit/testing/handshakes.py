"""TLS handshakes that have failed on a server, of which no exchange can tell."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from kit.record.connection import AS_STOPPED, format_address
from kit.testing.text import show_line
from kit.wire.streams import TlsStream

if TYPE_CHECKING:
    from kit.engine.handling import Handling

MAX_FAILED_HANDSHAKES: Final = 20
"""Of a server's failed handshakes, the last ones that are kept."""

_TEXT_SHOWN = 300
_ASKS_PLAINLY = "HTTP_REQUEST"


class FailedHandshake(NamedTuple):
    """A TLS handshake that has failed.

    Attributes:
        peer: the client's address.
        at: when the connection was opened; real-monotonic seconds.
        reason: why it has failed.
    """

    peer: tuple[str, int]
    at: float
    reason: str

    def __str__(self) -> str:
        is_plain = _ASKS_PLAINLY in self.reason
        hint = "does the client speak plain HTTP?" if is_plain else "does the client trust kit_ca?"
        reason = show_line(self.reason, _TEXT_SHOWN)
        return f"TLS handshake failed: {format_address(self.peer)}: {reason} ({hint})"


class FailedHandshakes:
    """Keeps the last failed handshakes of a server, and counts the others.

    Attributes:
        dropped: how many were dropped, as there were more.
    """

    __slots__ = ("_kept", "dropped")

    def __init__(self) -> None:
        self._kept: deque[FailedHandshake] = deque(maxlen=MAX_FAILED_HANDSHAKES)
        self.dropped: int = 0

    def look_at(self, connection: Handling) -> None:
        """Take in a connection of a TLS server that is closed, if it came to no handshake."""
        info = connection.info
        is_failed = info.handshake_s is None and info.end not in (None, AS_STOPPED)
        if is_failed and isinstance(connection.stream, TlsStream):
            self.dropped += len(self._kept) == MAX_FAILED_HANDSHAKES
            reason = (info.end or "").removeprefix("by an error: ")
            self._kept.append(FailedHandshake(info.peer, info.opened_at, reason))

    def list_since(self, since: float | None) -> list[FailedHandshake]:
        """List those whose connection was opened at this time or later; all if None."""
        # A copy of a deque is made in one step.
        return [each for each in self._kept.copy() if since is None or each.at >= since]
