"""The random boundaries of forms are the same in each recording."""

from __future__ import annotations

import pytest

from kit.expect.multipart import parse_multipart
from kit.record.boundaries import BOUNDARY, settle_boundary
from kit.record.entry import RecordedRequest


def make_form(boundary: str, content: bytes = b"1", kind: str = "") -> RecordedRequest:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n'.encode()
    body = head + content + f"\r\n--{boundary}--\r\n".encode()
    stated = kind or f"multipart/form-data; boundary={boundary}"
    fields = ((b"Content-Type", stated.encode()), (b"content-length", b"%d" % len(body)))
    return RecordedRequest(
        method="POST",
        url="http://h/",
        headers=fields,
        headers_size=10 + len(boundary),
        body=body,
        body_size=len(body),
    )


@pytest.mark.parametrize("boundary", ["x", "d41d8cd98f00b204e9800998ecf8427e", "a.b(c)+d"])
def test_forms_that_differ_in_their_boundary_are_the_same(boundary: str) -> None:
    quoted = f'multipart/form-data; boundary="{boundary}"'
    settled = settle_boundary(make_form(boundary, kind=quoted))
    assert settled == settle_boundary(make_form("another"))
    assert settled.content_type == f'multipart/form-data; boundary="{BOUNDARY}"'
    (part,) = parse_multipart(settled.content_type, settled.body)
    assert (part.name, part.content) == ("a", b"1")
    assert settled.fields.text("content-length") == str(len(settled.body)) == str(settled.body_size)


def test_a_settled_form_stays_as_it_is() -> None:
    settled = settle_boundary(make_form("x"))
    assert settle_boundary(settled) is settled


def test_a_form_that_holds_the_boundary_gets_another_one() -> None:
    content = f"\r\n--{BOUNDARY}\r\n".encode()
    settled = settle_boundary(make_form("x", content))
    assert settled.content_type.endswith(f'boundary="{BOUNDARY}-2"')
    (part,) = parse_multipart(settled.content_type, settled.body)
    assert part.content == content
    assert settle_boundary(settled) is settled


def test_a_form_that_holds_them_all_stays_as_it_is() -> None:
    names = [BOUNDARY, *(f"{BOUNDARY}-{number}" for number in range(2, 100))]
    form = make_form("x", "".join(f"\r\n--{name}" for name in names).encode())
    assert settle_boundary(form) is form


@pytest.mark.parametrize(
    "form",
    [
        make_form("x", kind="multipart/mixed; boundary=x"),
        make_form("x", kind="multipart/form-data"),
        make_form("x", kind="multipart/form-data; boundary=y"),
        make_form("x", kind="text/plain"),
    ],
)
def test_what_is_no_whole_form_stays_as_it_is(form: RecordedRequest) -> None:
    assert settle_boundary(form) is form
