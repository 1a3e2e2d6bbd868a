from __future__ import annotations

import asyncio
import contextvars
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import BodyError, ConfigurationError, HandlerReturnError, PatternError
from kit.messages import ErrorResponse, JsonResponse, Request, Response
from kit.routing import Resource, Router, get, header, post, put, websocket

UPGRADE = {"Upgrade": "websocket", "Connection": "keep-alive, Upgrade"}


def make_request(method: str, path: str, *, headers: Any = None, body: bytes = b"") -> Request:
    return Request(("127.0.0.1", 1), method, path, {}, "", headers or {}, io.BytesIO(body))


def answer(text: str) -> Any:
    def handler(request: Request) -> Response:
        return JsonResponse([text, request.matches])

    return handler


def router_of(*routes: tuple[str, str, Any]) -> Router:
    router = Router()
    router.registerRoutes(list(routes))
    return router


def payload(router: Router, method: str, path: str, **options: Any) -> Any:
    return router.dispatch(make_request(method, path, **options)).payload


def status(router: Router, method: str, path: str, **options: Any) -> int:
    return router.dispatch(make_request(method, path, **options)).status_code


def allow(response: Response) -> str | None:
    return response.headers.text("Allow")


class Chat(Resource):
    @get("/user/:name")
    @header("X-Token")
    def get_user(self, request: Request) -> Response:
        return JsonResponse(request.matches)

    @post("/user/:name", max_content_length=8)
    def create_user(self, request: Request) -> Response:
        return JsonResponse(request.json())

    @get("/slow/:name")
    async def get_slowly(self, request: Request) -> Response:
        await asyncio.sleep(0)
        return JsonResponse(request.matches)

    @websocket("/ws/:room", subprotocols=["chat"], compress=False, max_message_bytes=4)
    def talk(self, request: Request, opcode: Any, payload: Any) -> None: ...


@pytest.fixture
def chat() -> Router:
    router = Router()
    router.registerRoutes(Chat())
    return router


# Registration


def test_routes_are_listed_in_the_order_of_registration(chat: Router) -> None:
    handler = answer("x")
    chat.registerRoutes([("PURGE", "/x", handler)])
    assert [each[:2] for each in chat.routes()] == [
        ("GET", "/user/:name"),
        ("POST", "/user/:name"),
        ("GET", "/slow/:name"),
        ("GET", "/ws/:room"),
        ("PURGE", "/x"),
    ]
    assert chat.routes()[-1] == ("PURGE", "/x", handler)
    assert repr(chat) == "<Router 5 routes>"


def test_lists_and_generators_of_routes_are_taken() -> None:
    router = Router()
    router.registerRoutes(("GET", f"/{name}", answer(name)) for name in "ab")
    router.registerRoutes([["GET", "/c", answer("c")]])  # type: ignore[list-item]
    assert [payload(router, "GET", f"/{name}")[0] for name in "abc"] == ["a", "b", "c"]


TAKES = "registerRoutes takes a Resource instance or a list of (method, pattern, callback)"


