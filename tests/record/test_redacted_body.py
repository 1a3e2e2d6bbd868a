from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.record.redacted_body import redact_body
from kit.record.rules import Rules
from kit.record.sensitive import Secrets

RULES = Rules(names=(), keep=(), patterns=(), functions=(), placeholder="REDACTED", is_default=True)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=cut"


def redact(body: bytes, content_type: str = "", secrets: Secrets | None = None) -> bytes:
    secrets = Secrets("REDACTED") if secrets is None else secrets
    return redact_body(body, content_type, RULES, secrets)


@pytest.mark.parametrize(
    ("given", "redacted"),
    [
        ({"token": "a", "b": "c"}, {"token": "REDACTED", "b": "c"}),
        ({"a": [{"b": {"password": "x"}}]}, {"a": [{"b": {"password": "REDACTED"}}]}),
        ({"pin": 1, "session": 12345}, {"pin": 1, "session": "REDACTED"}),
        (
            {"token": None, "secret": "", "password": True},
            {"token": None, "secret": "", "password": True},
        ),
        (
            {"secret": {"a": ["x", 3, None], "b": {}}},
            {"secret": {"a": ["REDACTED", "REDACTED", None], "b": {}}},
        ),
        ([{"apiKey": "é\u2028"}], [{"apiKey": "REDACTED"}]),
        ({"inner": '{"token": "x"}'}, {"inner": '{"token":"REDACTED"}'}),
        ({"inner": '{"token": "x"'}, {"inner": '{"token": "REDACTED"'}),
        (["token", "x"], ["token", "REDACTED"]),
        (["a", "x", "token"], ["a", "x", "token"]),
        (
            [{"name": "X-Api-Key", "value": "x"}, {"key": "a", "value": "x"}],
            [{"name": "X-Api-Key", "value": "REDACTED"}, {"key": "a", "value": "x"}],
        ),
        ({"Cookie": "a=b; c=d"}, {"Cookie": "a=REDACTED; c=REDACTED"}),
    ],
)
def test_json_is_redacted_at_any_depth(given: object, redacted: object) -> None:
    body = redact(json.dumps(given).encode(), JSON)
    assert json.loads(body) == redacted


@pytest.mark.parametrize(
    ("given", "redacted"),
    [
        (
            "https://x.test/?page=2&access_token=abc#id_token=d",
            "https://x.test/?page=2&access_token=REDACTED#id_token=REDACTED",
        ),
        (
            "https://s3.test/a?X-Amz-Credential=AK%2F1&X-Amz-Signature=ab12&X-Amz-Date=1",
            "https://s3.test/a?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Date=1",
        ),
        ("/next?api%5Fkey=abc", "/next?api%5Fkey=REDACTED"),
        ("see https://u:p@x.test/ there", "see https://u:REDACTED@x.test/ there"),
        ("Authorization: Bearer abc", "Authorization: Bearer REDACTED"),
        ("line\nX-Api-Key: abc\nend", "line\nX-Api-Key: REDACTED\nend"),
        ("12:30, at a=b", "12:30, at a=b"),
        ("the token is not valid", "the token is not valid"),
    ],
)
def test_texts_in_json_are_redacted(given: str, redacted: str) -> None:
    body = redact(json.dumps({"a": [{"text": given}]}).encode(), JSON)
    assert json.loads(body) == {"a": [{"text": redacted}]}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{ "a" : 1.0 }', JSON),
        (b"name=Ada+L&name=%C3%A9", FORM),
        (b"\x00\xff" * 9, "application/octet-stream"),
        (b"plain words: nothing", "text/plain"),
        (b"data: {\n\n", "text/event-stream"),
        (b"this.a({token:t1234567890abcdefgh, b: 1})", "text/javascript"),
        (b"token: t1234567890abcdefgh", "text/html; charset=utf-8"),
        (b"", JSON),
    ],
)
def test_what_holds_no_secret_is_the_same_object(body: bytes, content_type: str) -> None:
    assert redact(body, content_type) is body


@pytest.mark.parametrize(
    ("body", "content_type", "redacted"),
    [
        (b"a=1&password=p+%26+q&b", FORM, b"a=1&password=REDACTED&b"),
        (b'{"token": "abc", "a": "b', JSON, b'{"token": "REDACTED", "a": "b'),
        (b'{"a": "b", "token": "abc', JSON, b'{"a": "b", "token": "REDACTED'),
        (b'{"session": 123, "a": tru', JSON, b'{"session": REDACTED, "a": tru'),
        (
            b'{"token": "a"}\n{"b": 1}\n',
            "application/x-ndjson",
            b'{"token":"REDACTED"}\n{"b": 1}\n',
        ),
        (
            b'id: 1\ndata: {"token": "a"}\r\n\ndata: {"b": 1}\n\n',
            "text/event-stream",
            b'id: 1\ndata: {"token":"REDACTED"}\r\n\ndata: {"b": 1}\n\n',
        ),
        (
            b"<a><password x='1'>p</password></a>",
            "text/xml",
            b"<a><password x='1'>REDACTED</password></a>",
        ),
        (
            b'fetch({password: "p", sku: "s"})',
            "text/html",
            b'fetch({password: "REDACTED", sku: "s"})',
        ),
        (b"curl 'http://a/?token=abc&b=c'", "text/plain", b"curl 'http://a/?token=REDACTED&b=c'"),
        (b"Authorization: Bearer abcdefgh.1", "text/plain", b"Authorization: Bearer REDACTED"),
        (b'"{\\"token\\":\\"abc\\"}"', "text/plain", b'"{\\"token\\":\\"REDACTED\\"}"'),
        (b"\xff {'token': 'abc'}", "text/plain", b"\xff {'token': 'REDACTED'}"),
        (b"token: abc", "", b"token: REDACTED"),
        (b"CONNECT\npasscode:guest\n\n\0", "", b"CONNECT\npasscode:REDACTED\n\n\0"),
        (b'<login token="a b"/>', "", b'<login token="REDACTED"/>'),
        (b'42["token","abc"]', "", b'42["token","REDACTED"]'),
        (b'["token","abc"]', "", b'["token","REDACTED"]'),
        (b'{"token": "a"}', "", b'{"token":"REDACTED"}'),
        (b'{"token": "a"}', "application/octet-stream", b'{"token":"REDACTED"}'),
    ],
)
def test_other_bodies_are_redacted_by_kind_or_by_looks(
    body: bytes, content_type: str, redacted: bytes
) -> None:
    assert redact(body, content_type) == redacted


