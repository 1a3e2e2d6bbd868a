"""The public API as it was asked for: every name, parameter name and default.

A row gives the parameters that are fixed, in order. What comes after them must
be keyword-only and optional.
"""

from __future__ import annotations

import enum
import inspect
import io
import types
from collections.abc import Callable
from typing import Any

import pytest

import kit

REQUIRED = inspect.Parameter.empty
MAX_CONTENT_LENGTH = 5_242_880

METHOD_KINDS = (types.FunctionType, classmethod, staticmethod, property)

Parameters = dict[str, Any]

SELF: Parameters = {"self": REQUIRED}
REQUEST_OPTIONS: Parameters = {"query": None, "headers": None, "callback": None}
JSON_RESPONSE: Parameters = {"obj": REQUIRED, "status_code": 200, "headers": None}

SIGNATURES: list[tuple[str, Parameters]] = [
    ("Resource", {}),
    ("Resource.routes", SELF),
    ("Router", {}),
    ("Router.registerRoutes", SELF | {"routes": REQUIRED}),
    ("Router.dispatch", SELF | {"request": REQUIRED}),
    ("get", {"path": REQUIRED}),
    ("delete", {"path": REQUIRED}),
    ("put", {"path": REQUIRED, "max_content_length": MAX_CONTENT_LENGTH}),
    ("post", {"path": REQUIRED, "max_content_length": MAX_CONTENT_LENGTH}),
    ("websocket", {"path": REQUIRED}),
    ("header", {"header": REQUIRED}),
    ("param", {"param": REQUIRED}),
    (
        "Request",
        dict.fromkeys(
            ["addr", "method", "path", "params", "fragment", "headers", "stream"], REQUIRED
        ),
    ),
    ("Request.json", SELF),
    ("Request.message", SELF),
    ("Request.send", SELF | {"payload": REQUIRED}),
    ("Request.ping", SELF | {"payload": b""}),
    ("Request.close", SELF | {"code": 1000, "reason": ""}),
    (
        "Response",
        {"payload": None, "status_code": 200, "headers": None, "compress": False},
    ),
    ("ErrorResponse", {"obj": REQUIRED, "status_code": 400, "headers": None}),
    ("JsonResponse", JSON_RESPONSE),
    ("SerializableResponse", JSON_RESPONSE),
    ("Serializable.dumpb", SELF),
    ("Serializable.dumps", SELF),
    ("Serializable.loadb", {"data": REQUIRED}),
    ("Serializable.loads", {"text": REQUIRED}),
    ("HTTPServer", {"addr": REQUIRED, "privkey": None, "cert": None}),
    ("HTTPServer.registerRoutes", SELF | {"routes": REQUIRED}),
    ("HTTPServer.routes", SELF),
    ("HTTPServer.run", SELF),
    ("HTTPServer.start", SELF),
    ("HTTPServer.stop", SELF),
    ("HTTPServer.url_for", SELF | {"path": REQUIRED}),
    ("HTTPServer.ws_url_for", SELF | {"path": REQUIRED}),
    ("HTTPServer.__enter__", SELF),
    ("HTTPServer.__aenter__", SELF),
    ("HTTPClient", {"addr": REQUIRED, "protocol": "http"}),
    ("HTTPClient.start", SELF),
    ("HTTPClient.stop", SELF),
    ("HTTPClient.update", SELF),
    ("HTTPClient.pending", SELF),
    ("HTTPClient.getResponses", SELF),
    ("HTTPClient.get", SELF | {"path": REQUIRED} | REQUEST_OPTIONS),
    ("HTTPClient.delete", SELF | {"path": REQUIRED} | REQUEST_OPTIONS),
    ("HTTPClient.post", SELF | {"path": REQUIRED, "payload": REQUIRED} | REQUEST_OPTIONS),
    ("HTTPClient.put", SELF | {"path": REQUIRED, "payload": REQUIRED} | REQUEST_OPTIONS),
    ("RequestHandle.done", SELF),
    ("RequestHandle.cancel", SELF),
    ("RequestHandle.cancelled", SELF),
    ("path_join_safe", {"root_directory": REQUIRED, "filename": REQUIRED}),
]

KEYWORDS: list[tuple[str, set[str]]] = [
    ("HTTPServer", {"ssl_context"}),
    ("HTTPClient", {"cafile", "ssl_context"}),
]

