"""Where a server listens: addresses, bound sockets, and URLs."""

from __future__ import annotations

import os
import socket
from urllib.parse import quote

from kit.errors import AddressError, ConfigurationError

BACKLOG = 1024
ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a client dials instead


def check_address(addr: object) -> tuple[str, int]:
    """Return an address that can be listened on.

    Raises:
        ConfigurationError: it is none.
    """
    if (
        not isinstance(addr, tuple | list)
        or len(addr) != 2
        or not isinstance(addr[0], str)
        or isinstance(addr[1], bool)
        or not isinstance(addr[1], int)
        or not 0 <= addr[1] <= 65535
    ):
        raise ConfigurationError(
            f"addr must be (host, port) with a port of 0 to 65535, not {addr!r}; "
            'port 0 takes a free one, for example ("127.0.0.1", 0)'
        )
    return addr[0], addr[1]


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens.

    Raises:
        AddressError: the address is in use, not ours, or not allowed.
    """
    host, port = address
    try:
        family, kind, number, _, target = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, number)
    except (OSError, ValueError) as error:
        # ValueError: a name that cannot be encoded, or holds a NUL.
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressError(address, reason, getattr(error, "errno", None)) from error
    try:
        if os.name == "posix":
            # Not on Windows, where it would let two servers share a port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(target)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise AddressError(address, _explain(error), error.errno) from error
    return sock


def _explain(error: OSError) -> str:
    import errno

    hints = {
        errno.EADDRINUSE: "the address is in use: stop what listens there, or take port 0",
        errno.EACCES: "not allowed: ports below 1024 need privileges; take port 0",
        errno.EADDRNOTAVAIL: "this machine has no such address: take 127.0.0.1 or ::1",
    }
    return hints.get(error.errno or 0, error.strerror or str(error))


def format_base(scheme: str, address: tuple[str, int]) -> str:
    """Return the base URL of an address, as a client dials it, without a trailing slash."""
    host, port = address
    host = ANY_HOST.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def quote_path(path: str) -> str:
    """Return a path that may stand in a URL, beginning with a slash.

    Raises:
        ConfigurationError: it is no text.
    """
    if not isinstance(path, str):
        raise ConfigurationError(f'path must be a str such as "/orders", not {path!r}')
    # What is quoted already stays so; blanks and other letters are not allowed in a URL.
    quoted = quote(path, safe="/%:@!$&'()*+,;=-._~?#[]")
    return quoted if quoted.startswith("/") else f"/{quoted}"
