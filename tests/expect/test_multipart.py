from __future__ import annotations

from typing import Any

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import BodyError
from kit.expect.multipart import MAX_PARTS, Part, parse_multipart

TYPE = 'multipart/form-data; boundary="b"'


def body_of(*pieces: bytes) -> bytes:
    return b"".join(b"--b\r\n" + piece + b"\r\n" for piece in pieces) + b"--b--\r\n"


def field(name: str, content: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content


def test_fields_and_files_are_told_apart() -> None:
    upload = (
        b'content-disposition: form-data; name="f"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00\xff"
    )
    assert parse_multipart(TYPE, body_of(field("a", b"1"), upload)) == [
        Part("a", None, "", b"1"),
        Part("f", "a.png", "image/png", b"\x89PNG\r\n\x00\xff"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b" --b",
        b"\r\n--bb\r\n",
        b"\n--b\n",
        b"a\rb\nc",
        bytes(range(256)),
    ],
)
def test_the_content_is_given_byte_for_byte(content: bytes) -> None:
    parts = parse_multipart(TYPE, body_of(field("a", content), field("b", b"2")))
    assert [part.content for part in parts] == [content, b"2"]


def test_a_preamble_an_epilogue_and_blanks_behind_a_boundary_are_ignored() -> None:
    body = b"hello\r\n--b \t\r\n" + field("a", b"1") + b"\r\n--b--  \r\nbye\r\n--b\r\n"
    assert [part.name for part in parse_multipart(TYPE, body)] == ["a"]


def test_the_last_line_break_may_be_missing() -> None:
    body = b"--b\r\n" + field("a", b"1") + b"\r\n--b--"
    assert parse_multipart(TYPE, body) == [Part("a", None, "", b"1")]


def test_names_may_be_utf_8_or_encoded() -> None:
    plain = 'Content-Disposition: form-data; name="grün"; filename="ü.txt"\r\n\r\n'.encode()
    extended = b"Content-Disposition: form-data; name=x; filename*=UTF-8''%C3%BC.txt\r\n\r\n"
    assert [
        (each.name, each.filename) for each in parse_multipart(TYPE, body_of(plain, extended))
    ] == [
        ("grün", "ü.txt"),
        ("x", "ü.txt"),
    ]


def test_a_message_as_a_file_is_not_taken_apart() -> None:
    mail = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nhi\r\n--c--\r\n"
    head = (
        b'Content-Disposition: form-data; name=m; filename="m.eml"\r\nContent-Type: message/rfc822'
    )
    (part,) = parse_multipart(TYPE, body_of(head + b"\r\n\r\n" + mail))
    assert part == Part("m", "m.eml", "message/rfc822", mail)


def test_an_empty_form_has_no_parts() -> None:
    assert parse_multipart(TYPE, b"--b--\r\n") == []


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/plain", b"", "the body is text/plain, expected multipart/form-data"),
        ("", b"", "the body is of no stated type, expected multipart/form-data"),
        ("multipart/form-data", b"", "the Content-Type multipart/form-data has no boundary"),
        (TYPE, b"abc", "the body holds no boundary 'b'"),
        (
            TYPE,
            b"--b\r\n" + field("a", b"1"),
            "the multipart body is cut off: its last boundary is missing",
        ),
        (
            TYPE,
            body_of(b"abc"),
            "a part of the multipart body has no empty line behind its head",
        ),
        (
            TYPE,
            body_of(b"X: 1\r\n\r\nabc"),
            "a part of the multipart body has no name in its Content-Disposition",
        ),
        (
            TYPE,
            body_of(*[field("a", b"")] * (MAX_PARTS + 1)),
            "the multipart body has more than 1000 parts",
        ),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, body: bytes, message: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_multipart(content_type, body)
    assert str(caught.value) == message


def test_as_many_parts_as_allowed_are_taken() -> None:
    assert len(parse_multipart(TYPE, body_of(*[field("a", b"")] * MAX_PARTS))) == MAX_PARTS


NAMES = st.text(
    st.characters(min_codepoint=33, exclude_characters='"\\%', categories=["L", "N"]), min_size=1
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=50), st.none() | NAMES), max_size=4))
@settings(max_examples=50)
def test_what_urllib3_writes_is_read(fields: list[tuple[str, bytes, Any]]) -> None:
    given_fields = [
        (name, content if filename is None else (filename, content, "x/y"))
        for name, content, filename in fields
    ]
    body, content_type = urllib3.encode_multipart_formdata(given_fields)
    if fields:
        assert [
            (part.name, part.content, part.filename) for part in parse_multipart(content_type, body)
        ] == fields


HOSTILE = st.lists(
    st.sampled_from(
        [
            b"--b",
            b"--",
            b"\r\n",
            b"\n",
            b":",
            b"Content-Disposition: form-data; name=",
            b"a",
            b"*=UTF-8''%ff",
            b"*0=",
            b'"',
            b";",
            b"\x00",
            b"\xff",
            b" ",
        ]
    ),
    max_size=20,
).map(b"".join)


@given(
    HOSTILE,
    st.sampled_from(
        [TYPE, "multipart/form-data; boundary*=x''%ff", "multipart/form-data;boundary=é"]
    ),
)
@settings(max_examples=300)
def test_hostile_bytes_raise_nothing_else(body: bytes, content_type: str) -> None:
    try:
        parts = parse_multipart(content_type, body)
    except BodyError:
        return
    assert sum(len(part.content) for part in parts) <= len(body)


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_a_hostile_content_type_raises_nothing_else(tail: str) -> None:
    with pytest.raises(BodyError):
        parse_multipart(f"multipart/form-data;{tail}", b"x")
