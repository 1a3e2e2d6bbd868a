from __future__ import annotations

import json

import pytest

from support.command_line import error_of, run


@pytest.mark.usefixtures("shop")
def test_routes_are_shown_as_a_table() -> None:
    result = run("routes", "shop:Orders", "shop:needy")
    assert result.exit_code == 0
    assert result.output == (
        "METHOD     PATTERN     HANDLER            HEADERS           PARAMS  MAX BODY\n"
        "GET        /order/:id  Orders.get_order   X-Token, X-Other  page    5 MiB\n"
        "POST       /order      Orders.make_order  -                 -       100 B\n"
        "websocket  /events     Orders.watch       -                 -       -\n"
        "GET        /name       Needy.get_name     -                 -       5 MiB\n"
    )


@pytest.mark.usefixtures("shop")
def test_routes_are_written_as_json() -> None:
    listed = json.loads(run("routes", "--json", "shop:Orders").output)
    assert listed[0] == {
        "method": "GET",
        "pattern": "/order/:id",
        "handler": "Orders.get_order",
        "doc": "Give one order.",
        "websocket": False,
        "headers": ["X-Token", "X-Other"],
        "params": ["page"],
        "max_content_length": 5242880,
    }
    assert (listed[1]["max_content_length"], listed[1]["doc"]) == (100, "")
    assert (listed[2]["websocket"], listed[2]["max_content_length"]) == (True, None)


@pytest.mark.usefixtures("shop")
def test_a_resource_without_routes_gives_the_heading_alone() -> None:
    assert run("routes", "shop:Empty").output.split() == [
        "METHOD", "PATTERN", "HANDLER", "HEADERS", "PARAMS", "MAX", "BODY",
    ]  # fmt: skip
    assert json.loads(run("routes", "--json", "shop:Empty").output) == []


@pytest.mark.usefixtures("shop")
def test_a_nested_name_is_found() -> None:
    assert "Orders.watch" in run("routes", "shop:Other.Inner").output


@pytest.mark.usefixtures("shop")
def test_routes_are_written_as_an_openapi_document() -> None:
    document = json.loads(run("routes", "--openapi", "shop:Orders", "shop:needy").output)
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Orders, Needy", "version": "0"}
    assert list(document["paths"]) == ["/order/{id}", "/order", "/events", "/name"]


@pytest.mark.usefixtures("shop")
def test_title_and_version_of_the_document_can_be_given() -> None:
    arguments = ("--openapi", "--title", "Shop", "--api-version", "2.1")
    document = json.loads(run("routes", "shop:Orders", *arguments).output)
    assert document["info"] == {"title": "Shop", "version": "2.1"}


@pytest.mark.usefixtures("shop")
def test_options_of_routes_that_contradict_each_other_are_refused() -> None:
    assert error_of("routes", "shop:Orders", "--json", "--openapi") == (
        "give either --json or --openapi"
    )
    assert error_of("routes", "shop:Orders", "--title", "Shop") == (
        "--title and --api-version belong to an OpenAPI document: --openapi"
    )


def test_help_of_routes_tells_options_and_examples() -> None:
    text = run("routes", "--help").output
    parts = ["--json", "--openapi", "--title", "--api-version", "Examples:", "Exit codes:"]
    assert [each for each in parts if each not in text] == []
    assert "  kit routes shop.api:Orders --openapi --title Shop > openapi.json\n" in text
