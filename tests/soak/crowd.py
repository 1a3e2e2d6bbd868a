"""A crowd of peers in a process of its own: idle websockets and busy connections.

Started as a module with a port, and the numbers of websockets, of connections, and of
requests on each of them. It says in JSON what came back, a line for each step, and goes
on to the next step when it is told to by a line.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys

from support.deadlines import scaled
from support.raw_websocket import make_handshake
from support.websocket_frames import TEXT, frame

WAIT_S = 60.0
REQUEST = b"GET /busy HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"\r\n\r\nbusy"
ECHO = frame(TEXT, b"hello")
ECHOED = frame(TEXT, b"hello", masked=False)


class Peer:
    """One connection that sends the same again and again, and waits for each answer."""

    def __init__(self, port: int, message: bytes, end: bytes, rounds: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), scaled(WAIT_S))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begin(message, end, rounds)

    def begin(self, message: bytes, end: bytes, rounds: int) -> None:
        self.message, self.end, self.left = message, end, rounds
        self.answered = 0
        self.buffer = b""

    def send(self) -> None:
        self.left -= 1
        self.sock.sendall(self.message)

    def take(self) -> bool:
        """Take what has come; true when there is nothing left to wait for."""
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"the server closed a connection with {self.left} rounds left")
        self.buffer += data
        if not self.buffer.endswith(self.end):
            return False
        self.answered += 1
        self.buffer = b""
        if not self.left:
            return True
        self.send()
        return False


def run(peers: list[Peer]) -> int:
    """Let all peers talk at once until all have got their answers; return how many came."""
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer.sock, selectors.EVENT_READ, peer)
            peer.send()
        waiting = len(peers)
        while waiting:
            ready = selector.select(scaled(WAIT_S))
            if not ready:
                raise TimeoutError(f"{waiting} of {len(peers)} peers wait for an answer")
            for key, _ in ready:
                if key.data.take():
                    selector.unregister(key.fileobj)
                    waiting -= 1
    return sum(peer.answered for peer in peers)


def tell(**facts: int) -> None:
    """Say what a step came to, and wait to be told to go on."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main() -> None:
    """Play the steps."""
    port, idle, busy, rounds = map(int, sys.argv[1:])
    sockets = [Peer(port, make_handshake("/ws"), b"\r\n\r\n", 1) for _ in range(idle)]
    tell(opened=run(sockets) if sockets else 0)
    crowd = [Peer(port, REQUEST, BODY, rounds) for _ in range(busy)]
    tell(connected=len(crowd))
    tell(answered=run(crowd))
    for peer in sockets:
        peer.begin(ECHO, ECHOED, 1)
    tell(echoed=run(sockets) if sockets else 0)


if __name__ == "__main__":
    main()
