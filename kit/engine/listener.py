"""A listening socket on the relay."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from kit.engine.channel import GONE, PARKED, READ, Channel
from kit.wire.streams import SocketStream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from kit.engine.relay import Relay

logger = logging.getLogger("kit")

BATCH = 64
"""Connections taken in one turn, so that a flood of them starves nobody."""
RETRY_S = 0.05
"""How long accepting rests when the system, or our own bound, has no room."""
EXHAUSTED = frozenset(
    getattr(errno, name)
    for name in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "WSAEMFILE", "WSAENOBUFS")
    if hasattr(errno, name)
)


class Listener(Channel):
    """Accepts connections and hands each to `welcome`.

    Args:
        has_room: asked before each accept; while it says no, further
            connections wait in the system's backlog.
    """

    __slots__ = ("_has_room", "_is_exhausted", "_socket", "_welcome")

    def __init__(
        self,
        relay: Relay,
        sock: socket.socket,
        welcome: Callable[[socket.socket, tuple[str, int]], None],
        has_room: Callable[[], bool],
    ) -> None:
        super().__init__(relay, SocketStream(sock))
        self._socket = sock
        self._welcome = welcome
        self._has_room = has_room
        self._is_exhausted = False

    def step(self, ready: int) -> int:
        """Accept what is waiting."""
        if self.is_closed:
            return GONE
        for _ in range(BATCH):
            if not self._has_room():
                return PARKED
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in EXHAUSTED:
                    if not self._is_exhausted:
                        logger.warning("cannot accept a connection: %s; trying again", error)
                    self._is_exhausted = True
                    return PARKED
                continue  # the peer went away while it waited (ECONNABORTED and the like)
            self._is_exhausted = False
            self._welcome(sock, address[:2])
        return READ

    def shut(self) -> None:
        """Stop accepting; called by the leader."""
        self.close()
        self.relay.settle(self, GONE)

    def parked(self) -> None:
        """Try again a little later."""
        self.relay.call_later(RETRY_S, self._go_on)

    def _go_on(self) -> None:
        if not self.is_closed:
            self.relay.settle(self, READ)
