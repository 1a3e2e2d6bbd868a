from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import PatternError, RemoteProtocolError
from kit.routing.patterns import Pattern, decode_component, split_path

MATCHES = [
    # the contract's table
    ("/abc", "/abc", {}),
    ("/abc", "/ab", None),
    ("/abc", "/abc/", None),
    ("/abc", "/abcd", None),
    ("/abc", "/ABC", None),
    ("/:abc", "/one", {"abc": "one"}),
    ("/:abc", "/two", {"abc": "two"}),
    ("/:abc", "/", None),
    ("/:abc", "", None),
    ("/:abc", "/one/", None),
    ("/:abc", "/one/two", None),
    ("/:abc?", "/", {"abc": ""}),
    ("/:abc?", "", {"abc": ""}),
    ("/:abc?", "/one", {"abc": "one"}),
    ("/:abc?", "/one/", None),
    ("/:abc?", "/one/two", None),
    ("/:abc?", "//", None),
    ("/:abc+", "/one", {"abc": "one"}),
    ("/:abc+", "/one/two", {"abc": "one/two"}),
    ("/:abc+", "/", None),
    ("/:abc+", "", None),
    ("/:abc*", "/", {"abc": ""}),
    ("/:abc*", "", {"abc": ""}),
    ("/:abc*", "/one", {"abc": "one"}),
    ("/:abc*", "/one/two", {"abc": "one/two"}),
    ("/:abc*", "//", None),
    # a prefix before the run, with and without its slash
    ("/x/:abc?", "/x", {"abc": ""}),
    ("/x/:abc?", "/x/", {"abc": ""}),
    ("/x/:abc?", "/x/y", {"abc": "y"}),
    ("/x/:abc?", "/x/y/", None),
    ("/x/:abc?", "/xy", None),
    ("/x/:abc?", "/", None),
    ("/x/:abc*", "/x", {"abc": ""}),
    ("/x/:abc*", "/x/", {"abc": ""}),
    ("/x/:abc*", "/x/y/z", {"abc": "y/z"}),
    ("/x/:abc*", "/x/y/z/", None),
    ("/x/:abc*", "/x//", None),
    ("/x/:abc+", "/x", None),
    ("/x/:abc+", "/x/", None),
    ("/x/:abc+", "/x/y", {"abc": "y"}),
    ("/x/:abc+", "/x//y", None),
    ("/x/:abc+", "/x/y//z", None),
    ("/x/:abc+", "/x/y/", None),
    # several wildcards
    ("/:a/:b", "/1/2", {"a": "1", "b": "2"}),
    ("/:a/:b", "//2", None),
    ("/:a/x/:b*", "/1/x/2/3", {"a": "1", "b": "2/3"}),
    ("/:a/x/:b*", "/1/x", {"a": "1", "b": ""}),
    ("/:user-id/:Über_2", "/1/2", {"user-id": "1", "Über_2": "2"}),
    # slashes and dots are what they are
    ("/", "/", {}),
    ("/", "", {}),
    ("/", "//", None),
    ("/a/", "/a/", {}),
    ("/a/", "/a", None),
    ("/a//b", "/a//b", {}),
    ("/a//b", "/a/b", None),
    ("/a/../b", "/a/../b", {}),
    ("/:a/b", "/../b", {"a": ".."}),
    # no path of a resource
    ("/:a*", "*", None),
    ("/abc", "abc", None),
    ("/:a", "x/one", None),
    # percent encoding, on either side
    ("/:a", "/one%2Ftwo", {"a": "one/two"}),
    ("/:a/:b", "/one%2Ftwo", None),
    ("/:a+", "/one%2ftwo/three", {"a": "one/two/three"}),
    ("/a%2Fb", "/a%2fb", {}),
    ("/a%2Fb", "/a/b", None),
    ("/a/b", "/a%2Fb", None),
    ("/a b", "/a%20b", {}),
    ("/a%20b", "/a%20b", {}),
    ("/a%20b", "/a b", {}),
    ("/käse", "/k%C3%A4se", {}),
    ("/k%c3%a4se", "/k%C3%A4se", {}),
    ("/käse", "/käse", {}),
    ("/:a", "/k%C3%A4se", {"a": "käse"}),
    ("/:a", "/%00", {"a": "\0"}),
    ("/:a", "/a+b", {"a": "a+b"}),
    ("/:a", "/%25", {"a": "%"}),
    ("/100%25", "/100%25", {}),
    ("/%3Aa", "/:a", {}),
    ("/%3Fa", "/%3fa", {}),
    ("/abc", "/%61bc", {}),
    # signs without a meaning of their own
    ("/v1/things:batch", "/v1/things:batch", {}),
    ("/c++", "/c++", {}),
    ("/c*", "/c*", {}),
    ("/c*", "/cd", None),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_a_pattern_matches_as_documented(
    pattern: str, path: str, expected: dict[str, str] | None
) -> None:
    assert Pattern(pattern).match(path) == expected


@pytest.mark.parametrize(
    ("pattern", "position", "reason"),
    [
        ("", 0, 'it must start with "/"'),
        ("abc", 0, 'it must start with "/"'),
        (":a", 0, 'it must start with "/"'),
        ("*", 0, 'it must start with "/"'),
        (b"/a", 0, "a pattern is a str, not bytes"),
        (None, 0, "a pattern is a str, not NoneType"),
        (..., 0, 'a pattern is a str, not ...: any path is "/:path*"'),
        (
            re.compile("^/a"),
            0,
            (
                'a pattern is a str, not a regular expression: any path is "/:path*", and a stub '
                "asks more by match=lambda request: re.search(..., request.path)"
            ),
        ),
        ("/:", 1, 'a wildcard needs a name behind ":"'),
        ("/a/:/b", 3, 'a wildcard needs a name behind ":"'),
        ("/a/:?", 3, 'a wildcard needs a name behind ":"'),
        ("/:a/b/:a", 6, 'the name "a" stands here for the second time'),
        ("/:a/:a*", 4, 'the name "a" stands here for the second time'),
        ("/x/:a+/b", 5, 'only the last component may end in "+"'),
        ("/:a?/:b?", 3, 'only the last component may end in "?"'),
        ("/:a*/", 3, 'only the last component may end in "*"'),
        ("/:a.json", 3, "a wildcard's name holds letters, digits, _ and -, not '.'"),
        ("/::a", 2, "a wildcard's name holds letters, digits, _ and -, not ':'"),
        ("/x/:a+?", 5, "a wildcard's name holds letters, digits, _ and -, not '+'"),
        ("/abc?", 4, "'?' is not part of a path: write %3F"),
        ("/a/b?c=d", 4, "'?' is not part of a path: write %3F"),
        ("/a#b", 2, "'#' is not part of a path: write %23"),
        ("/a\ud800", 2, "'\\ud800' is not part of a path: no path can hold it"),
        (
            "/a/b%zz",
            4,
            "path component 'b%zz' holds a broken percent escape '%zz'",
        ),
        ("/100%", 4, "path component '100%' holds a broken percent escape '%'"),
        ("/a/b%ff", 4, "path component 'b%ff' is not UTF-8 after percent-decoding"),
    ],
)
def test_a_malformed_pattern_is_refused_where_it_is_wrong(
    pattern: str, position: int, reason: str
) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern(pattern)
    assert caught.value.position == position
    assert caught.value.reason == reason
    assert str(caught.value) == f"pattern {pattern!r} is wrong at index {position}: {reason}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/%zz", "path component '%zz' holds a broken percent escape '%zz'"),
        ("/a/x%4", "path component 'x%4' holds a broken percent escape '%4'"),
        ("/%", "path component '%' holds a broken percent escape '%'"),
        ("/%+1", "path component '%+1' holds a broken percent escape '%+1'"),
        ("/%ff", "path component '%ff' is not UTF-8 after percent-decoding"),
        ("/a/%C3/b", "path component '%C3' is not UTF-8 after percent-decoding"),
        ("/%ED%A0%80", "path component '%ED%A0%80' is not UTF-8 after percent-decoding"),
        ("/%41\ud800", "path component '%41\\ud800' is not UTF-8 after percent-decoding"),
    ],
)
def test_a_path_that_cannot_be_decoded_is_a_400(path: str, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Pattern("/nowhere/near").match(path)
    assert caught.value.status_code == 400
    assert str(caught.value) == reason


def test_a_code_point_split_by_a_slash_is_not_put_together() -> None:
    with pytest.raises(RemoteProtocolError):
        split_path("/%C3/%A4")


def test_names_are_listed_in_order() -> None:
    assert Pattern("/:b/x/:a/:c*").names == ("b", "a", "c")


def test_repr_shows_the_text() -> None:
    assert repr(Pattern("/a/:b?")) == "Pattern('/a/:b?')"


@pytest.mark.parametrize(("text", "is_static"), [("/a/b", True), ("/a/:b", False), ("/:b*", False)])
def test_a_pattern_without_wildcards_is_static(text: str, is_static: bool) -> None:
    assert Pattern(text).is_static is is_static


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_decoding_reverts_quoting(text: str) -> None:
    assert decode_component(quote(text, safe="")) == text


@given(st.text(max_size=12) | st.text("%C3a4/zf", max_size=12))
def test_any_path_matches_or_is_refused_with_400(path: str) -> None:
    status_code, result = 200, None
    try:
        result = Pattern("/:a/b/:c*").match(path)
    except RemoteProtocolError as error:
        status_code = error.status_code
    assert status_code in (200, 400)
    assert result is None or set(result) == {"a", "c"}


@given(st.text(max_size=12) | st.text("/:ab?+*%2F-#", max_size=12))
def test_any_text_compiles_or_is_refused_at_a_place_inside_it(text: str) -> None:
    position = 0
    try:
        Pattern(text)
    except PatternError as error:
        position = error.position
    assert 0 <= position <= len(text)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["a", "b", "", ":"]), max_size=4),
    st.sampled_from(["", "?", "+", "*"]),
    st.lists(st.sampled_from(["a", "b", ""]), max_size=5),
)
def test_matching_agrees_with_a_regular_expression(
    components: list[str], run: str, path_components: list[str]
) -> None:
    text, regex = "", ""
    for index, component in enumerate(components):
        text += f"/:n{index}" if component == ":" else f"/{component}"
        regex += f"/(?P<n{index}>[^/]+)" if component == ":" else f"/{component}"
    if run or not components:
        text += f"/:run{run}"
        regex += {
            "": "/(?P<run>[^/]+)",
            "?": "(?:/(?P<run>[^/]+)?)?",
            "+": "/(?P<run>[^/]+(?:/[^/]+)*)",
            "*": "(?:/(?P<run>[^/]+(?:/[^/]+)*)?)?",
        }[run]
    path = "/" + "/".join(path_components)
    found = re.fullmatch(regex, path)
    expected = None if found is None else {k: v or "" for k, v in found.groupdict().items()}
    assert Pattern(text).match(path) == expected
