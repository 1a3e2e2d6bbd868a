from __future__ import annotations

import base64
import gzip
import html
import json
import zlib
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.record import canary
from kit.record.canary import find_canary, forms_of

SECRET = 'canary/"4711" é+&<x>'
RAW = SECRET.encode()


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (f"before {SECRET} behind", "plain"),
        (b"before " + RAW, "plain"),
        (RAW.hex(), "hex"),
        (RAW.hex().upper(), "hex"),
        (f"/a?b={quote(SECRET, safe='')}&c", "percent-encoded"),
        (f"/a?b={quote_plus(SECRET)}", "percent-encoded"),
        ("".join(f"%{octet:02x}" for octet in RAW), "percent-encoded"),
        (json.dumps({"a": SECRET}), "JSON-escaped"),
        (json.dumps({"a": SECRET}, ensure_ascii=False), "JSON-escaped"),
        (json.dumps({"a": SECRET}).replace("/", "\\/").replace("<", "\\u003c"), "JSON-escaped"),
        (json.dumps(json.dumps({"a": SECRET})), "JSON-escaped"),
        (f"<p>{html.escape(SECRET)}</p>", "HTML-escaped"),
        (html.escape(SECRET).encode("ascii", "xmlcharrefreplace"), "HTML-escaped"),
        (base64.b64encode(RAW), "base64"),
        (base64.b64encode(b"user:" + RAW + b"!"), "base64"),
        (base64.b64encode(b"users:" + RAW), "base64"),
        (base64.encodebytes(b"x" * 50 + RAW + b"y" * 50), "base64"),
        (base64.urlsafe_b64encode(b"\xff" + RAW + b"\xff\xff"), "base64url"),
    ],
)
def test_a_secret_is_found_in_every_form(data: str | bytes, form: str) -> None:
    found = find_canary(SECRET, data)
    # Nothing in this one needs the characters in which both alphabets differ.
    assert found == form or (form, found) == ("base64url", "base64")


@pytest.mark.parametrize("secret", ["back\\slash\\\\es", "line\nline\tline", "\U0001f600 smiling"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_secret_is_found_in_json_and_in_json_that_is_text_in_json(
    secret: str, is_ascii: bool
) -> None:
    once = json.dumps({"a": secret}, ensure_ascii=is_ascii)
    assert find_canary(secret, once) in ("JSON-escaped", "plain")
    assert find_canary(secret, json.dumps(once, ensure_ascii=is_ascii)) in ("JSON-escaped", "plain")


def test_a_secret_that_is_no_text_is_found_as_it_is() -> None:
    secret = b"\xff\xfe\\secret"
    assert find_canary(secret, b'{"a": "' + secret + b'\\n"}') == "plain"
    assert find_canary(secret, b'{"a": "\\n"}') is None


def test_the_alphabet_of_urls_is_told_from_the_other() -> None:
    secret = b"\xfb\xff\xfe" * 4
    assert find_canary(secret, base64.urlsafe_b64encode(secret)) == "base64url"
    assert find_canary(secret, base64.b64encode(secret)) == "base64"


@pytest.mark.parametrize(
    "data",
    ["", "canary/4711", SECRET[:-1], SECRET[1:], base64.b64encode(RAW[:-3]), b"\xff%zz&amp\\u12"],
)
def test_what_is_not_there_is_not_found(data: str | bytes) -> None:
    assert find_canary(SECRET, data) is None


def test_a_short_canary_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_canary("1234567", "")
    assert str(caught.value) == (
        "a canary must have at least 8 bytes that are found nowhere else, this one has 7"
    )


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_base64_hides_no_secret_whatever_stands_around_it(
    secret: bytes, before: bytes, behind: bytes
) -> None:
    assert find_canary(secret, base64.b64encode(before + secret + behind)) is not None
    assert find_canary(secret, base64.urlsafe_b64encode(before + secret + behind)) is not None


@settings(deadline=None)
@given(st.text(min_size=8, max_size=30))
def test_every_usual_form_is_found_again(secret: str) -> None:
    raw = secret.encode("utf-8", "surrogatepass")
    for form in forms_of(secret):
        assert find_canary(raw, b"..." + form + b"...") is not None, form


NOISE = bytes(range(256)) * 700
GZIPPED, DEFLATED = gzip.compress(NOISE + RAW + NOISE), zlib.compress(b"[" + RAW + b"]")


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (GZIPPED, "plain, gzip"),
        (b"x\x1f\x8b\x08" + NOISE + GZIPPED + NOISE, "plain, gzip"),
        (GZIPPED[:-9], "plain, gzip"),
        (DEFLATED, "plain, deflate"),
        *((zlib.compress(RAW, level), "plain, deflate") for level in (1, 6, 9)),
        (b'"' + base64.b64encode(GZIPPED) + b'"', "plain, gzip"),
        (b'"' + base64.urlsafe_b64encode(GZIPPED).rstrip(b"=") + b'"', "plain, gzip"),
        (b'"H4sIAAAAAAAAAAAA", "' + base64.b64encode(DEFLATED) + b'"', "plain, deflate"),
        (gzip.compress(json.dumps({"a": SECRET}).encode()), "JSON-escaped, gzip"),
        (gzip.compress(b"harmless"), None),
    ],
)
def test_a_secret_is_found_in_what_is_packed(data: bytes, form: str | None) -> None:
    assert find_canary(SECRET, data) == form


def test_only_so_much_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "UNPACKED_BYTES", 100_000)
    assert find_canary(SECRET, gzip.compress(bytes(100_000) + RAW)) is None
    assert find_canary(SECRET, gzip.compress(bytes(90_000) + RAW)) == "plain, gzip"
