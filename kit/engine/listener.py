"""A listening socket on the relay."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING

from kit.engine.binding import BACKLOG
from kit.engine.channel import GONE, PARKED, READ, Channel
from kit.errors import StateError
from kit.wire.streams import SocketStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.engine.relay import Relay
    from kit.wire.streams import Stream

logger: logging.Logger = logging.getLogger("kit")

BATCH = 64
"""Connections taken in one turn, so that a flood of them starves nobody."""
RETRY_S = 0.05
"""How long accepting rests when the system, or our own bound, has no room."""
PATIENCE_S = 5.0
"""How long the port's owner waits for the leader to close or open it."""
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

    Attributes:
        welcome: whom a connection is handed to.
    """

    __slots__ = ("_has_room", "_is_exhausted", "_is_refusing", "_socket", "welcome")

    # Assigned here too, so declared again for type checkers.
    stream: Stream

    def __init__(
        self,
        relay: Relay,
        sock: socket.socket,
        welcome: Callable[[socket.socket, tuple[str, int]], None],
        has_room: Callable[[], bool],
    ) -> None:
        super().__init__(relay, SocketStream(sock))
        self._socket = sock
        self.welcome: Callable[[socket.socket, tuple[str, int]], None] = welcome
        self._has_room = has_room
        self._is_exhausted = False
        self._is_refusing = False

    def step(self, ready: int) -> int:
        """Accept what is waiting."""
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
            self.welcome(sock, address[:2])
        return READ

    def hand_on(
        self,
        welcome: Callable[[socket.socket, tuple[str, int]], None],
        has_room: Callable[[], bool],
    ) -> None:
        """Give connections to somebody else from now on; called by the leader."""
        self.welcome = welcome
        self._has_room = has_room

    def shut(self) -> None:
        """Stop accepting; called by the leader."""
        self.close()
        self.relay.settle(self, GONE)

    def parked(self) -> None:
        """Try again a little later, unless nobody is to be let in."""
        if not self._is_refusing:
            self.relay.call_later(RETRY_S, self._go_on)

    def _go_on(self) -> None:
        if not self.is_closed and not self._is_refusing:
            self.relay.settle(self, READ)

    # Refusing on purpose; any thread

    def refuse(self) -> None:
        """Have the system refuse connections to the port, which stays ours."""
        self._have_done(self._refuse)

    def accept_again(self) -> None:
        """Listen again."""
        self._have_done(self._accept_again)

    def _have_done(self, function: Callable[[], None]) -> None:
        """Have the leader call a function, and wait for that; what it raises comes out here."""
        if self.is_closed:
            return  # a stopped server refuses anyway
        done = threading.Event()
        errors: list[Exception] = []

        def call() -> None:
            try:
                function()
            except Exception as error:
                errors.append(error)
            done.set()

        self.relay.call(call)
        if not done.wait(PATIENCE_S):
            raise StateError("the server is too busy: its port could not be switched in time")
        if errors:
            raise errors[0]

    def _refuse(self) -> None:
        if self.is_closed or self._is_refusing:
            return
        self._is_refusing = True
        self.relay.settle(self, PARKED)
        before = self._socket
        address = before.getsockname()
        before.close()
        # Bound and not listening: the port stays ours, and the system refuses.
        self._socket = socket.socket(before.family, before.type)
        self.stream = SocketStream(self._socket)
        if os.name == "posix":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(address)

    def _accept_again(self) -> None:
        if self.is_closed or not self._is_refusing:
            return
        self._is_refusing = False
        self._socket.listen(BACKLOG)
        self.relay.settle(self, READ)