@pytest.mark.parametrize(
    ("routes", "text"),
    [
        (Chat, f"{TAKES}, not the class Chat: write Chat()"),
        (None, f"{TAKES}, not None"),
        ("GET", f"{TAKES}, not 'GET'"),
        ({"/": len}, f"{TAKES}, not {{'/': <built-in function len>}}"),
        (
            ("GET", "/", len),
            f"{TAKES}, not one tuple: put ('GET', '/', <built-in function len>) into a list",
        ),
        (
            [("GET", "/")],
            "a route is a tuple (method, pattern, callback), not ('GET', '/')",
        ),
        (["GET"], "a route is a tuple (method, pattern, callback), not 'GET'"),
        ([("GET", "/", None)], "the callback of GET / is not callable: None"),
        ([("G T", "/", len)], "an HTTP method is a token such as \"GET\", not 'G T'"),
        ([("/", "GET", len)], "an HTTP method is a token such as \"GET\", not '/'"),
        (
            [("post", "/", len)],
            "HTTP methods are case-sensitive: write \"POST\", not 'post'",
        ),
    ],
)
def test_what_is_not_a_list_of_routes_is_refused(routes: Any, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Router().registerRoutes(routes)
    assert str(caught.value) == text


def test_a_malformed_pattern_is_a_value_error_that_says_where() -> None:
    with pytest.raises(ValueError, match="pattern '/:a/:a' is wrong at index 4") as caught:
        Router().registerRoutes([("GET", "/:a/:a", len)])
    assert isinstance(caught.value, PatternError)


def test_a_registration_that_fails_registers_nothing() -> None:
    router = router_of(("GET", "/kept", answer("kept")))
    with pytest.raises(PatternError):
        router.registerRoutes([("GET", "/new", answer("new")), ("GET", "bad", answer("bad"))])
    assert len(router.routes()) == 1
    assert status(router, "GET", "/new") == 404


def test_routes_can_be_registered_after_lookups(chat: Router) -> None:
    assert status(chat, "GET", "/late") == 404
    chat.registerRoutes([("GET", "/late", answer("late"))])
    assert payload(chat, "GET", "/late") == ["late", {}]


def test_lookups_run_while_routes_are_registered() -> None:
    router = router_of(("GET", "/fixed/:name", answer("fixed")))
    done = threading.Event()

    def look_up() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(router.resolve(make_request("GET", "/fixed/x")).pattern)
            # The second of two registered at once would show if it came alone.
            seen.add(router.resolve(make_request("GET", "/pair")).pattern)
        return seen

    with ThreadPoolExecutor(3) as executor:
        seen = [executor.submit(look_up) for _ in range(3)]
        for index in range(150):
            router.registerRoutes([("GET", f"/n{index}/:name", answer("n"))])
        router.registerRoutes(
            [("GET", "/:one", answer("first")), ("GET", "/pair", answer("second"))]
        )
        done.set()
    assert set().union(*(each.result() for each in seen)) <= {"/fixed/:name", "", "/:one"}
    assert len(router.routes()) == 153
    assert payload(router, "GET", "/pair") == ["first", {"one": "pair"}]


# Dispatch


def test_a_handler_gets_the_matches(chat: Router) -> None:
    assert payload(chat, "GET", "/user/one%2Ftwo") == {"name": "one/two"}


def test_the_first_registered_route_wins() -> None:
    router = router_of(
        ("GET", "/a/:x", answer("wild")), ("GET", "/a/b", answer("text")), ("GET", "/:r*", len)
    )
    assert payload(router, "GET", "/a/b") == ["wild", {"x": "b"}]


def test_routes_of_other_methods_do_not_hide_a_later_one() -> None:
    router = router_of(("POST", "/:all*", answer("post")), ("GET", "/a", answer("get")))
    assert payload(router, "GET", "/a") == ["get", {}]


def test_any_method_token_can_be_registered() -> None:
    router = router_of(("M-SEARCH", "/x", answer("found")))
    assert payload(router, "M-SEARCH", "/x") == ["found", {}]


def test_methods_are_compared_with_their_case(chat: Router) -> None:
    assert status(chat, "get", "/user/bob") == 405


def test_head_is_answered_from_get(chat: Router) -> None:
    assert payload(chat, "HEAD", "/user/bob") == {"name": "bob"}


def test_head_takes_the_first_of_head_and_get_routes() -> None:
    first = router_of(("HEAD", "/a", answer("head")), ("GET", "/:x", answer("get")))
    second = router_of(("GET", "/:x", answer("get")), ("HEAD", "/a", answer("head")))
    only = router_of(("HEAD", "/a", answer("head")))
    found = [payload(each, "HEAD", "/a")[0] for each in (first, second, only)]
    assert found == ["head", "get", "head"]
    assert payload(first, "HEAD", "/b") == ["get", {"x": "b"}]


def test_an_async_handler_runs_to_its_end(chat: Router) -> None:
    assert payload(chat, "GET", "/slow/bob") == {"name": "bob"}


def test_an_async_handler_runs_where_a_loop_is_running(chat: Router) -> None:
    async def outside() -> Any:
        await asyncio.sleep(0)
        return payload(chat, "GET", "/slow/bob")

    assert asyncio.run(outside()) == {"name": "bob"}


def test_an_async_handler_sees_the_callers_context_in_either_case() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def handler(request: Request) -> Response:
        return Response(variable.get())

    router = router_of(("GET", "/", handler))
    variable.set("set")

    async def outside() -> Any:
        return payload(router, "GET", "/")

    assert payload(router, "GET", "/") == b"set"
    assert asyncio.run(outside()) == b"set"


def test_dispatching_to_an_async_handler_leaves_the_threads_event_loop_alone(
    chat: Router,
) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        payload(chat, "GET", "/slow/bob")
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_a_body_error_that_a_handler_lets_pass_is_a_400() -> None:
    def handler(request: Request) -> Response:
        raise BodyError("the body is not JSON at index 3")

    async def slow(request: Request) -> Response:
        raise BodyError("nor is this")

    router = router_of(("POST", "/", handler), ("PUT", "/", slow))
    response = router.dispatch(make_request("POST", "/"))
    assert isinstance(response, ErrorResponse)
    assert response.status_code == 400
    assert response.payload == b"the body is not JSON at index 3"
    assert payload(router, "PUT", "/") == b"nor is this"


def test_a_body_that_does_not_parse_is_a_400(chat: Router) -> None:
    assert status(chat, "POST", "/user/bob", body=b"{") == 400


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError("y"), SystemExit(3)])
def test_any_other_exception_of_a_handler_comes_out_as_it_is(error: BaseException) -> None:
    def handler(request: Request) -> Response:
        raise error

    async def slow(request: Request) -> Response:
        raise error

    router = router_of(("GET", "/", handler), ("PUT", "/", slow))
    for method in ("GET", "PUT"):
        with pytest.raises(type(error)) as caught:
            router.dispatch(make_request(method, "/"))
        assert caught.value is error


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        (None, "NoneType", "JsonResponse(...)"),
        ({"a": 1}, "dict", "JsonResponse(...)"),
        ("x", "str", "Response(...)"),
        (b"x", "bytes", "Response(...)"),
    ],
)
def test_what_is_not_a_response_is_refused_with_the_handlers_name(
    value: Any, kind: str, advice: str
) -> None:
    def give(request: Request) -> Any:
        return value

    with pytest.raises(HandlerReturnError) as caught:
        router_of(("GET", "/", give)).dispatch(make_request("GET", "/"))
    assert str(caught.value) == (
        f"handler give returned {kind}, expected a kit.Response: "
        f"wrap the value, for example in {advice}"
    )


