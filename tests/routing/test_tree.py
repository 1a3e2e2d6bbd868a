from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import RemoteProtocolError
from kit.routing.endpoint import Endpoint
from kit.routing.patterns import Pattern
from kit.routing.resource import Route
from kit.routing.tree import Found, Tree


def handle(request: object) -> object:
    return request


def build(*texts: str) -> tuple[Tree, list[tuple[Pattern, Endpoint]]]:
    entries = [(Pattern(text), Endpoint(Route("GET", text, handle))) for text in texts]
    return Tree([(order, *entry) for order, entry in enumerate(entries)]), entries


def scan(entries: list[tuple[Pattern, Endpoint]], path: str) -> Found | None:
    """Find the first match the slow and obvious way."""
    for pattern, endpoint in entries:
        matches = pattern.match(path)
        if matches is not None:
            return endpoint, matches
    return None


def found_pattern(tree: Tree, path: str) -> str | None:
    found = tree.find(path)
    return None if found is None else found[0].pattern


# Few components, so that patterns overlap and paths hit them often.
FIXED = ["a", "b", "", "%61", "a%2Fb", "b b", ":"]
PATTERNS = st.builds(
    lambda components, end: (
        "".join(
            f"/:n{index}" if component == ":" else f"/{component}"
            for index, component in enumerate(components)
        )
        + end
        or "/"
    ),
    st.lists(st.sampled_from(FIXED), max_size=4),
    st.sampled_from(["", "", "/:end", "/:end?", "/:end+", "/:end*"]),
)
PATHS = st.builds(
    lambda components, start: start + "/".join(components),
    st.lists(st.sampled_from(["a", "b", "c", "", "a%2Fb", "%62", "b%20b", "b b"]), max_size=5),
    st.sampled_from(["/", "/", "/", "/", "/", ""]),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(PATTERNS, max_size=12), st.lists(PATHS, min_size=1, max_size=12))
def test_a_lookup_finds_what_a_scan_of_all_patterns_finds(
    texts: list[str], paths: list[str]
) -> None:
    tree, entries = build(*texts)
    for path in paths:
        assert tree.find(path) == scan(entries, path)


def test_a_lookup_is_right_for_all_small_sets_of_patterns() -> None:
    shapes = ["/a", "/:n", "/:n?", "/a/b", "/a/:n", "/:m/b", "/:m/:n", "/a/:n*", "/a/b/:n?"]
    paths = ["/", "/a", "/b", "/a/", "/a/b", "/a/c", "/c/b", "/c/c", "/a/b/", "/a/b/c", "/%61/b"]
    for texts in itertools.permutations(shapes, 3):
        tree, entries = build(*texts)
        for path in paths:
            assert tree.find(path) == scan(entries, path), (texts, path)


@pytest.mark.parametrize(
    ("texts", "path", "expected"),
    [
        (["/user/me", "/user/:name"], "/user/me", "/user/me"),
        (["/user/:name", "/user/me"], "/user/me", "/user/:name"),
        (["/user/me", "/user/:name"], "/user/m%65", "/user/me"),
        (["/:a/me", "/user/:name"], "/user/me", "/:a/me"),
        (["/:a/me", "/user/:name"], "/user/you", "/user/:name"),
        (["/:all*", "/user/me"], "/user/me", "/:all*"),
        (["/user/me", "/:all*"], "/user/me", "/user/me"),
        (["/user/me/:rest*", "/user/:name"], "/user/me", "/user/me/:rest*"),
        (["/user/:n/deep", "/user/me", "/user/:name"], "/user/me", "/user/me"),
        (["/user/:n/:x?", "/user/:name"], "/user/me", "/user/:n/:x?"),
        (["/a/:x/c", "/a/b/:y"], "/a/b/d", "/a/b/:y"),
        (["/:a", "/:b"], "/x", "/:a"),
        (["/:a"], "x", None),
        (["/:a"], "*", None),
        (["/:a"], "/", None),
        (["/a%2Fb", "/:x"], "/a%2Fb", "/a%2Fb"),
        (["/a%2Fb"], "/a/b", None),
        (["/100%25", "/:x"], "/100%25", "/100%25"),
        (["/a b/:x"], "/a%20b/c", "/a b/:x"),
    ],
)
def test_the_first_registered_pattern_that_matches_is_found(
    texts: list[str], path: str, expected: str | None
) -> None:
    assert found_pattern(build(*texts)[0], path) == expected


def test_wildcards_are_read_under_the_names_of_the_pattern_found() -> None:
    tree, _ = build("/user/:id/posts", "/user/:name", "/:kind/:id/:rest+")
    found = [tree.find(path) for path in ("/user/7/posts", "/user/bob", "/team/7/x/y%2Fz")]
    assert [each and each[1] for each in found] == [
        {"id": "7"},
        {"name": "bob"},
        {"kind": "team", "id": "7", "rest": "x/y/z"},
    ]


def test_each_lookup_gives_a_dict_of_its_own() -> None:
    tree, _ = build("/static", "/user/:name", "/:a/:b/:c")
    for path in ("/static", "/user/bob", "/1/2/3"):
        first, second = tree.find(path), tree.find(path)
        assert first is not None
        assert second is not None
        assert first[1] == second[1]
        assert first[1] is not second[1]


def test_a_path_that_cannot_be_decoded_raises_whatever_the_patterns() -> None:
    with pytest.raises(RemoteProtocolError, match="broken percent escape '%zz'"):
        build("/user/:name")[0].find("/%zz")


def test_interleaved_wildcards_and_texts_do_not_explode() -> None:
    # Every pattern agrees with the path up to its last component, and none matches:
    # two ways at each of twenty levels would be a million.
    depth = 20
    texts = []
    for index in range(depth):
        components = [f":n{level}" if level == index else "a" for level in range(depth)]
        texts.append("/" + "/".join([*components, "end"]))
        flipped = ["a" if level == index else f":n{level}" for level in range(depth)]
        texts.append("/" + "/".join([*flipped, "end"]))
    tree, entries = build(*texts)
    path = "/a" * depth
    began = time.perf_counter()
    assert tree.find(path + "/other") is None
    assert tree.find(path + "/end") == scan(entries, path + "/end")
    assert time.perf_counter() - began < 0.25


def test_a_lookup_looks_at_as_much_among_ten_thousand_patterns_as_among_ten() -> None:
    def count_steps(size: int) -> int:
        texts = [f"/user{i}/:name/of/:thing" for i in range(size)]
        tree, _ = build("/files/:path*", *texts, "/:any/end")
        steps = 0

        class Counted(str):
            __slots__ = ()

            def __hash__(self) -> int:
                nonlocal steps
                steps += 1
                return str.__hash__(self)

        parts = [Counted(part) for part in ("", "user5", "x", "of", "y")]
        assert tree._walk(list(parts)) is not None
        return steps

    assert count_steps(10) == count_steps(10_000)
