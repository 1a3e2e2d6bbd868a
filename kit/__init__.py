"""A client/server kit for integration tests of whatever speaks HTTP or websockets.

Everything public is here; see README for the tour. `kit.testing` has the
assertions, and the pytest plugin is `pytest_plugin`.
"""

from __future__ import annotations

from kit.client import HTTPClient, RequestHandle, WebSocketHandle
from kit.engine.hold import keep_relay
from kit.errors import (
    AddressError,
    BodyError,
    ConfigurationError,
    ConnectionClosedError,
    HandlerReturnError,
    HandshakeError,
    KitError,
    LimitError,
    LocalProtocolError,
    PatternError,
    ProtocolError,
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
from kit.serializable import Serializable
from kit.server import HTTPServer
from kit.version import __version__
from kit.wire.tls import CertificateAuthority

__all__ = [
    "AddressError",
    "BodyError",
    "CertificateAuthority",
    "ConfigurationError",
    "ConnectionClosedError",
    "ErrorResponse",
    "Exchange",
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
    "WaitTimeoutError",
    "WebSocketHandle",
    "WebSocketOpCode",
    "__version__",
    "delete",
    "get",
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