# What no route matches


def test_an_unknown_path_is_a_404_that_names_the_nearest_routes(chat: Router) -> None:
    response = chat.dispatch(make_request("GET", "/usr/bob"))
    assert isinstance(response, ErrorResponse)
    assert response.status_code == 404
    assert response.payload.decode() == (
        "no route matches GET /usr/bob; the nearest are\n"
        "\n"
        "GET /user/:name -> Chat.get_user\n"
        "  ✓ method GET\n"
        '  ✗ component 1 is "usr", not "user"\n'
        '  ✓ component 2 is :name = "bob"\n'
        "websocket /ws/:room -> Chat.talk\n"
        "  ✓ method GET\n"
        '  ✗ component 1 is "usr", not "ws"\n'
        '  ✓ component 2 is :room = "bob"\n'
        "GET /slow/:name -> Chat.get_slowly\n"
        "  ✓ method GET\n"
        '  ✗ component 1 is "usr", not "slow"\n'
        '  ✓ component 2 is :name = "bob"\n'
        "and 1 more route\n"
    )


def test_an_empty_router_says_that_it_is() -> None:
    assert payload(Router(), "GET", "/x") == b"no route matches GET /x: none is registered"


def test_a_404_among_very_many_routes_does_not_compare_them() -> None:
    router = router_of(*(("GET", f"/n{index}", len) for index in range(1001)))
    assert payload(router, "GET", "/x") == b"no route matches GET /x, none of 1001"


