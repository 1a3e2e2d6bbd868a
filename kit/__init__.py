"""A client/server kit for integration tests of whatever speaks HTTP or websockets.

Everything public is here; see README for the tour. `kit.testing` has the
assertions, and the pytest plugin is `pytest_plugin`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kit.engine.hold import keep_relay
from kit.errors import (
    AddressError,
    BodyError,
    ConfigurationError,
    ConnectionClosedError,
    FaultError,
    HandlerReturnError,
    HandshakeError,
    KitError,
    LimitError,
    LocalProtocolError,
    PatternError,
    ProtocolError,
    RecordingError,
    RemoteProtocolError,
    SerializableError,
    StateError,
    TlsFileError,
    UnsafePathError,
    WaitTimeoutError,
)
from kit.headers import Headers
from kit.limits import Limits
from kit.messages import (
    ErrorResponse,
    JsonResponse,
    Request,
    Response,
    SerializableResponse,
)
from kit.opcodes import WebSocketOpCode
from kit.paths import path_join_safe
from kit.record import Exchange, FrameRecord, Journal
from kit.routing import (
    Resource,
    Route,
    Router,
    delete,
    get,
    header,
    param,
    patch,
    post,
    put,
    route,
    websocket,
)
from kit.server import HTTPServer
from kit.version import __version__
from kit.wire.tls import CertificateAuthority

if TYPE_CHECKING:
    from kit import faults
    from kit.client import HTTPClient, RequestHandle, WebSocketHandle
    from kit.proxy import Proxy
    from kit.record import har
    from kit.record.canary import find_canary
    from kit.record.cassette import Cassette
    from kit.record.redaction import Redaction
    from kit.serializable import Serializable
    from kit.upstream import Upstream

__all__ = [
    "AddressError",
    "BodyError",
    "Cassette",
    "CertificateAuthority",
    "ConfigurationError",
    "ConnectionClosedError",
    "ErrorResponse",
    "Exchange",
    "FaultError",
    "FrameRecord",
    "HTTPClient",
    "HTTPServer",
    "HandlerReturnError",
    "HandshakeError",
    "Headers",
    "Journal",
    "JsonResponse",
    "KitError",
    "LimitError",
    "Limits",
    "LocalProtocolError",
    "PatternError",
    "ProtocolError",
    "Proxy",
    "RecordingError",
    "Redaction",
    "RemoteProtocolError",
    "Request",
    "RequestHandle",
    "Resource",
    "Response",
    "Route",
    "Router",
    "Serializable",
    "SerializableError",
    "SerializableResponse",
    "StateError",
    "TlsFileError",
    "UnsafePathError",
    "Upstream",
    "WaitTimeoutError",
    "WebSocketHandle",
    "WebSocketOpCode",
    "__version__",
    "delete",
    "faults",
    "find_canary",
    "get",
    "har",
    "header",
    "keep_relay",
    "param",
    "patch",
    "path_join_safe",
    "post",
    "put",
    "route",
    "websocket",
]

# Imported when they are first asked for: a test that needs but a server pays for no more.
_LATE = {
    "Cassette": "kit.record.cassette:Cassette",
    "HTTPClient": "kit.client:HTTPClient",
    "Proxy": "kit.proxy:Proxy",
    "Redaction": "kit.record.redaction:Redaction",
    "RequestHandle": "kit.client:RequestHandle",
    "Serializable": "kit.serializable:Serializable",
    "Upstream": "kit.upstream:Upstream",
    "WebSocketHandle": "kit.client:WebSocketHandle",
    "faults": "kit.faults",
    "find_canary": "kit.record.canary:find_canary",
    "har": "kit.record.har",
}


if not TYPE_CHECKING:  # or type checkers would take any misspelt name

    def __getattr__(name: str) -> Any:
        """Import a public name that few need."""
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, member = _LATE[name].partition(":")
        found: Any = importlib.import_module(module)
        globals()[name] = found = getattr(found, member) if member else found
        return found
