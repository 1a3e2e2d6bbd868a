from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import kit
from kit.cli.openapi import describe_api


class Shop(kit.Resource):
    @kit.get("/orders/:id")
    @kit.header("X-Token")
    @kit.header("x-token")
    @kit.param("page")
    @kit.param("page")
    def show(self, request: kit.Request) -> kit.Response:
        """Show an order.

        With all its items.
        """
        return kit.Response()

    @kit.put("/orders/:number", max_content_length=100)
    def change(self, request: kit.Request) -> kit.Response:
        return kit.Response()

    @kit.get("/files/:path*")
    def files(self, request: kit.Request) -> kit.Response:
        return kit.Response()

    @kit.get("/more/:path+")
    def more(self, request: kit.Request) -> kit.Response:
        return kit.Response()

    @kit.get("/:top?")
    def top(self, request: kit.Request) -> kit.Response:
        return kit.Response()

    @kit.route("PURGE", "/orders/:id")
    def purge(self, request: kit.Request) -> kit.Response:
        return kit.Response()

    @kit.get("/odd/{x}/a%20b")
    def odd(self, request: kit.Request) -> kit.Response:
        return kit.Response()

    @kit.websocket("/events", subprotocols=["chat"])
    def events(self, request: Any, opcode: kit.WebSocketOpCode, payload: Any) -> None:
        """Tell what happens."""


def describe(*routes: tuple[str, str, Callable[..., Any]]) -> dict[str, Any]:
    router = kit.Router()
    router.registerRoutes(list(routes) or Shop())
    return describe_api(router.routes(), title="Shop", version="1")


def paths() -> dict[str, Any]:
    return dict(describe()["paths"])


def handler(request: kit.Request) -> kit.Response:
    return kit.Response()


def test_the_document_is_what_a_validator_takes() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.OpenAPIV31SpecValidator(describe()).validate()
    validator.OpenAPIV31SpecValidator(
        describe_api([], title="Empty", version="1"),
    ).validate()


def test_a_route_is_an_operation_with_its_documented_parameters() -> None:
    assert paths()["/orders/{id}"]["get"] == {
        "operationId": "Shop.show",
        "tags": ["Shop"],
        "summary": "Show an order.",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "page", "in": "query", "schema": {"type": "string"}},
            {"name": "X-Token", "in": "header", "schema": {"type": "string"}},
        ],
        "responses": {"default": {"description": "what the handler answers"}},
    }


def test_a_pattern_with_other_names_is_the_same_path() -> None:
    change = paths()["/orders/{id}"]["put"]
    assert [each["name"] for each in change["parameters"]] == ["id"]
    assert change["requestBody"] == {"content": {"*/*": {}}, "description": "at most 100 bytes"}
    assert change["responses"]["413"] == {"description": "the body is too large"}


def test_a_run_of_any_number_gives_two_paths() -> None:
    found = paths()
    assert "parameters" not in found["/files"]["get"]
    (path,) = found["/files/{path}"]["get"]["parameters"]
    assert (path["description"], path["x-run"]) == ("any number of components", True)
    assert found["/files/{path}"]["get"]["operationId"] == "Shop.files-2"


def test_a_run_of_one_or_more_gives_one_path() -> None:
    found = paths()
    assert "/more" not in found
    (path,) = found["/more/{path}"]["get"]["parameters"]
    assert (path["description"], path["x-run"]) == ("one or more components", True)


def test_an_optional_component_gives_two_paths() -> None:
    found = paths()
    assert "get" in found["/"]
    (top,) = found["/{top}"]["get"]["parameters"]
    assert (top["description"], "x-run" in top) == ("optional", False)


def test_a_method_that_openapi_does_not_know_stands_apart() -> None:
    purge = paths()["/orders/{id}"]["x-methods"]["PURGE"]
    assert purge["operationId"] == "Shop.purge"


def test_a_websocket_stands_apart() -> None:
    assert paths()["/events"] == {
        "x-websocket": {
            "operationId": "Shop.events",
            "tags": ["Shop"],
            "summary": "Tell what happens.",
            "responses": {"101": {"description": "the websocket is open"}},
            "x-subprotocols": ["chat"],
        }
    }


def test_braces_of_a_pattern_are_no_template() -> None:
    assert "/odd/%7Bx%7D/a%20b" in paths()


def test_the_first_of_two_routes_counts() -> None:
    def other(request: kit.Request) -> kit.Response:
        return kit.Response()

    found = describe(("GET", "/a/:x", handler), ("GET", "/a/:y", other))["paths"]
    assert list(found) == ["/a/{x}"]
    assert found["/a/{x}"]["get"]["operationId"] == "handler"


def test_a_plain_function_has_no_tag() -> None:
    assert "tags" not in describe(("GET", "/", handler))["paths"]["/"]["get"]
