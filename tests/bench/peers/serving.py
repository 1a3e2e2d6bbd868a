"""What the server programs have in common."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import ssl
import threading


def parse_arguments() -> argparse.Namespace:
    """Read the command line: `cert` and `key` for TLS, `is_threaded` where there is a choice."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--threaded", dest="is_threaded", action="store_true")
    return parser.parse_args()


def announce(port: int) -> None:
    """Print the port; from now on the program ends with its standard input."""
    print(port, flush=True)
    threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    # Not sys.stdin: its lock would be held for ever in a forked worker.
    while os.read(0, 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


def find_free_port() -> int:
    """Return a port for servers that cannot tell which one they took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """Return a TLS context if the command line asks for TLS."""
    if not arguments.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.cert, arguments.key)
    return context