def test_a_404_escapes_what_could_upset_a_terminal(chat: Router) -> None:
    text = payload(chat, "GET", "/usr/%1B[2J").decode()
    assert '2 is :name = "\\x1b[2J"' in text


def test_a_known_path_without_the_method_is_a_405_with_allow(chat: Router) -> None:
    response = chat.dispatch(make_request("DELETE", "/user/bob"))
    assert isinstance(response, ErrorResponse)
    assert response.status_code == 405
    assert allow(response) == "GET, HEAD, OPTIONS, POST"
    assert response.payload == (
        b"DELETE is not allowed on /user/bob, which has GET, HEAD, OPTIONS, POST"
    )


def test_allow_lists_the_methods_of_all_routes_that_match() -> None:
    router = router_of(("PUT", "/a", len), ("DELETE", "/:x", len), ("POST", "/a/b", len))
    assert allow(router.dispatch(make_request("GET", "/a"))) == "DELETE, OPTIONS, PUT"


def test_options_is_answered_with_allow(chat: Router) -> None:
    response = chat.dispatch(make_request("OPTIONS", "/user/bob"))
    assert response.status_code == 204
    assert not isinstance(response, ErrorResponse)
    assert allow(response) == "GET, HEAD, OPTIONS, POST"


def test_options_of_an_unknown_path_is_a_404(chat: Router) -> None:
    assert status(chat, "OPTIONS", "/nowhere") == 404


def test_a_route_may_answer_options_itself() -> None:
    router = router_of(("OPTIONS", "/a", answer("own")), ("GET", "/:x", answer("get")))
    assert payload(router, "OPTIONS", "/a") == ["own", {}]
    assert status(router, "OPTIONS", "/b") == 204


def test_options_of_the_asterisk_lists_all_methods(chat: Router) -> None:
    chat.registerRoutes([("PURGE", "/p", len)])
    response = chat.dispatch(make_request("OPTIONS", "*"))
    assert (response.status_code, allow(response)) == (204, "GET, HEAD, OPTIONS, POST, PURGE")
    assert allow(Router().dispatch(make_request("OPTIONS", "*"))) == "OPTIONS"


def test_the_asterisk_is_no_path_of_a_route() -> None:
    assert status(router_of(("GET", "/:all*", len)), "GET", "*") == 404


