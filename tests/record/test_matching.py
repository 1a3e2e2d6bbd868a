"""Requests compared with recorded ones, aspect by aspect and by media type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import ConfigurationError, Request
from kit.record.deck import Deck, describe_unused
from kit.record.entry import Entry, RecordedRequest, RecordedResponse
from kit.record.ignoring import Ignoring
from kit.record.matching import CONTENTS_BYTES, Contents, Matching
from kit.record.taking import read_request, tidy_entry

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def ask(
    target: str = "/",
    body: bytes | dict[str, Any] = b"",
    kind: str = "",
    *,
    method: str = "GET",
    host: str = "http://h",
    **more: Any,
) -> RecordedRequest:
    if isinstance(body, dict):
        body, kind = json.dumps(body).encode(), JSON
    headers = more.pop("headers", ())
    if kind:
        headers = (*headers, (b"Content-Type", kind.encode()))
    return RecordedRequest(method=method, url=f"{host}{target}", headers=headers, body=body, **more)


def explain(matching: Matching, recorded: RecordedRequest, asked: RecordedRequest) -> list[str]:
    checks = matching.compare(recorded, asked).checks
    return [line for check in checks if not check.ok for line in check.format()]


# Aspects


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        (ask("/a"), ask("/a", host="https://other")),
        (ask("/%7Ea/b%20c"), ask("/~a/b%20c")),
        (ask("/a%2fb"), ask("/a%2Fb")),
        (ask("/?a=1&b=2&a=3"), ask("/?b=2&a=1&a=3")),
        (ask("/?a=%20"), ask("/?a=+")),
        (ask("/", {"a": 1, "b": [1.0]}), ask("/", {"b": [1], "a": 1.0})),
        (ask("/", b"a=1&b=2", FORM), ask("/", b"b=2&a=1", f"{FORM}; charset=utf-8")),
        (ask("/", b'{"a":1}', "text/x+json"), ask("/", b'{ "a": 1 }', "text/x+json")),
        (ask("/", b"x", "text/plain"), ask("/", b"x", "text/html")),
        (ask("/", headers=((b"X-A", b"1"),)), ask("/")),
        (ask("/", kind=JSON), ask("/")),
    ],
)
def test_requests_that_say_the_same_match(
    recorded: RecordedRequest, asked: RecordedRequest
) -> None:
    matching = Matching()
    assert matching.compare(recorded, asked).is_match
    assert matching.sort_key(recorded) == matching.sort_key(asked)
    assert matching.quick_key(recorded) == matching.quick_key(asked)


@pytest.mark.parametrize(
    ("recorded", "asked", "told"),
    [
        (ask(), ask(method="PUT"), ["✗ method: expected GET, got PUT"]),
        (ask("/a/b"), ask("/a%2Fb"), ["✗ path: expected /a/b, got /a%2Fb"]),
        (ask("/?a=1"), ask("/"), ['✗ query: $.a: missing, expected "1"']),
        (
            ask("/?a=1&a=2"),
            ask("/?a=2&a=1"),
            [
                "✗ query:",
                '    $.a[0]: expected "1", got "2"',
                '    $.a[1]: expected "2", got "1"',
            ],
        ),
        (ask("/", {"a": 1}), ask("/", {"a": True}), ["✗ json: $.a: expected 1, got true"]),
        (
            ask("/", b"a=1", FORM),
            ask("/", b"a=1&b", FORM),
            ['✗ form: $.b: unexpected, got ""'],
        ),
        (ask("/", b"x"), ask("/", b"y"), ["✗ body: expected 'x', got 'y'"]),
        (ask("/", b"\xff"), ask("/", b"\xfe"), [r"✗ body: expected b'\xff', got b'\xfe'"]),
        (
            ask("/", b"{", JSON),
            ask("/", b"{}", JSON),
            ["✗ body: expected 1 bytes of application/json, got 2 bytes of application/json"],
        ),
        (
            ask("/", b"x", "text/plain"),
            ask("/", b"x=1", FORM),
            [f"✗ body: expected 1 bytes of text/plain, got 3 bytes of {FORM}"],
        ),
    ],
)
def test_what_differs_is_told(
    recorded: RecordedRequest, asked: RecordedRequest, told: list[str]
) -> None:
    assert explain(Matching(), recorded, asked) == told


def multipart(boundary: str, *parts: tuple[str, bytes]) -> RecordedRequest:
    pieces = [
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    ]
    body = b"".join(pieces) + f"--{boundary}--\r\n".encode()
    return ask("/", body, f"multipart/form-data; boundary={boundary}")


def test_multipart_forms_are_compared_by_part_whatever_their_boundary() -> None:
    one = multipart("x1", ('name="a"', b"1"), ('name="f"; filename="n.bin"', b"\xff"))
    same = multipart("y2", ('name="f"; filename="n.bin"', b"\xff"), ('name="a"', b"1"))
    other = multipart("y2", ('name="f"; filename="m.bin"', b"\xff"), ('name="a"', b"2"))
    assert explain(Matching(), one, same) == []
    assert explain(Matching(), one, other) == [
        "✗ multipart:",
        '    $.a: expected "1", got "2"',
        '    $.f.filename: expected "n.bin", got "m.bin"',
    ]


def test_bytes_of_a_query_that_are_no_utf_8_are_told_apart() -> None:
    assert Matching().compare(ask("/x?q=%fe"), ask("/x?q=%fe")).is_match
    assert not Matching().compare(ask("/x?q=%fe"), ask("/x?q=%ff")).is_match
    deck = Deck([Entry(started_at=0.0, request=ask("/x?q=%fe"))], Matching())
    told = deck.explain(ask("/x?q=%ff"), is_websocket=False, where="a.har")
    assert r'$.q: expected "\udcfe", got "\udcff"' in told


def test_requests_that_differ_in_a_header_have_an_order_if_it_is_compared() -> None:
    requests = [ask("/", headers=((b"X-Tenant", name),)) for name in (b"a", b"b")]
    assert len({Matching().sort_key(each) for each in requests}) == 1
    matching = Matching(["path", "header:X-Tenant"])
    assert matching.sort_key(requests[0]) < matching.sort_key(requests[1])


def test_what_was_read_of_a_body_is_kept_until_it_is_forgotten() -> None:
    contents, request = Contents(Ignoring(["json:a"])), ask("/", {"a": 1, "b": []})
    ignored: list[set[str]] = [set(), set()]
    first, second = (contents.read(request, each) for each in ignored)
    assert first == ("json", {"b": []})
    assert second is first
    assert ignored == [{"json:a"}, {"json:a"}]
    contents.forget(request)
    assert contents.read(request, set()) is not first


def test_what_was_read_of_bodies_is_kept_up_to_a_bound() -> None:
    contents = Contents(Ignoring())
    large = ask("/", {"a": "x" * CONTENTS_BYTES})
    assert contents.read(large, set()) is not contents.read(large, set())
    small = ask("/", {"a": 1})
    assert contents.read(small, set()) is contents.read(small, set())


def test_the_first_that_matches_is_taken_without_a_look_at_the_others() -> None:
    compared = []

    def note(recorded: RecordedRequest, asked: RecordedRequest) -> bool:
        compared.append(recorded.path)
        return recorded.path == asked.path

    entries = [Entry(started_at=0.0, request=ask(f"/{number}")) for number in range(5)]
    deck = Deck(entries, Matching([note]))
    assert deck.take(ask("/1"), is_websocket=False) is not None
    assert compared == ["/0", "/1"]
    compared.clear()
    assert deck.take(ask("/2"), is_websocket=False) is not None
    assert compared == ["/0", "/2"]


@pytest.mark.parametrize(
    ("reuse", "taken"),
    [("once", [0, 2, None, None]), ("repeat_last", [0, 2, 2, 2]), ("cycle", [0, 2, 0, 2])],
)
def test_what_is_used_up_is_used_again_as_it_is_told(reuse: Any, taken: list[int | None]) -> None:
    entries = [
        Entry(index=index, started_at=0.0, request=ask("/", {"n": index % 2})) for index in range(4)
    ]
    deck = Deck(entries, Matching(), reuse)
    found = [deck.take(ask("/", {"n": 0}), is_websocket=False) for _ in range(4)]
    assert [None if each is None else each[0].index for each in found] == taken


def test_a_body_of_which_the_start_was_kept_is_compared_by_its_digest() -> None:
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    recorded = ask("/", b"x", is_truncated=True, sha256=digest)
    assert explain(Matching(), recorded, ask("/", b"y")) == [
        "✗ body: recorded only up to 1 bytes, and different"
    ]
    assert (
        explain(Matching(), ask("/", b"", is_truncated=True, sha256=digest), ask("/", b"x")) == []
    )


def test_a_document_that_is_too_deep_is_compared_as_a_whole() -> None:
    deep = b"[" * 200 + b"]" * 200
    matching = Matching(["body"])
    assert matching.compare(ask("/", deep, JSON), ask("/", deep, JSON)).is_match
    (line,) = explain(matching, ask("/", deep, JSON), ask("/", b"[1]", JSON))
    assert line.startswith("✗ json: they differ (")


def test_only_what_is_named_is_compared() -> None:
    recorded, asked = ask("/a?x=1", b"1"), ask("/a?x=2", b"2", method="POST")
    assert Matching(["path"]).compare(recorded, asked).is_match
    assert not Matching(["path", "query"]).compare(recorded, asked).is_match
    assert Matching(["path"]).list_left_out() == [
        "method",
        "scheme",
        "host",
        "query",
        "body",
        "headers",
    ]


def test_hosts_schemes_and_headers_can_be_compared() -> None:
    matching = Matching(["scheme", "host", "header:X-A"])
    recorded = ask(host="http://a:1", headers=((b"x-a", b"1"),))
    asked = ask(host="https://b", headers=((b"X-A", b"2"), (b"X-A", b"3")))
    assert explain(matching, recorded, asked) == [
        "✗ scheme: expected http, got https",
        "✗ host: expected a:1, got b",
        "✗ header X-A: expected 1, got 2, 3",
    ]
    assert matching.list_left_out() == ["method", "path", "query", "body"]


def test_a_function_decides() -> None:
    def same_length(recorded: RecordedRequest, asked: RecordedRequest) -> bool:
        return len(recorded.body) == len(asked.body)

    matching = Matching([same_length])
    assert matching.compare(ask("/a", b"x"), ask("/b", b"y")).is_match
    (line,) = explain(matching, ask("/a", b"x"), ask("/b", b""))
    assert line.startswith("✗ same_length (test_matching.py:")
    assert line.endswith("): said no")


# What is ignored


@pytest.mark.parametrize(
    ("rule", "recorded", "asked"),
    [
        ("query:ts", ask("/?a=1&ts=1"), ask("/?a=1&ts=2&ts=3")),
        ("form:ts", ask("/", b"ts=1", FORM), ask("/", b"ts=2", FORM)),
        ("part:ts", multipart("x", ('name="ts"', b"1")), multipart("x", ('name="ts"', b"2"))),
        ("json:ts", ask("/", {"a": [{"ts": 1}]}), ask("/", {"a": [{"ts": 2}]})),
        ("json:$.a.ts", ask("/", {"a": {"ts": 1}}), ask("/", {"a": {}})),
        ("json:$.a[-1]", ask("/", {"a": [0, 1]}), ask("/", {"a": [0, 2]})),
        ("json:$", ask("/", {"a": [0, 1]}), ask("/", {"b": 1})),
        ("body", ask("/", b"x"), ask("/", {"a": 1})),
    ],
)
def test_what_is_ignored_does_not_count_and_is_told(
    rule: str, recorded: RecordedRequest, asked: RecordedRequest
) -> None:
    assert not Matching().compare(recorded, asked).is_match
    comparison = Matching(ignore=[rule]).compare(recorded, asked)
    assert comparison.is_match
    assert comparison.ignored == {rule}


def test_a_rule_that_leaves_nothing_out_is_not_told() -> None:
    comparison = Matching(ignore=["query:ts", "json:ts", "json:$.x"]).compare(
        ask("/", {"a": 1}), ask("/", {"a": 1})
    )
    assert comparison.ignored == set()


RULES = (
    'a rule of ignore is "query:NAME", "form:NAME", "part:NAME", "json:$.PATH", "json:NAME", '
    '"header:NAME", "body", "status" or "frame", not {!r}'
)


@pytest.mark.parametrize("rule", ["smell", "query:", "query", "body:x", "", 3])
def test_a_rule_that_cannot_be_is_refused(rule: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Ignoring([rule])
    assert str(caught.value) == RULES.format(rule)


ASPECTS = "method, scheme, host, path, query, body"


@pytest.mark.parametrize(
    ("match_on", "text"),
    [
        ([], "match_on names nothing: any request would match"),
        (
            ["header:"],
            f"match_on takes {ASPECTS}, \"header:NAME\" and functions, not 'header:'",
        ),
    ],
)
def test_aspects_that_cannot_be_are_refused(match_on: list[str], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Matching(match_on)
    assert str(caught.value) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(["json:a", "json:$.a", "json:$[0]", "query:a"]))
def test_any_document_matches_itself_whatever_is_ignored(value: Any, rule: str) -> None:
    request = ask("/", json.dumps(value).encode(), JSON)
    matching = Matching(ignore=[rule])
    assert matching.compare(request, request).is_match


@given(st.binary(max_size=30), st.binary(max_size=30), st.sampled_from([JSON, FORM, "a/b", ""]))
def test_no_body_raises(one: bytes, other: bytes, kind: str) -> None:
    comparison = Matching().compare(ask("/", one, kind), ask("/", other, kind))
    assert comparison.is_match or one != other


# The deck


def make(request: RecordedRequest, index: int = 0) -> Entry:
    response = RecordedResponse(status=200)
    return Entry(index=index, started_at=0.0, request=request, response=response)


def test_a_long_recording_is_listed_in_part() -> None:
    entries = [make(ask(f"/{number}"), number) for number in range(22)]
    lines = describe_unused(entries).splitlines()
    assert lines[:2] == ["22 recordings answered nothing:", "  entry 0: GET http://h/0"]
    assert lines[-1] == "  and 2 more"


def test_of_many_recordings_the_nearest_are_shown() -> None:
    deck = Deck([make(ask(f"/item/{number}"), number) for number in range(40)], Matching())
    text = deck.explain(ask("/item/7?x"), is_websocket=False, where="here")
    assert text.startswith(
        "no recording answers GET /item/7?x in here\n"
        "\n"
        "of 40 recordings the nearest are\n"
        "\n"
        "entry 7: GET http://h/item/7 -> 200\n"
    )
    assert text.count("entry ") == 3


def test_a_deck_that_cycles_begins_anew_for_each_request_alike() -> None:
    deck = Deck([make(ask("/a"), 0), make(ask("/b"), 1), make(ask("/a"), 2)], Matching(), "cycle")
    taken = [deck.take(ask(path), is_websocket=False) for path in ("/a", "/a", "/a", "/b", "/b")]
    assert [each[0].index for each in taken if each] == [0, 2, 0, 1, 1]
    assert deck.unused() == []


# What is read and tidied


def test_a_request_is_seen_as_upstream_would_get_it() -> None:
    headers = {"Host": "here", "Content-Encoding": "gzip"}
    request = Request(("127.0.0.1", 1), "POST", "/a?b", {}, "", headers, b"not gzip")
    asked = read_request(request, "https://up/v1")
    assert (asked.url, asked.body, asked.is_encoded) == ("https://up/v1/a?b", b"not gzip", True)
    assert read_request(request, "").url == "http://here/a?b"


def test_what_differs_from_run_to_run_is_left_out() -> None:
    request = ask("/", headers=((b"Sec-WebSocket-Key", b"x"), (b"X-A", b"1")), headers_size=99)
    entry = Entry(
        started_at=0.0,
        request=request,
        connection="3",
        server_ip="127.0.0.1",
        kit={"local": "1", "peer": "2", "ordinal": 3, "role": "client"},
    )
    tidied = tidy_entry(entry)
    assert (tidied.connection, tidied.server_ip, tidied.kit) == ("", "", {"role": "client"})
    assert tidied.request.headers == ((b"X-A", b"1"),)
    assert tidied.request.headers_size == -1
