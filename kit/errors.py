"""Every exception wirekit raises on purpose.

    KitError
    ├── ProtocolError
    │   ├── LocalProtocolError      our side would break the wire
    │   │   └── HandlerReturnError  a handler returned what cannot be sent
    │   └── RemoteProtocolError     the peer broke the protocol
    │       └── HandshakeError      the peer's websocket handshake is not valid
    ├── BodyError                   a body does not parse as what was asked for
    ├── SerializableError           a typed message does not load or dump
    ├── PatternError                a route's pattern or registration is malformed
    ├── RecordingError              a recording cannot be read
    ├── UnsafePathError             a file name would leave its root directory
    ├── ConfigurationError          an argument cannot work
    │   └── TlsFileError            a certificate or key cannot be used
    ├── AddressError                an address cannot be listened on
    ├── StateError                  a call at the wrong time (before start, after stop, twice)
    ├── FaultError                  a connection is broken on purpose, as a fault was ordered
    ├── ConnectionClosedError       the peer, or this side, has closed the connection
    ├── LimitError                  a bound was passed; it names the bound
    └── WaitTimeoutError            what was waited for did not happen in time

Where Python's own tree has a fitting class (`ValueError`, `OSError`, ...) the
exception derives from it too, so that callers need not know these names.
"""

from __future__ import annotations


def describe_error(error: BaseException) -> str:
    """Give any exception in one text, its type first; its own text may fail to be made."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - it is anybody's class
        text = f"(its text cannot be told: {type(broken).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class KitError(Exception):
    """Base class of every exception wirekit raises on purpose."""


class ProtocolError(KitError):
    """A peer, or this side, departed from HTTP or the websocket protocol."""


class LocalProtocolError(ProtocolError):
    """What this side was about to send would break the wire.

    Raised at the author of a handler or a request; the peer gets a 500.
    """


class HandlerReturnError(LocalProtocolError, TypeError):
    """A handler returned something that is not a response."""

    def __init__(self, handler: str, got: object) -> None:
        self.handler = handler
        self.got = got
        kind = "Response" if isinstance(got, str | bytes) else "JsonResponse"
        super().__init__(
            f"handler {handler} returned {type(got).__name__}, expected a kit.Response: "
            f"wrap the value, for example in {kind}(...)"
        )


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that the protocol forbids, or that pass a limit.

    Attributes:
        status_code: the HTTP status a server answers with (RFC 9110 section 15).
    """

    def __init__(self, reason: str, status_code: int = 400) -> None:
        self.reason = reason
        self.status_code = status_code
        super().__init__(reason)


class HandshakeError(RemoteProtocolError):
    """A websocket handshake is not valid (RFC 6455 section 4).

    Attributes:
        headers: header fields that the refusal must carry.
    """

    def __init__(
        self,
        reason: str,
        status_code: int = 400,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.headers = headers
        super().__init__(reason, status_code)


class BodyError(KitError, ValueError):
    """A body does not parse as what was asked for; a server answers 400."""


class SerializableError(KitError, ValueError):
    """A typed message cannot be loaded or dumped."""


class PatternError(KitError, ValueError):
    """A route's pattern is malformed.

    Attributes:
        pattern: the pattern as given.
        position: the index in it where it goes wrong.
    """

    def __init__(self, pattern: object, position: int, reason: str) -> None:
        self.pattern = pattern
        self.position = position
        self.reason = reason
        super().__init__(f"pattern {pattern!r} is wrong at index {position}: {reason}")


class RecordingError(KitError, ValueError):
    """A recording cannot be read, or is not what it says.

    Attributes:
        path: the file as given; "" for bytes that came from no file.
        entry: the index of the entry that is wrong, from 0; None for the file itself.
        reason: what is wrong.
    """

    def __init__(self, path: str, reason: str, *, entry: int | None = None) -> None:
        self.path = path
        self.entry = entry
        self.reason = reason
        where = f"recording {path!r}" if path else "recording"
        place = "" if entry is None else f", entry {entry}"
        super().__init__(f"{where}{place}: {reason}")


class UnsafePathError(KitError, ValueError):
    """A file name would leave its root directory, or is not portable.

    Attributes:
        filename: the name as given.
        reason: what is wrong with it.
    """

    def __init__(self, filename: object, reason: str) -> None:
        self.filename = filename
        self.reason = reason
        super().__init__(f"unsafe file name {filename!r}: {reason}")


class ConfigurationError(KitError, ValueError):
    """An argument cannot work; the text says what was given and what would."""


class TlsFileError(ConfigurationError):
    """A certificate or private key cannot be read, parsed or matched."""


class AddressError(KitError, OSError):
    """An address cannot be listened on.

    Attributes:
        address: the (host, port) that was asked for.
    """

    def __init__(self, address: tuple[str, int], reason: str, errno: int | None = None) -> None:
        self.address = address
        self.reason = reason
        super().__init__(errno, f"cannot listen on {address[0]}:{address[1]}: {reason}")

    def __str__(self) -> str:
        return str(self.args[1])


class StateError(KitError, RuntimeError):
    """A call came at the wrong time: before start, after stop, or twice."""


class FaultError(KitError, ConnectionError):
    """A connection was broken on purpose, as a test has ordered.

    Attributes:
        fault: the fault, in words.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"fault: {fault}")


class ConnectionClosedError(KitError, ConnectionError):
    """The connection is closed, so nothing more can be sent on it."""


class LimitError(KitError):
    """A bound was passed.

    Attributes:
        name: the bound's name, a field of `kit.Limits` where it is one.
        limit: its value.
    """

    def __init__(self, name: str, limit: float, what: str) -> None:
        self.name = name
        self.limit = limit
        super().__init__(f"{what}: the limit {name} is {limit:g}")


class WaitTimeoutError(KitError, TimeoutError):
    """What was waited for did not happen in time."""
