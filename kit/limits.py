"""Every bound of a server or client, each with its name and its default."""

from __future__ import annotations

import dataclasses

from kit.errors import ConfigurationError

KIB = 1024
MIB = 1024 * KIB

DEFAULT_MAX_CONTENT_LENGTH = 5 * MIB


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of a server or client: sizes in bytes, times in seconds.

    Raises:
        ConfigurationError: a bound is not a positive number.
    """

    target_bytes: int = 16 * KIB
    """A request target longer than this gets 414."""
    head_bytes: int = 64 * KIB
    """A header block longer than this gets 431."""
    head_fields: int = 256
    """More header fields than this get 431."""
    spool_bytes: int = 1 * MIB
    """A body larger than this is kept in a temporary file, not in memory."""
    response_bytes: int = 64 * MIB
    """A response body larger than this fails the client's request."""
    message_bytes: int = 16 * MIB
    """A websocket message larger than this closes the connection with 1009."""
    output_bytes: int = 1 * MIB
    """A sender waits while more than this lies unsent on one connection."""
    connections: int = 16_384
    """Connections open at once on one server; further ones wait in the backlog."""
    handshake_s: float = 10.0
    """A TLS or websocket handshake takes no longer than this."""
    head_s: float = 10.0
    """From the first byte of a request head to its last."""
    body_s: float = 30.0
    """For each 64 KiB of a body, or its rest, to arrive."""
    write_s: float = 30.0
    """A peer that reads nothing for this long is cut."""
    idle_s: float = 75.0
    """A kept-alive connection without a request is closed after this."""
    linger_s: float = 2.0
    """How long a refused upload is read and thrown away, so that the refusal arrives."""
    close_s: float = 5.0
    """How long a websocket waits for the peer's close frame."""
    grace_s: float = 5.0
    """How long `stop()` lets running handlers finish."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                msg = f"limit {field.name} must be a positive number, not {value!r}"
                raise ConfigurationError(msg)


DEFAULT_LIMITS = Limits()


def check_limits(limits: object) -> Limits:
    """Return the limits given, or the defaults for None.

    Raises:
        ConfigurationError: it is something else.
    """
    if limits is None:
        return DEFAULT_LIMITS
    if not isinstance(limits, Limits):
        raise ConfigurationError(f"limits must be a kit.Limits, such as Limits(), not {limits!r}")
    return limits