def test_messagepack_is_redacted() -> None:
    body = msgspec.msgpack.encode({"a": [1, {"token": "x"}], "b": b"\xff"})
    redacted = msgspec.msgpack.decode(redact(body, "application/vnd.msgpack"))
    assert redacted == {"a": [1, {"token": "REDACTED"}], "b": b"\xff"}


def test_bytes_that_are_no_messagepack_are_left() -> None:
    assert redact(b"\xc1\xc1", "application/msgpack") == b"\xc1\xc1"


MULTIPART_BODY = (
    b"preamble\r\n"
    b'--cut\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="password"\r\n\r\nhello\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n'
    b'\r\n{"token": "x"}\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="secret"; filename="f"\r\n\r\n\xff\x00\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="g"\r\n\r\n\xff\x00\r\n'
    b"--cut--\r\nepilogue"
)


def test_multipart_fields_are_redacted_in_place() -> None:
    expected = (
        MULTIPART_BODY.replace(b'"password"\r\n\r\nhello', b'"password"\r\n\r\nREDACTED')
        .replace(b'{"token": "x"}', b'{"token":"REDACTED"}')
        .replace(b'filename="f"\r\n\r\n\xff\x00', b'filename="f"\r\n\r\nREDACTED')
    )
    assert redact(MULTIPART_BODY, MULTIPART) == expected


def test_what_stands_before_the_first_part_is_taken_for_none() -> None:
    part = b'--cut\r\nContent-Disposition: form-data; name="otp"\r\n\r\n1234\r\n--cut--\r\n'
    body = b"\r\n\r\n1234\r\n--\r\n" + part
    assert redact(body, MULTIPART) == b"\r\n\r\n1234\r\n--\r\n" + part.replace(b"1234", b"REDACTED")


KINDS = [JSON, FORM, MULTIPART, "text/plain", "text/event-stream", "application/msgpack", "x/y", ""]
PIECES = st.sampled_from(
    [
        *(b'{"', b'token":', b'"a', b'"}', b"\n", b"\r\n", b"--cut", b"--", b"data: ", b"=", b"&"),
        *(b"%", b"password=", b"Content-Disposition: form-data; name=token", b"\r\n\r\n", b"\xff"),
        *(b"\\", b"Bearer ", b"abcdefgh", b"<secret>", b"</"),
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=60), st.sampled_from(KINDS))
def test_no_body_is_too_odd_to_be_redacted(body: bytes, content_type: str) -> None:
    once = redact(body, content_type)
    assert redact(once, content_type) == once


def test_a_multipart_body_that_is_cut_off_is_redacted_as_text() -> None:
    assert redact(b'--cut\r\n\r\n{"token": "abc"', MULTIPART) == (
        b'--cut\r\n\r\n{"token": "REDACTED"'
    )


@pytest.mark.parametrize(
    "body",
    [b'{"a":' * 50_000, b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 150 + b"1" + b"}" * 150],
)
def test_deep_json_is_redacted_as_text(body: bytes) -> None:
    assert redact(body, JSON) == body
    assert redact(body + b',"token": "abc"', JSON) == body + b',"token": "REDACTED"'


@pytest.mark.parametrize(
    "text",
    ["a", '"', "\\", "<a ", 'password:"', "a b ", "a=", "Bearer ", "x:", "<a>x"],
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    # What is not linear takes hours with so much, not the deadline of a test.
    body = text.encode() * (1_000_000 // len(text))
    assert len(redact(body, "text/plain")) >= 0


def test_what_was_redacted_is_learned() -> None:
    secrets = Secrets("REDACTED")
    redact(b'{"token": "tok-1234", "inner": "{\\"secret\\": \\"sec-1234\\"}"}', JSON, secrets)
    redact(b"password=pass+1234", FORM, secrets)
    assert secrets.find_in(b"tok-1234") == [b"tok-1234"]
    assert secrets.find_in(b"sec-1234") == [b"sec-1234"]
    assert secrets.find_in(b"pass 1234") == [b"pass 1234"]
