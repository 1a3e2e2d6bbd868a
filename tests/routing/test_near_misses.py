from __future__ import annotations

from typing import Any

import pytest

from kit.routing import Router, format_near_misses, websocket


def handler(request: Any) -> Any:
    return request


def explain(pattern: str, path: str) -> list[tuple[bool, str]]:
    router = Router()
    router.registerRoutes([("GET", pattern, handler)])
    (near_miss,) = router.explain("GET", path)
    held, text = near_miss.conditions[0]
    assert (held, text) == (True, "method GET")
    return near_miss.conditions[1:]


@pytest.mark.parametrize(
    ("pattern", "path", "conditions"),
    [
        ("/", "/", [(True, 'component 1 is ""')]),
        (
            "/user/:name",
            "/usr/bob",
            [
                (False, 'component 1 is "usr", not "user"'),
                (True, 'component 2 is :name = "bob"'),
            ],
        ),
        (
            "/user/:name",
            "/user",
            [(True, 'component 1 is "user"'), (False, "component 2, :name, is missing")],
        ),
        (
            "/user/:name",
            "/user/",
            [
                (True, 'component 1 is "user"'),
                (False, "component 2 is empty, :name takes one that is not"),
            ],
        ),
        (
            "/a",
            "/a/",
            [(True, 'component 1 is "a"'), (False, 'the path goes on with a trailing "/"')],
        ),
        ("/a", "/a/b/c", [(True, 'component 1 is "a"'), (False, 'the path goes on with "/b/c"')]),
        ("/f/:p+", "/f", [(True, 'component 1 is "f"'), (False, ':p+ does not take ""')]),
        ("/f/:p*", "/f/a//b", [(True, 'component 1 is "f"'), (False, ':p* does not take "a//b"')]),
        ("/f/:p?", "/f/a/b", [(True, 'component 1 is "f"'), (False, ':p? does not take "a/b"')]),
        ("/f/:p*", "/f/a/b", [(True, 'component 1 is "f"'), (True, ':p* = "a/b"')]),
        ("/a", "*", [(False, "the path does not begin with a slash")]),
        *(
            (
                f"/{wrong}",
                "/7",
                [(False, f'component 1 is "7", not "{wrong}": a wildcard is written "{right}"')],
            )
            for wrong, right in [
                ("{id}", ":id"),
                ("{id:int}", ":id"),
                ("<id>", ":id"),
                ("<int:id>", ":id"),
                ("*", ":rest+"),
                ("**", ":rest+"),
            ]
        ),
        (
            "/a/{id}",
            "/a",
            [
                (True, 'component 1 is "a"'),
                (False, 'component 2, "{id}", is missing: a wildcard is written ":id"'),
            ],
        ),
        ("/{id}", "/{id}", [(True, 'component 1 is "{id}"')]),
    ],
)
def test_each_condition_is_told(
    pattern: str, path: str, conditions: list[tuple[bool, str]]
) -> None:
    assert explain(pattern, path) == conditions


def test_a_path_that_cannot_be_decoded_fails_everywhere() -> None:
    router = Router()
    router.registerRoutes([("GET", "/a", handler), ("GET", "/b", handler)])
    reason = "path component '%zz' holds a broken percent escape '%zz'"
    conditions = [each.conditions for each in router.explain("GET", "/%zz")]
    assert conditions == [[(False, reason)], [(False, reason)]]


def test_another_method_is_told() -> None:
    router = Router()
    router.registerRoutes([("POST", "/a", handler)])
    assert router.explain("GET", "/a")[0].conditions[0] == (
        False,
        "method GET, the route takes POST",
    )


def test_head_fits_a_get_route() -> None:
    router = Router()
    router.registerRoutes([("GET", "/a", handler)])
    (near_miss,) = router.explain("HEAD", "/a")
    assert near_miss.is_match
    assert near_miss.conditions[0] == (True, "method HEAD, answered from GET")


def test_routes_that_match_come_first_then_the_nearest() -> None:
    router = Router()
    patterns = ["/x/y/z", "/item/:id", "/users/:id", "/:a/:b", "/user/:name"]
    router.registerRoutes([("GET", pattern, handler) for pattern in patterns])
    found = [each.route.url_pattern for each in router.explain("GET", "/user/bob")]
    assert found == ["/:a/:b", "/user/:name", "/users/:id", "/item/:id", "/x/y/z"]


def test_all_routes_are_listed_however_many() -> None:
    router = Router()
    router.registerRoutes([("GET", f"/n{index}", handler) for index in range(100)])
    assert len(router.explain("GET", "/n50")) == 100
    assert router.explain("GET", "/n50")[0].route.url_pattern == "/n50"


@pytest.mark.parametrize(
    ("is_upgrade", "condition"),
    [
        (False, (False, "takes a websocket handshake, the request is not one")),
        (True, None),
        (None, None),
    ],
)
def test_a_websocket_route_wants_a_handshake(
    is_upgrade: bool | None, condition: tuple[bool, str] | None
) -> None:
    router = Router()
    router.registerRoutes([("GET", "/ws", websocket("/ws")(lambda *_: None))])
    (near_miss,) = router.explain("GET", "/ws", is_upgrade=is_upgrade)
    assert near_miss.is_match is (condition is None)
    assert (condition in near_miss.conditions) is (condition is not None)


def test_the_text_shows_some_and_counts_the_others() -> None:
    router = Router()
    router.registerRoutes([("GET", f"/{name}", handler) for name in ("aa", "ab", "bb", "zz")])
    near_misses = router.explain("GET", "/aaa")
    assert format_near_misses(near_misses, limit=2) == (
        "GET /aa -> handler\n"
        "  ✓ method GET\n"
        '  ✗ component 1 is "aaa", not "aa"\n'
        "GET /ab -> handler\n"
        "  ✓ method GET\n"
        '  ✗ component 1 is "aaa", not "ab"\n'
        "and 2 more routes"
    )
    assert format_near_misses(near_misses[:1]).count("more") == 0
    assert format_near_misses([]) == ""
