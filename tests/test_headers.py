from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import LocalProtocolError
from kit.headers import Headers, check_fields

SOME = Headers([(b"Host", b"a"), (b"X-One", b"1"), (b"x-one", b"2")])


@pytest.mark.parametrize(
    "items",
    [
        {"X-A": "1", "X-B": "2"},
        {b"X-A": b"1", b"X-B": b"2"},
        {"X-A": ["1"], b"X-B": [b"2"]},
        [("X-A", "1"), (b"X-B", b"2")],
        [["X-A", b"1"], ["X-B", "2"]],
        Headers([(b"X-A", b"1"), (b"X-B", b"2")]),
        iter([("X-A", "1"), ("X-B", "2")]),
        Headers.from_raw([(b"X-A", b"1"), (b"X-B", b"2")]),
    ],
)
def test_every_form_of_fields_gives_the_same_headers(items: Any) -> None:
    assert Headers(items).raw == [(b"X-A", b"1"), (b"X-B", b"2")]


def test_no_fields_give_empty_headers() -> None:
    assert Headers().raw == []
    assert len(Headers()) == 0
    assert list(Headers()) == []


def test_a_list_of_values_becomes_repeated_fields() -> None:
    assert Headers({"Set-Cookie": ["a=1", b"b=2"]}).raw == [
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    ]


@pytest.mark.parametrize("name", ["x-one", "X-ONE", b"x-one", b"X-One"])
def test_a_field_is_found_by_any_case_as_str_and_bytes(name: str | bytes) -> None:
    assert SOME[name] == [b"1", b"2"]
    assert SOME.get(name) == [b"1", b"2"]
    assert SOME.first(name) == b"1"
    assert SOME.text(name) == "1, 2"
    assert name in SOME


@pytest.mark.parametrize("name", ["nope", b"nope", "h\u00f6st", "\u20acuro", ""])
def test_a_missing_field_gives_the_default(name: str | bytes) -> None:
    assert SOME.get(name) is None
    assert SOME.get(name, []) == []
    assert SOME.first(name) is None
    assert SOME.first(name, b"x") == b"x"
    assert SOME.text(name) is None
    assert SOME.text(name, "x") == "x"
    assert SOME.tokens(name) == []
    assert name not in SOME


def test_a_missing_field_is_named_by_the_key_error() -> None:
    with pytest.raises(KeyError) as caught:
        SOME["X-Nope"]
    assert caught.value.args == ("X-Nope",)


def test_something_that_is_no_name_is_not_contained() -> None:
    name: object = 7
    assert name not in SOME


def test_iteration_gives_lower_case_names_once_each() -> None:
    assert list(SOME) == [b"host", b"x-one"]
    assert len(SOME) == 2
    assert dict(SOME) == {b"host": [b"a"], b"x-one": [b"1", b"2"]}


def test_raw_keeps_order_and_case() -> None:
    assert SOME.raw == [(b"Host", b"a"), (b"X-One", b"1"), (b"x-one", b"2")]


def test_from_raw_keeps_the_list_itself() -> None:
    raw = [(b"A", b"1")]
    assert Headers.from_raw(raw).raw is raw


def test_headers_of_headers_keep_order_and_case() -> None:
    class Mine(Headers):
        pass

    assert Headers(Mine(SOME)).raw == SOME.raw


def test_text_is_latin_1() -> None:
    assert Headers({"X": b"caf\xe9"}).text("x") == "caf\xe9"
    assert Headers({"X": "caf\xe9"}).first("x") == b"caf\xe9"


@pytest.mark.parametrize(
    ("other", "is_equal"),
    [
        (Headers([("HOST", "a"), ("X-ONE", "1"), ("X-ONE", "2")]), True),
        ({"host": "a", "X-One": ["1", "2"]}, True),
        ({b"Host": [b"a"], b"x-one": [b"1", b"2"]}, True),
        ({"host": "a", "x-one": ["2", "1"]}, False),
        ({"host": "a"}, False),
        ({"host": 7}, False),
        ({"host": "\u20ac"}, False),
        ([("host", "a")], False),
        (None, False),
    ],
)
def test_equality_ignores_the_case_of_names(other: object, is_equal: bool) -> None:
    assert (other == SOME) is is_equal
    assert (other != SOME) is not is_equal


def test_headers_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable type: 'Headers'"):
        hash(SOME)


