from __future__ import annotations

from typing import Any

import pytest

from kit.errors import ConfigurationError
from kit.messages import Request, Response
from kit.opcodes import WebSocketOpCode
from kit.routing import Resource, Router, get, post, websocket
from kit.testing import assert_no_route, assert_route


class Users(Resource):
    @get("/user/:name")
    def show(self, request: Request) -> Response:
        return Response("user")

    @post("/user/:name")
    def create(self, request: Request) -> Response:
        return Response("made", 201)

    @get("/user/me")
    def show_me(self, request: Request) -> Response:
        return Response("me")

    @websocket("/chat/:room")
    def chat(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        request.send("hello")


def unrelated(request: Request) -> Response:
    return Response("unrelated")


users = Users()


def make_router() -> Router:
    router = Router()
    router.registerRoutes(users)
    return router


class Holder:
    """Has a router, as a server does."""

    def __init__(self) -> None:
        self.router = make_router()


def fail_route(*args: Any, **options: Any) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        assert_route(make_router(), *args, **options)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "to",
    [
        None,
        users.show,
        Users.show,
        "Users.show",
        "show",
        "/user/:name",
        "GET /user/:name",
    ],
)
def test_a_route_is_named_in_any_of_these_ways(to: Any) -> None:
    assert assert_route(make_router(), "GET", "/user/bob?x=1", to=to) == {"name": "bob"}


def test_matches_are_compared_decoded() -> None:
    assert_route(make_router(), "GET", "/user/a%2Fb", matches={"name": "a/b"})


def test_a_server_is_asked_for_its_router() -> None:
    assert_route(Holder(), "POST", "/user/bob", to=users.create)


@pytest.mark.parametrize("method", ["GET", "WEBSOCKET"])
def test_a_websocket_route_is_found(method: str) -> None:
    assert assert_route(make_router(), method, "/chat/7", to=users.chat) == {"room": "7"}


def test_head_is_answered_from_get() -> None:
    assert_route(make_router(), "HEAD", "/user/bob", to=users.show)


def test_a_miss_lists_the_nearest_routes() -> None:
    lines = fail_route("GET", "/users/bob")
    assert lines[:6] == [
        "no route takes GET /users/bob",
        "nearest routes:",
        "  GET /user/:name -> Users.show",
        "    ✓ method GET",
        '    ✗ component 1 is "users", not "user"',
        '    ✓ component 2 is :name = "bob"',
    ]
    assert lines[-1] == "  and 1 more route"


def test_a_miss_tells_what_would_be_answered_if_not_404() -> None:
    assert fail_route("DELETE", "/user/bob", to="show")[:3] == [
        "no route takes DELETE /user/bob, expected show; it would be answered 405",
        "it is registered as GET /user/:name -> Users.show",
        "nearest routes:",
    ]


def test_a_plain_route_is_no_websocket() -> None:
    assert fail_route("WEBSOCKET", "/user/bob")[0].startswith("no route takes GET /user/bob")


def test_an_empty_router_says_so() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_route(Router(), "GET", "/")
    assert str(caught.value) == "no route takes GET /\nthe router has no routes"


def test_a_shadowed_route_is_told_with_what_shadows_it() -> None:
    assert fail_route("GET", "/user/me", to=users.show_me) == [
        "GET /user/me goes to GET /user/:name -> Users.show, expected Users.show_me",
        "it is registered as GET /user/me -> Users.show_me",
        (
            "GET /user/me -> Users.show_me would match too, but GET /user/:name -> Users.show "
            "stands before it: the first registered route that matches is used"
        ),
    ]


def test_another_route_is_told_with_the_nearest() -> None:
    lines = fail_route("GET", "/user/bob", to="/user/me")
    assert lines[:4] == [
        "GET /user/bob goes to GET /user/:name -> Users.show, expected /user/me",
        "it is registered as GET /user/me -> Users.show_me",
        "nearest routes:",
        "  GET /user/:name -> Users.show",
    ]


def test_a_handler_that_is_not_registered_is_told_as_such() -> None:
    assert fail_route("GET", "/user/bob", to=unrelated)[:2] == [
        "GET /user/bob goes to GET /user/:name -> Users.show, expected unrelated",
        "unrelated is not registered",
    ]


def test_a_method_before_the_pattern_counts() -> None:
    assert fail_route("GET", "/user/bob", to="POST /user/:name")[:2] == [
        "GET /user/bob goes to GET /user/:name -> Users.show, expected POST /user/:name",
        "it is registered as POST /user/:name -> Users.create",
    ]


def test_matches_that_differ_are_told_one_by_one() -> None:
    assert fail_route("GET", "/user/bob", matches={"name": "eve", "id": "1"}) == [
        "GET /user/bob goes to GET /user/:name -> Users.show, matched differently:",
        "  ✗ name is 'bob', expected 'eve'",
        "  ✗ id is not in the pattern, expected '1'",
    ]


def test_matches_are_expected_completely() -> None:
    assert fail_route("GET", "/user/bob", matches={})[1] == "  ✗ name is 'bob', not expected at all"


def test_no_route_is_asserted_by_silence() -> None:
    assert_no_route(make_router(), "GET", "/nowhere")
    assert_no_route(make_router(), "DELETE", "/user/bob")
    assert_no_route(make_router(), "WEBSOCKET", "/user/bob")


def test_a_route_where_none_should_be_is_named() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_no_route(Holder(), "GET", "/user/bob")
    assert str(caught.value) == (
        "no route should take GET /user/bob, but GET /user/:name -> Users.show does with name='bob'"
    )


def test_something_without_a_router_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_route(users, "GET", "/")  # type: ignore[arg-type]
    assert str(caught.value) == "expected a Router, or a server that has one, not Users"