@pytest.mark.parametrize("path", ["/user/%zz", "/user/%ff", "/nowhere/%4"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD", "PURGE"])
def test_a_path_that_cannot_be_decoded_is_a_400(chat: Router, method: str, path: str) -> None:
    response = chat.dispatch(make_request(method, path))
    assert response.status_code == 400
    assert b"path component" in response.payload


# Websockets


def test_a_websocket_answers_a_plain_dispatch_with_426(chat: Router) -> None:
    for headers in ({}, UPGRADE):
        response = chat.dispatch(make_request("GET", "/ws/room", headers=headers))
        assert isinstance(response, ErrorResponse)
        assert response.status_code == 426
        assert response.headers.text("Upgrade") == "websocket"
        assert response.payload == (
            b"/ws/room is a websocket: it needs a websocket handshake over a connection"
        )


def test_an_upgrade_resolves_to_the_websocket_endpoint(chat: Router) -> None:
    request = make_request("GET", "/ws/room", headers=UPGRADE)
    endpoint = chat.resolve(request)
    assert endpoint.is_match
    assert endpoint.is_websocket
    assert endpoint.subprotocols == ("chat",)
    assert (endpoint.compress, endpoint.max_message_bytes) == (False, 4)
    assert request.matches == {"room": "room"}


def both_kinds() -> Router:
    def talk(request: Request, opcode: Any, payload: Any) -> None: ...

    return router_of(
        ("GET", "/:x", answer("plain")),
        ("GET", "/both", websocket("/both")(talk)),
        ("GET", "/plain", answer("later")),
    )


@pytest.mark.parametrize(
    ("headers", "is_upgrade", "expected"),
    [
        ({}, None, False),
        (UPGRADE, None, True),
        ({"Upgrade": "h2c, WebSocket", "Connection": "upgrade"}, None, True),
        ({"Upgrade": "websocket"}, None, False),
        ({"Upgrade": "h2c", "Connection": "upgrade"}, None, False),
        ({}, True, True),
        (UPGRADE, False, False),
    ],
)
def test_whether_it_is_an_upgrade_chooses_between_websocket_and_plain_route(
    headers: Any, is_upgrade: bool | None, expected: bool
) -> None:
    endpoint = both_kinds().resolve(
        make_request("GET", "/both", headers=headers), is_upgrade=is_upgrade
    )
    assert endpoint.is_match
    assert endpoint.is_websocket is expected


def test_an_upgrade_without_a_websocket_route_goes_to_the_plain_one() -> None:
    assert payload(both_kinds(), "GET", "/plain", headers=UPGRADE) == ["plain", {"x": "plain"}]


def test_a_websocket_path_allows_get_and_answers_head_as_get(chat: Router) -> None:
    assert allow(chat.dispatch(make_request("POST", "/ws/room"))) == "GET, HEAD, OPTIONS"
    assert status(chat, "HEAD", "/ws/room") == 426


# Endpoints


def test_an_endpoint_tells_its_route_and_can_be_called(chat: Router) -> None:
    request = make_request("POST", "/user/bob", body=b"[1]")
    endpoint = chat.resolve(request)
    assert (endpoint.method, endpoint.pattern) == ("POST", "/user/:name")
    assert endpoint.name == "Chat.create_user"
    assert endpoint.max_content_length == 8
    assert (endpoint.is_match, endpoint.is_async, endpoint.is_websocket) == (True, False, False)
    assert endpoint.pace is None
    assert endpoint.call(request).payload == [1]
    assert repr(endpoint) == "<Endpoint POST /user/:name Chat.create_user>"


def test_an_endpoint_stays_the_same_object_when_routes_are_added(chat: Router) -> None:
    before = chat.resolve(make_request("GET", "/user/bob"))
    chat.registerRoutes([("GET", "/new", len)])
    assert chat.resolve(make_request("GET", "/user/eve")) is before


def test_an_async_endpoint_is_marked(chat: Router) -> None:
    assert chat.resolve(make_request("GET", "/slow/bob")).is_async


def test_a_miss_is_an_endpoint_that_gives_the_refusal(chat: Router) -> None:
    request = make_request("DELETE", "/user/bob")
    request.matches = {"stale": "1"}
    endpoint = chat.resolve(request)
    assert not endpoint.is_match
    assert request.matches == {}
    assert endpoint.call(request).status_code == 405
    assert endpoint.max_content_length == 5242880
    assert repr(endpoint) == "<Miss DELETE  (answers 405)>"


@settings(max_examples=200)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "X", ""]),
    path=st.text(max_size=10) | st.text("/%2Fawsuer*?", max_size=12),
    is_upgrade=st.none() | st.booleans(),
)
def test_no_request_makes_a_lookup_raise(method: str, path: str, is_upgrade: bool | None) -> None:
    router = Router()
    router.registerRoutes(Chat())
    request = make_request(method, path)
    endpoint = router.resolve(request, is_upgrade=is_upgrade)
    response = None if endpoint.is_match else endpoint.call(request)
    assert endpoint.is_match or isinstance(response, Response)


def test_put_reads_the_documented_default_limit() -> None:
    class Files(Resource):
        @put("/f")
        def put_file(self, request: Request) -> Any: ...

    router = Router()
    router.registerRoutes(Files())
    assert router.resolve(make_request("PUT", "/f")).max_content_length == 5242880