def test_the_repr_shows_the_fields_as_they_came() -> None:
    assert repr(SOME) == "<Headers Host: a, X-One: 1, x-one: 2>"
    assert repr(Headers()) == "<Headers (none)>"


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        (["Keep-Alive, Upgrade"], ["keep-alive", "upgrade"]),
        (["a", "b , c"], ["a", "b", "c"]),
        ([", ,a,, b,"], ["a", "b"]),
        ([""], []),
        (["gzip;q=0.5,\tBR"], ["gzip;q=0.5", "br"]),
        (['a="x,y", b'], ['a="x,y"', "b"]),
        (['a="x\\",y", b'], ['a="x\\",y"', "b"]),
        (['a="x, b'], ['a="x', "b"]),
        (['"a,b","c,d"'], ['"a,b"', '"c,d"']),
        (['x, "a,b" , y'], ["x", '"a,b"', "y"]),
    ],
)
def test_tokens_are_the_lower_case_elements_of_a_list(values: list[str], tokens: list[str]) -> None:
    assert Headers({"X": values}).tokens("x") == tokens


@settings(max_examples=60)
@given(st.lists(st.text('a",\\ \t', max_size=12), max_size=4))
def test_tokens_never_lose_a_character_but_separators(values: list[str]) -> None:
    def squeeze(text: str) -> str:
        return "".join(text.split()).replace(",", "")

    headers = Headers({"X": values})
    assert squeeze("".join(headers.tokens("x"))) == squeeze("".join(values))


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ("Host: a", "headers must be a dict or a list of pairs, not 'Host: a'"),
        (7, "headers must be a dict or a list of pairs, not 7"),
        (
            ["Host: a"],
            "headers must be a dict or a list of (name, value) pairs; it holds 'Host: a'",
        ),
        (
            [("a", "b", "c")],
            "headers must be a dict or a list of (name, value) pairs; it holds ('a', 'b', 'c')",
        ),
        ({"X-Age": 7}, "header 'X-Age': its value is int, expected str or bytes"),
        ({"X-Age": None}, "header 'X-Age': its value is NoneType, expected str or bytes"),
        ({"X-Age": ["1", 2]}, "header 'X-Age': its value is int, expected str or bytes"),
        ({7: "x"}, "header 7: its name is int, expected str or bytes"),
    ],
)
def test_a_wrong_type_is_refused(items: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        Headers(items)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("items", "what"),
    [({"X-Price": "5 \u20ac"}, "value '5 \u20ac'"), ({"X-\u20ac": "5"}, "name 'X-\u20ac'")],
)
def test_text_outside_latin_1_is_refused(items: dict[str, str], what: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Headers(items)
    name = next(iter(items))
    assert str(caught.value) == (
        f"header {name!r}: its {what} does not fit into latin-1; "
        "give it as bytes in the encoding that the peer expects"
    )


@pytest.mark.parametrize("octet", [*range(9), *range(10, 32), 127])
def test_a_control_character_in_a_value_is_refused(octet: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        check_fields(Headers({"X-Good": "1", "X-Bad": b"ab" + bytes([octet]) + b"c"}))
    assert str(caught.value) == (
        f"header X-Bad holds the control character {bytes([octet])!r} at index 2 of its value; "
        "only a tab is allowed"
    )


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\0", "(a)", "caf\xe9", 'a"'])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        check_fields(Headers({name: "x"}))
    raw = name.encode("latin-1")
    assert str(caught.value) == f"header name {raw!r} is not a token (RFC 9110 section 5.6.2)"


def test_every_token_character_and_obs_text_can_be_sent() -> None:
    name = "!#$%&'*+-.^_`|~09azAZ"
    headers = Headers({name: b"\t caf\xe9 ~"})
    check_fields(headers)
    assert headers.raw == [(name.encode(), b"\t caf\xe9 ~")]


names = st.binary(min_size=1, max_size=6)


@settings(max_examples=60)
@given(st.lists(st.tuples(names, st.binary(max_size=6)), max_size=8))
def test_a_lookup_finds_what_a_scan_finds(raw: list[tuple[bytes, bytes]]) -> None:
    headers = Headers.from_raw(raw)
    for name, _ in raw:
        expected = [value for other, value in raw if other.lower() == name.lower()]
        assert headers[name.upper()] == expected
        assert headers[name.decode("latin-1")] == expected
    assert sum(len(values) for values in headers.values()) == len(raw)
