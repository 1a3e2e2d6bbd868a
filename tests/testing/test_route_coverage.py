"""Counting the routes that were asked for."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

import kit
from kit.testing.route_coverage import RouteCoverage, RouteHits, UnusedStub, format_percent


def answer(request: kit.Request) -> kit.Response:
    return kit.Response("answer")


def fail(request: kit.Request) -> kit.Response:
    raise ValueError("on purpose")


def ask(server: kit.HTTPServer, path: str, body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(server.url_for(path), body, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def collect(*paths: str) -> RouteCoverage:
    """Count what a server with a few routes and stubs is asked for."""
    coverage = RouteCoverage()
    server = kit.HTTPServer(("127.0.0.1", 0))
    routes = [("GET", "/a/:b", answer), ("GET", "/fail", fail), ("POST", "/a/:b", answer)]
    server.registerRoutes(routes)
    server.expect("GET", "/stub").optional().respond("stub")
    coverage.watch(server)
    with server:
        for path in paths:
            ask(server, path)
        coverage.note_registered(server)
    return coverage


def test_a_request_is_a_hit_when_its_handler_is_called_and_be_it_to_fail() -> None:
    coverage = collect("/a/1", "/a/2", "/fail", "/missing", "/stub")
    assert coverage.routes == [
        RouteHits("GET", "/a/:b", "answer", 2),
        RouteHits("POST", "/a/:b", "answer", 0),
        RouteHits("GET", "/fail", "fail", 1),
    ]
    assert coverage.unused_stubs == []
    assert coverage.percent == pytest.approx(200 / 3)


def test_what_a_fallback_answers_is_no_route() -> None:
    coverage = RouteCoverage()
    with (
        kit.HTTPServer(("127.0.0.1", 0)) as upstream,
        kit.Upstream(upstream.url) as source,
        kit.HTTPServer(("127.0.0.1", 0)) as server,
    ):
        upstream.registerRoutes([("GET", "/:rest*", answer)])
        server.registerRoutes([("GET", "/own", answer)])
        server.fallback = source
        coverage.watch(server)
        assert [ask(server, path) for path in ("/own", "/other")] == [200, 200]
        coverage.note_registered(server)
    assert coverage.routes == [RouteHits("GET", "/own", "answer", 1)]


def test_what_is_refused_before_its_handler_is_no_hit() -> None:
    coverage = RouteCoverage()
    with kit.HTTPServer(("127.0.0.1", 0)) as server:
        coverage.watch(server)

        @kit.post("/small", max_content_length=3)
        def small(request: kit.Request) -> kit.Response:
            return kit.Response("small")

        server.registerRoutes([("POST", "/small", small)])
        assert ask(server, "/small", b"too large") == 413
        coverage.note_registered(server)
    assert coverage.routes == [RouteHits("POST", "/small", "small", 0)]


def test_counts_of_several_processes_are_added_up() -> None:
    first, second = collect("/a/1", "/stub"), collect("/a/1", "/fail")
    first.merge(second.to_builtins())
    assert [each.hits for each in first.routes] == [2, 0, 1]
    assert first.unused_stubs == []
    second.merge(collect().to_builtins())
    [stub] = second.unused_stubs
    assert stub[:2] == UnusedStub("GET", "/stub", "")[:2]
    assert stub.where.startswith("test_route_coverage.py:")


def test_what_is_merged_is_builtins_alone() -> None:
    data = collect("/a/1").to_builtins()
    assert sorted(data["routes"]) == [
        ["GET", "/a/:b", "answer", 1],
        ["GET", "/fail", "fail", 0],
        ["POST", "/a/:b", "answer", 0],
    ]
    assert type(data["stubs"][0]) is list


def test_anything_else_is_refused_and_changes_nothing() -> None:
    coverage = collect("/a/1")
    before = coverage.to_builtins()
    with pytest.raises(kit.ConfigurationError) as caught:
        coverage.merge({"routes": [["GET", "/", "x", 1]]})
    assert str(caught.value) == "merge() takes what to_builtins() gives: KeyError: 'stubs'"
    assert coverage.to_builtins() == before


def test_the_table_cannot_upset_a_terminal() -> None:
    coverage = RouteCoverage()
    coverage.merge({"routes": [["GET", "/\x1b[2J", "evil\n", 1]], "stubs": []})
    assert coverage.format() == (
        "hits  method  pattern   handler\n"
        "   1  GET     /\\x1b[2J  evil\\n\n"
        "1 of 1 route was hit: 100.0%"
    )


@pytest.mark.parametrize(
    ("percent", "text"),
    [(0, "0.0%"), (99.99, "99.9%"), (100, "100.0%"), (100 * 4 / 5, "80.0%"), (28.3, "28.3%")],
)
def test_a_percentage_is_never_rounded_up(percent: float, text: str) -> None:
    assert format_percent(percent) == text
