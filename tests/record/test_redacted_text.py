from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.clock import monotonic
from kit.record.redacted_text import redact_head, redact_looks, redact_prose, redact_string
from kit.record.rules import Rules
from kit.record.sensitive import Secrets
from support.deadlines import scaled


def make_rules(*, keep: tuple[str, ...] = (), is_default: bool = True) -> Rules:
    return Rules(
        names=["tenant"] if not is_default else (),
        keep=keep,
        patterns=(),
        functions=(),
        placeholder="REDACTED",
        is_default=is_default,
    )


RULES = make_rules()
LONG = "abcdefghijklmnop"


@pytest.mark.parametrize(
    ("line", "redacted"),
    [
        ("token: abc", "token: REDACTED"),
        ("  - api_key: abc\r", "  - api_key: REDACTED\r"),
        ("passcode:guest", "passcode:REDACTED"),
        ("> X-Api-Key: a b", "> X-Api-Key: REDACTED"),
        ("Authorization: Bearer abc", "Authorization: Bearer REDACTED"),
        ("Authorization: abc", "Authorization: REDACTED"),
        ("Cookie: a=b; c=d", "Cookie: a=REDACTED; c=REDACTED"),
        ("Set-Cookie: a=b; Path=/", "Set-Cookie: a=REDACTED; Path=/"),
        ("curl -H 'X-Api-Key: abc' -H 'Accept: a'", "curl -H 'X-Api-Key: REDACTED' -H 'Accept: a'"),
        ("curl -H 'Cookie: a=b; c=d'", "curl -H 'Cookie: a=REDACTED; c=REDACTED'"),
        ("sent Authorization: Token abc, ok", "sent Authorization: Token REDACTED, ok"),
        ("user 1, token: abc123.", "user 1, token: REDACTED"),
        (f"and token: {LONG}", "and token: REDACTED"),
        ("see ftp://u:p@x.test/a", "see ftp://u:REDACTED@x.test/a"),
        ("<wsse:Password>abc</wsse:Password>", "<wsse:Password>REDACTED</wsse:Password>"),
        (
            '<input name="csrf_token" type="hidden" value="abc">',
            '<input name="csrf_token" type="hidden" value="REDACTED">',
        ),
        ("token = 'abc'", "token = 'REDACTED'"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(line: str, redacted: str) -> None:
    assert redact_prose(line, RULES, Secrets("REDACTED")) == redacted
    assert redact_prose(redacted, RULES, Secrets("REDACTED")) == redacted


@pytest.mark.parametrize(
    "line",
    [
        "Password: must not be empty",
        "token: required",
        "    password: string;",
        "  password: $password",
        "invalid token: it has ended",
        "a token: abc",
        "http://auth:8080/a",
        "token: {",
        "name: Ada",
        "no secret at all",
    ],
)
def test_what_is_no_secret_is_left(line: str) -> None:
    assert redact_prose(line, RULES, Secrets("REDACTED")) == line


def test_values_behind_a_colon_are_learned_if_they_are_no_ordinary_words() -> None:
    secrets = Secrets("REDACTED")
    redact_prose("token: ordinary", RULES, secrets)
    assert secrets.find_near(b"ordinary") == []
    redact_prose("token: abc-12345", RULES, secrets)
    assert secrets.find_in(b"see abc-12345") == [b"abc-12345"]


def test_credentials_behind_a_name_and_an_equals_sign_go_with_their_scheme() -> None:
    for redact in (redact_looks, redact_prose):
        redacted = redact("authorization=Bearer abcdefgh1", RULES, Secrets("REDACTED"))
        assert redacted == "authorization=REDACTED REDACTED"


def test_names_that_are_kept_are_kept_in_texts() -> None:
    rules = make_rules(keep=("token", "Cookie", "Authorization", "Bearer"))
    for line in ("token: abc", "Cookie: a=b", "Authorization: abc", "Bearer abcdefgh1"):
        assert redact_prose(line, rules, Secrets("REDACTED")) == line


def test_without_the_defaults_the_given_names_count_in_texts() -> None:
    rules, secrets = make_rules(is_default=False), Secrets("REDACTED")
    assert redact_prose("tenant: a", rules, secrets) == "tenant: REDACTED"
    assert redact_prose("token: a Bearer abcdefgh1 h://u:p@x", rules, secrets) == (
        "token: a Bearer abcdefgh1 h://u:p@x"
    )


HEADS = [
    (
        "GET /a?token=abc&b=c HTP/1.1\r\nAuthorization: Basic eDp5\r\nCookie: a=b\r\n\r\n",
        (
            "GET /a?token=REDACTED&b=c HTP/1.1\r\nAuthorization: Basic REDACTED\r\n"
            "Cookie: a=REDACTED\r\n\r\n"
        ),
    ),
    ("GET http://u:p@x/?sig=a b HTTP/1.1", "GET http://u:REDACTED@x/?sig=REDACTED HTTP/1.1"),
    ("GET /\nX-Api-Key: a\n b\nHost: x", "GET /\nX-Api-Key: REDACTED\nHost: x"),
    ("GET / HTTP/1.1\r\n X-Api-Key : a", "GET / HTTP/1.1\r\n X-Api-Key : REDACTED"),
    ("GET / HTTP/1.1\rX-Api-Key: a\rA: b", "GET / HTTP/1.1\rX-Api-Key: REDACTED\rA: b"),
    ('{"token":"a"}', '{"token":"REDACTED"}'),
    ("/?token=a", "/?token=REDACTED"),
    ("\r\nGET /?token=a HTTP/1.1", "\r\nGET /?token=REDACTED HTTP/1.1"),
    ("", ""),
]


@pytest.mark.parametrize(("head", "redacted"), HEADS)
def test_a_head_that_does_not_parse_is_redacted_as_one(head: str, redacted: str) -> None:
    assert redact_head(head, RULES, Secrets("REDACTED")) == redacted


@given(st.text(alphabet=" ab:=<>\"'/\\\r\n\0@;,[]{}tokenREDACTED", max_size=60))
def test_texts_without_a_secret_s_name_are_left(text: str) -> None:
    if re.search("token|auth|sig|sid|key|pwd|otp|jwt|cvc|://|bearer|basic", text, re.IGNORECASE):
        return
    secrets = Secrets("REDACTED")
    assert redact_string(text, RULES, secrets) == text
    assert redact_head(text, RULES, secrets) == text


@pytest.mark.parametrize(
    "text",
    [
        *(" " * 50_000, "a" * 50_000, "a:" * 25_000, "token " * 9000, 'name="token ' * 4000),
        *("a=" * 25_000, "<a " * 16_000, "a://" * 12_000, "\\" * 50_000, "cookie:" * 7000),
        *("token=" + "#a" * 25_000, "a:\r\n " * 9000),
    ],
    ids=lambda text: text[:7],
)
def test_hostile_texts_take_no_time_to_speak_of(text: str) -> None:
    start = monotonic()
    for redact in (redact_string, redact_prose, redact_looks, redact_head):
        redact(text, RULES, Secrets("REDACTED"))
    assert monotonic() - start < scaled(5)