NAMES = [
    "ErrorResponse",
    "HTTPClient",
    "HTTPServer",
    "JsonResponse",
    "Request",
    "RequestHandle",
    "Resource",
    "Response",
    "Route",
    "Router",
    "Serializable",
    "SerializableResponse",
    "UnsafePathError",
    "WebSocketOpCode",
    "delete",
    "get",
    "header",
    "param",
    "path_join_safe",
    "post",
    "put",
    "websocket",
]


def find(dotted: str) -> Any:
    found: Any = kit
    for name in dotted.split("."):
        found = getattr(found, name)
    return found


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_importable_from_kit(name: str) -> None:
    assert hasattr(kit, name)
    assert name in kit.__all__


@pytest.mark.parametrize(("dotted", "expected"), SIGNATURES, ids=[row[0] for row in SIGNATURES])
def test_the_fixed_parameters_are_as_asked_for(dotted: str, expected: Parameters) -> None:
    parameters = parameters_of(find(dotted))[: len(expected)]
    assert [(parameter.name, parameter.default) for parameter in parameters] == [*expected.items()]
    assert {parameter.kind for parameter in parameters} <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize(("dotted", "expected"), SIGNATURES, ids=[row[0] for row in SIGNATURES])
def test_what_was_added_is_keyword_only_and_optional(dotted: str, expected: Parameters) -> None:
    added = parameters_of(find(dotted))[len(expected) :]
    assert [
        str(parameter)
        for parameter in added
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or parameter.default is REQUIRED
    ] == []


@pytest.mark.parametrize(("dotted", "names"), KEYWORDS)
def test_a_keyword_that_was_decided_on_is_there(dotted: str, names: set[str]) -> None:
    keywords = {
        parameter.name
        for parameter in parameters_of(find(dotted))
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert names <= keywords


def test_a_handle_waits_up_to_a_timeout() -> None:
    assert [parameter.name for parameter in parameters_of(kit.RequestHandle.wait)[:2]] == [
        "self",
        "timeout",
    ]


def test_the_opcodes_have_their_numbers() -> None:
    assert issubclass(kit.WebSocketOpCode, enum.IntEnum)
    assert {code.name: code.value for code in kit.WebSocketOpCode} == {
        "Text": 1,
        "Binary": 2,
        "Close": 8,
        "Ping": 9,
        "Pong": 10,
        "Open": 255,
    }


def test_a_route_is_a_tuple_of_three() -> None:
    assert issubclass(kit.Route, tuple)
    assert kit.Route._fields == ("http_method", "url_pattern", "callback")


def test_an_unsafe_path_is_a_value_error() -> None:
    assert issubclass(kit.UnsafePathError, ValueError)


@pytest.mark.parametrize("name", ["ErrorResponse", "JsonResponse", "SerializableResponse"])
def test_every_response_is_a_response(name: str) -> None:
    assert issubclass(find(name), kit.Response)


@pytest.mark.parametrize(
    "name",
    [
        "client_address",
        "close_code",
        "close_reason",
        "fragment",
        "headers",
        "matches",
        "method",
        "params",
        "path",
        "raw_headers",
        "stream",
        "subprotocol",
        "target",
    ],
)
def test_a_request_has_the_attribute(name: str) -> None:
    request = kit.Request(("127.0.0.1", 1), "GET", "/", {}, "", {}, io.BytesIO())
    assert name in dir(request)


@pytest.mark.parametrize("name", ["addr", "host", "port", "url"])
def test_a_server_has_the_attribute(name: str) -> None:
    assert name in dir(kit.HTTPServer(("127.0.0.1", 0)))


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(kit.__all__) == sorted(kit.__all__)
    assert [name for name in kit.__all__ if not hasattr(kit, name)] == []


def test_the_version_is_told_by_the_package() -> None:
    from kit import version

    assert kit.__version__ == version.__version__


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    documentable = {
        name: thing
        for name in kit.__all__
        if inspect.isclass(thing := getattr(kit, name)) or inspect.isroutine(thing)
    }
    undocumented = [
        name
        for name, thing in documentable.items()
        # A class would inherit its base's.
        if not (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__)
    ]
    assert documentable.keys() >= set(NAMES)
    assert undocumented == []


def test_every_public_method_has_a_docstring() -> None:
    methods = {
        f"{name}.{attribute}": getattr(thing, attribute)
        for name in kit.__all__
        if inspect.isclass(thing := getattr(kit, name))
        for attribute, member in vars(thing).items()
        if not attribute.startswith("_") and isinstance(member, METHOD_KINDS)
    }
    assert "HTTPServer.start" in methods
    assert [name for name, method in methods.items() if not inspect.getdoc(method)] == []
