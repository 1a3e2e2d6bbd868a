from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest

from kit import routing
from kit.errors import ConfigurationError, PatternError
from kit.routing import (
    Resource,
    Route,
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

untyped: Any = routing
"""For calls that a type checker refuses."""


class MyResource(Resource):
    @get("/user/:username")
    def get_user(self, request: Any) -> Any:
        """Give one user.

        More about it.
        """

    @post("/user/:username")
    def create_user(self, request: Any) -> Any: ...

    @delete("/user/:username")
    def delete_user(self, request: Any) -> Any: ...

    @put("/file/:name", max_content_length=10)
    @header("X-Token")
    @header("X-Other")
    @param("mode")
    def put_file(self, request: Any) -> Any: ...

    @websocket("/ws", subprotocols=["chat.v1"], compress=False, max_message_bytes=9)
    def websocket(self, request: Any, opcode: Any, payload: Any) -> Any: ...


def listing(resource: Resource) -> list[tuple[str, str, str]]:
    return [(method, pattern, callback.__name__) for method, pattern, callback in resource.routes()]


def handle(request: Any) -> Any:
    return request


def test_routes_come_in_definition_order() -> None:
    assert listing(MyResource()) == [
        ("GET", "/user/:username", "get_user"),
        ("POST", "/user/:username", "create_user"),
        ("DELETE", "/user/:username", "delete_user"),
        ("PUT", "/file/:name", "put_file"),
        ("GET", "/ws", "websocket"),
    ]


def test_a_route_is_a_tuple_of_exactly_three() -> None:
    resource = MyResource()
    first = resource.routes()[0]
    assert first == ("GET", "/user/:username", resource.get_user)
    assert Route._fields == ("http_method", "url_pattern", "callback")


def test_a_resource_without_routes_has_none() -> None:
    assert Resource().routes() == []


def test_a_subclass_need_not_call_the_initialiser_of_its_base() -> None:
    class Quiet(MyResource):
        def __init__(self, name: str) -> None:
            self.name = name

    assert len(Quiet("x").routes()) == 5


def test_options_are_read_from_the_decorator_of_the_route() -> None:
    routes = MyResource().routes()
    assert [each.max_content_length for each in routes] == [5242880] * 3 + [10, 5242880]
    assert [each.is_websocket for each in routes] == [False] * 4 + [True]
    assert routes[3].header_docs == ("X-Token", "X-Other")
    assert routes[3].param_docs == ("mode",)
    assert routes[4].mark.subprotocols == ("chat.v1",)
    assert routes[4].mark.compress is False
    assert routes[4].mark.max_message_bytes == 9


def test_a_route_tells_its_handler_and_the_first_line_of_its_doc() -> None:
    first, second = MyResource().routes()[:2]
    assert (first.name, first.doc) == ("MyResource.get_user", "Give one user.")
    assert (second.name, second.doc) == ("MyResource.create_user", "")


@pytest.mark.parametrize("decorator", [put, post])
def test_the_body_limit_is_the_second_argument(decorator: Any) -> None:
    parameters = list(inspect.signature(decorator).parameters.values())
    assert [each.name for each in parameters] == ["path", "max_content_length"]
    assert parameters[1].default == 5242880


def test_decorators_stack_in_source_order_with_options_of_their_own() -> None:
    class Stacked(Resource):
        @post("/a", max_content_length=1)
        @get("/b")
        @put("/c", 2)
        @patch("/d", 3)
        @route("PURGE", "/e", max_content_length=4)
        def handle(self, request: Any) -> Any: ...

    found = [(each.http_method, each.url_pattern, each.max_content_length)
             for each in Stacked().routes()]  # fmt: skip
    assert found == [
        ("POST", "/a", 1),
        ("GET", "/b", 5242880),
        ("PUT", "/c", 2),
        ("PATCH", "/d", 3),
        ("PURGE", "/e", 4),
    ]


def test_a_decorator_returns_the_function_itself() -> None:
    assert get("/returned")(handle) is handle
    del handle.__kit_marks__  # type: ignore[attr-defined]


def test_an_overriding_method_with_decorators_replaces_the_routes_in_place() -> None:
    class Child(MyResource):
        @get("/extra")
        def extra(self, request: Any) -> Any: ...

        @post("/people/:username")
        @put("/people/:username")
        def create_user(self, request: Any) -> Any: ...

    assert listing(Child()) == [
        ("GET", "/user/:username", "get_user"),
        ("POST", "/people/:username", "create_user"),
        ("PUT", "/people/:username", "create_user"),
        ("DELETE", "/user/:username", "delete_user"),
        ("PUT", "/file/:name", "put_file"),
        ("GET", "/ws", "websocket"),
        ("GET", "/extra", "extra"),
    ]


def test_an_overriding_method_without_decorators_keeps_route_options_and_docs() -> None:
    class Child(MyResource):
        def put_file(self, request: Any) -> Any:
            return "child"

        def websocket(self, request: Any, opcode: Any, payload: Any) -> Any: ...

    resource = Child()
    _, _, _, put_file, socket = resource.routes()
    assert put_file.callback(None) == "child"
    assert put_file.max_content_length == 10
    assert put_file.header_docs == ("X-Token", "X-Other")
    assert socket.is_websocket
    assert socket.name.endswith("Child.websocket")


def test_an_overriding_none_takes_the_route_away() -> None:
    class Child(MyResource):
        delete_user = None  # type: ignore[assignment]

    assert "delete_user" not in [name for _, _, name in listing(Child())]


def test_a_route_stands_where_it_was_first_decorated() -> None:
    class Plain(Resource):
        def later(self, request: Any) -> Any: ...

        @get("/first")
        def first(self, request: Any) -> Any: ...

    class Child(Plain):
        @get("/second")
        def second(self, request: Any) -> Any: ...

        @get("/later")
        def later(self, request: Any) -> Any: ...

    assert [pattern for _, pattern, _ in listing(Child())] == ["/first", "/second", "/later"]


def test_routes_of_several_bases_come_in_reverse_resolution_order() -> None:
    class Left(Resource):
        @get("/left")
        def left(self, request: Any) -> Any: ...

    class Right(Resource):
        @get("/right")
        def right(self, request: Any) -> Any: ...

    class Both(Left, Right):
        @get("/own")
        def own(self, request: Any) -> Any: ...

    assert [pattern for _, pattern, _ in listing(Both())] == ["/right", "/left", "/own"]


def test_static_and_class_methods_can_be_decorated_from_either_side() -> None:
    class Mixed(Resource):
        @get("/a")
        @staticmethod
        def outside(request: Any) -> Any:
            return request

        @staticmethod
        @post("/b", 7)
        def inside(request: Any) -> Any:
            return request

        @put("/c", 8)
        @classmethod
        def of_class(cls, request: Any) -> Any:
            return request

    routes = Mixed().routes()
    assert [each[:2] for each in routes] == [("GET", "/a"), ("POST", "/b"), ("PUT", "/c")]
    assert [each.callback("x") for each in routes] == ["x", "x", "x"]
    assert [each.max_content_length for each in routes] == [5242880, 7, 8]


def test_marks_stay_with_a_wrapper_and_do_not_leak_back() -> None:
    @get("/inner")
    def inner(request: Any) -> Any: ...

    @get("/outer")
    @functools.wraps(inner)
    def outer(request: Any) -> Any: ...

    class Wrapped(Resource):
        one = inner
        two = outer

    assert [pattern for _, pattern, _ in listing(Wrapped())] == ["/inner", "/outer", "/inner"]


def test_async_handlers_are_told_apart() -> None:
    class Asynchronous(Resource):
        @get("/a")
        async def slow(self, request: Any) -> Any: ...

        @get("/b")
        def fast(self, request: Any) -> Any: ...

    class Callable:
        async def __call__(self, request: Any) -> Any: ...

    assert [each.is_async for each in Asynchronous().routes()] == [True, False]
    assert Route("GET", "/c", Callable()).is_async


def test_a_plain_function_keeps_its_marks_in_a_tuple() -> None:
    @websocket("/ws", max_message_bytes=5)
    def echo(request: Any, opcode: Any, payload: Any) -> Any: ...

    assert Route("GET", "/ws", echo).is_websocket
    assert Route("GET", "/elsewhere", echo).mark.max_message_bytes == 5
    assert not Route("POST", "/ws", echo).is_websocket


def test_names_of_all_sorts_of_callbacks_are_readable() -> None:
    class Callable:
        def __call__(self, request: Any) -> Any: ...

    names = [
        Route("GET", "/", each).name for each in (handle, functools.partial(handle, 1), Callable())
    ]
    assert names == ["handle", "handle", "Callable"]


def test_a_malformed_pattern_raises_where_the_decorator_stands() -> None:
    with pytest.raises(PatternError, match="wrong at index 4: the name") as caught:
        get("/:b/:b")
    assert caught.value.position == 4


@pytest.mark.parametrize(
    ("decorator", "name"),
    [(get, "get"), (delete, "delete"), (put, "put"), (post, "post"), (websocket, "websocket")],
)
def test_a_decorator_without_parentheses_says_how_to_write_it(decorator: Any, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        decorator(handle)
    assert str(caught.value) == (
        f'@{name} needs a pattern such as @{name}("/path"), not the function handle itself'
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: untyped.get(b"/a"), "@get needs a pattern such as @get(\"/path\"), not b'/a'"),
        (
            lambda: post("/a", -1),
            "max_content_length is a number of bytes, an int of 0 or more, not -1",
        ),
        (
            lambda: untyped.put("/a", 1.5),
            "max_content_length is a number of bytes, an int of 0 or more, not 1.5",
        ),
        (
            lambda: put("/a", max_content_length=True),
            "max_content_length is a number of bytes, an int of 0 or more, not True",
        ),
        (
            lambda: untyped.websocket("/a", max_message_bytes="1"),
            "max_message_bytes is a number of bytes, an int of 0 or more, not '1'",
        ),
        (
            lambda: websocket("/a", subprotocols="chat"),
            "subprotocols is a list of tokens such as [\"chat.v1\"], not 'chat'",
        ),
        (
            lambda: websocket("/a", subprotocols=["a b"]),
            "subprotocols is a list of tokens such as [\"chat.v1\"], not ['a b']",
        ),
        (
            lambda: route("get", "/a"),
            "HTTP methods are case-sensitive: write \"GET\", not 'get'",
        ),
        (lambda: route("G T", "/a"), "an HTTP method is a token such as \"GET\", not 'G T'"),
        (lambda: route("", "/a"), "an HTTP method is a token such as \"GET\", not ''"),
        (
            lambda: header("X Y"),
            "@header needs a field name such as @header(\"X-Token\"), not 'X Y'",
        ),
        (
            lambda: untyped.header(handle),
            '@header needs a field name such as @header("X-Token"), not the function handle itself',
        ),
        (lambda: param(""), "@param needs a parameter name such as @param(\"page\"), not ''"),
        (
            lambda: untyped.get("/a")("no function"),
            "@get(...) decorates a function or method, not 'no function'",
        ),
        (
            lambda: get("/a")(len),
            "@get(...) cannot write on <built-in function len>: wrap it in a function",
        ),
        (lambda: get("/a")(get("/a")(lambda _: _)), "<lambda> has the route GET /a already"),
    ],
)
def test_a_wrong_argument_is_refused_at_decoration(call: Any, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert str(caught.value).endswith(text)


def test_a_class_cannot_be_decorated() -> None:
    with pytest.raises(ConfigurationError, match="decorates a function or method, not <class"):
        get("/a")(MyResource)
