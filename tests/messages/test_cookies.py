from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import freezegun
import pytest
from hypothesis import given, strategies

from kit.errors import ConfigurationError, LocalProtocolError
from kit.headers import Headers
from kit.messages import ErrorResponse, JsonResponse, Response
from kit.messages.cookies import parse_cookies

MOMENT = "2031-04-05 06:07:08"
MOMENT_S = 1933135628


def lines_of(response: Response) -> list[bytes]:
    return response.headers.get(b"set-cookie", [])


def set_one(*given: Any, **options: Any) -> str:
    response = Response("ok")
    response.set_cookie(*given, **options)
    [line] = lines_of(response)
    return line.decode("ascii")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "sid=1; Path=/"),
        ({"path": None}, "sid=1"),
        ({"path": "/a b/c,d"}, "sid=1; Path=/a b/c,d"),
        ({"domain": "example.com"}, "sid=1; Domain=example.com; Path=/"),
        ({"domain": ".example.com", "path": None}, "sid=1; Domain=.example.com"),
        ({"secure": True}, "sid=1; Path=/; Secure"),
        ({"httponly": True}, "sid=1; Path=/; HttpOnly"),
        ({"samesite": "lax"}, "sid=1; Path=/; SameSite=Lax"),
        ({"samesite": "None", "secure": True}, "sid=1; Path=/; Secure; SameSite=None"),
        (
            {"max_age": 60},
            "sid=1; Max-Age=60; Expires=Sat, 05 Apr 2031 06:08:08 GMT; Path=/",
        ),
        (
            {"max_age": 0},
            "sid=1; Max-Age=0; Expires=Sat, 05 Apr 2031 06:07:08 GMT; Path=/",
        ),
        ({"expires": 0}, "sid=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),
        ({"expires": MOMENT_S + 0.9}, "sid=1; Expires=Sat, 05 Apr 2031 06:07:08 GMT; Path=/"),
        (
            {"max_age": 60, "expires": 0},
            "sid=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
        ),
        (
            {"max_age": 253_402_300_799},
            "sid=1; Max-Age=253402300799; Expires=Fri, 31 Dec 9999 23:59:59 GMT; Path=/",
        ),
    ],
)
@freezegun.freeze_time(MOMENT)
def test_a_cookie_is_written_with_its_attributes(options: dict[str, Any], line: str) -> None:
    assert set_one("sid", "1", **options) == line


@pytest.mark.parametrize(
    ("expires", "text"),
    [
        (dt.datetime(2031, 4, 5, 6, 7, 8, tzinfo=dt.UTC), "Sat, 05 Apr 2031 06:07:08 GMT"),
        (
            dt.datetime(2031, 4, 5, 6, 7, 8, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "Sat, 05 Apr 2031 04:07:08 GMT",
        ),
        (dt.datetime.max.replace(tzinfo=dt.UTC), "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_an_expiry_may_be_a_datetime_with_a_time_zone(expires: dt.datetime, text: str) -> None:
    assert set_one("sid", "1", expires=expires) == f"sid=1; Expires={text}; Path=/"


def test_an_expiry_may_be_a_datetime_of_the_frozen_clock() -> None:
    with freezegun.freeze_time(MOMENT):
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        line = set_one("sid", expires=expires)
    assert line == "sid=; Expires=Sun, 06 Apr 2031 06:07:08 GMT; Path=/"
    assert set_one("sid", expires=expires) == line


def test_the_expiry_of_a_max_age_follows_a_clock_that_is_moved() -> None:
    with freezegun.freeze_time(MOMENT) as clock:
        clock.tick(3600)
        assert "Max-Age=60; Expires=Sat, 05 Apr 2031 07:08:08 GMT;" in set_one("a", max_age=60)


def test_several_cookies_are_several_fields_in_order() -> None:
    response = Response("ok", headers={"X-A": "b", "Set-Cookie": "first=0"})
    response.set_cookie("second", "1")
    response.set_cookie("second", "2", path="/deep")
    assert lines_of(response) == [b"first=0", b"second=1; Path=/", b"second=2; Path=/deep"]
    assert response.headers.first("X-A") == b"b"
    assert [name for name, _ in response.encode().raw_headers] == [
        b"X-A",
        *[b"Set-Cookie"] * 3,
        b"Content-Type",
    ]


def test_a_cookie_is_of_one_response_and_not_of_another_with_the_same_headers() -> None:
    headers = Headers({"X-A": "b"})
    bare, one, other = Response(), Response(headers=headers), Response(headers=headers)
    Response().set_cookie("a")
    one.set_cookie("a")
    assert lines_of(one) == [b"a=; Path=/"]
    assert lines_of(other) == lines_of(bare) == lines_of(Response()) == []


@pytest.mark.parametrize(
    "make", [lambda: JsonResponse({"a": 1}), lambda: ErrorResponse("no", 401), Response]
)
def test_every_kind_of_response_takes_cookies(make: Callable[[], Response]) -> None:
    response = make()
    response.set_cookie("sid", "1")
    assert (b"Set-Cookie", b"sid=1; Path=/") in response.encode().raw_headers


@pytest.mark.parametrize(
    ("options", "rest"),
    [
        ({}, "Path=/"),
        ({"path": "/a", "domain": "example.com"}, "Domain=example.com; Path=/a"),
        ({"path": None}, ""),
        ({"secure": True}, "Path=/; Secure"),
    ],
)
def test_a_cookie_is_deleted_by_one_that_is_over(options: dict[str, Any], rest: str) -> None:
    response = Response()
    response.delete_cookie("__Host-sid", **options)
    expected = "__Host-sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    assert lines_of(response) == [f"{expected}; {rest}".removesuffix("; ").encode()]


@pytest.mark.parametrize(
    "value", ["", "abc", "a=b=c", "!#$%&'()*+-./:<=>?@[]^_`{|}~", '""', '"quoted"', "%C3%A9"]
)
def test_a_value_of_cookie_octets_is_written_as_it_is(value: str) -> None:
    assert set_one("sid", value) == f"sid={value}; Path=/"


@pytest.mark.parametrize(
    ("value", "octet", "at"),
    [
        ("a b", " ", 1),
        ("a;b", ";", 1),
        ("a,b", ",", 1),
        ("\\", "\\", 0),
        ('"', '"', 0),
        ('a"', '"', 1),
        ('"a"b"', '"', 2),
        ('"a;b"', ";", 2),
        ("1\r\nSet-Cookie: evil=1", "\r", 1),
        ("1\n", "\n", 1),
        ("\0", "\0", 0),
        ("\x7f", "\x7f", 0),
        ("caf\u00e9", "\u00e9", 3),
    ],
)
def test_a_value_of_anything_else_is_refused(value: str, octet: str, at: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Response().set_cookie("sid", value)
    assert str(caught.value) == (
        f"cookie sid: its value cannot hold {octet!r}, at index {at}: "
        "encode it first, for example with urllib.parse.quote"
    )


@given(strategies.lists(strategies.text(max_size=20), min_size=4, max_size=4))
def test_nothing_that_is_given_adds_a_line_or_an_attribute(texts: list[str]) -> None:
    name, value, path, domain = texts
    response = Response()
    try:
        response.set_cookie(name, value, path=f"/{path}", domain=domain)
    except LocalProtocolError:
        return
    [line] = lines_of(response)
    assert line.isascii()
    assert line.decode().isprintable()
    assert line.decode().split("; ") == [f"{name}={value}", f"Domain={domain}", f"Path=/{path}"]


@pytest.mark.parametrize("name", ["", "a b", "a=", "a;", "\u00e9", "a\n", "a\r\nX: y", b"a", None])
def test_a_name_that_is_no_token_is_refused(name: Any) -> None:
    response = Response()
    with pytest.raises(LocalProtocolError) as caught:
        response.set_cookie(name, "1")
    assert str(caught.value) == f"cookie name {name!r} is not a token (RFC 9110 section 5.6.2)"
    assert lines_of(response) == []


NO_ZONE = (
    "cookie a: expires 2031-04-05 06:07:08 has no time zone: give it one, such as datetime.UTC"
)
PATH = (
    "cookie a: path {!r} cannot be sent: it begins with a slash, and holds printable ASCII "
    "without a semicolon"
)
DOMAIN = "cookie a: domain {!r} is not the name of a host in ASCII, for example example.com"
MAX_AGE = "cookie a: max_age must be a whole number of seconds from 0 to 253402300799, not {!r}"
EXPIRES = (
    "cookie a: expires must be a datetime, or POSIX seconds, in the years 1970 to 9999, not {!r}"
)
SAME_SITE = 'cookie a: samesite must be "Strict", "Lax" or "None", not {!r}'


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        *[("path", path, PATH) for path in ("", "a", "/a;b", "/\r\n", "/a\n", "/\u00e9", 3)],
        *[
            ("domain", domain, DOMAIN)
            for domain in ("", ".", "a b", "a;b", "a.test\r\n", "-a", "a-", "b\u00fccher.test", 3)
        ],
        *[("max_age", age, MAX_AGE) for age in (-1, 1.5, True, "60", 253_402_300_800, 10**400)],
        *[
            ("expires", at, EXPIRES)
            for at in (-1, 253_402_300_800, math.inf, True, "tomorrow", dt.date(2031, 4, 5))
        ],
        *[("samesite", value, SAME_SITE) for value in ("", "Lax; Secure", "\u017ftrict", True, 3)],
    ],
)
def test_an_argument_that_cannot_work_is_refused(argument: str, value: Any, message: str) -> None:
    response = Response()
    expected = LocalProtocolError if argument in {"path", "domain"} else ConfigurationError
    with pytest.raises(expected) as caught:
        response.set_cookie("a", **{argument: value})
    assert str(caught.value) == message.format(value)
    assert lines_of(response) == []


def test_an_expiry_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Response().set_cookie("a", expires=dt.datetime(2031, 4, 5, 6, 7, 8))
    assert str(caught.value) == NO_ZONE


def test_an_expiry_before_1970_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="in the years 1970 to 9999, not datetime"):
        Response().set_cookie("a", expires=dt.datetime(1969, 12, 31, tzinfo=dt.UTC))


def test_an_expiry_that_is_no_number_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not nan"):
        Response().set_cookie("a", expires=math.nan)


def test_a_value_that_is_no_text_is_refused() -> None:
    value: Any = 7
    with pytest.raises(LocalProtocolError) as caught:
        Response().set_cookie("sid", value)
    assert str(caught.value) == "cookie sid: its value is int, expected str"


@pytest.mark.parametrize(
    ("field", "pairs"),
    [
        ("", []),
        ("a=1; b=2", [("a", "1"), ("b", "2")]),
        ("a=1;b=2; ", [("a", "1"), ("b", "2")]),
        (" a = 1 ;\tb=2\t", [("a", "1"), ("b", "2")]),
        ("a=1; a=2", [("a", "1"), ("a", "2")]),
        ("a=b=c; d=", [("a", "b=c"), ("d", "")]),
        ('a="x y"; b=""; c="; d=x"', [("a", "x y"), ("b", ""), ("c", '"'), ("d", 'x"')]),
        ("flag; =x; $Version=1", [("$Version", "1")]),
        ("a=1, b=2", [("a", "1, b=2")]),
        ("a=%3B%20", [("a", "%3B%20")]),
    ],
)
def test_a_cookie_field_is_read_pair_by_pair(field: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_cookies(field) == pairs
