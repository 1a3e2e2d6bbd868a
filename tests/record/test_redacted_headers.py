from __future__ import annotations

import pytest

from kit.record.redacted_headers import redact_headers
from kit.record.rules import Rules
from kit.record.sensitive import Secrets


def make_rules(*, keep: tuple[str, ...] = (), is_default: bool = True) -> Rules:
    return Rules(
        names=(),
        keep=keep,
        patterns=(),
        functions=(),
        placeholder="REDACTED",
        is_default=is_default,
    )


def redact_field(name: bytes, value: bytes, secrets: Secrets | None = None) -> bytes:
    secrets = Secrets("REDACTED") if secrets is None else secrets
    [(kept, redacted)] = redact_headers([(name, value)], make_rules(), secrets)
    assert kept == name
    return redacted


@pytest.mark.parametrize(
    ("name", "value", "redacted"),
    [
        (b"Authorization", b"Bearer abc.def", b"Bearer REDACTED"),
        (b"Authorization", b"Basic dXNlcjpwYXNz", b"Basic REDACTED"),
        (b"authorization", b'Digest username="a", response="b"', b"Digest REDACTED"),
        (b"Authorization", b"just-a-token", b"REDACTED"),
        (b"Authorization", b"Bearer REDACTED", b"Bearer REDACTED"),
        (b"Proxy-Authorization", b"Basic x", b"Basic REDACTED"),
        (b"Cookie", b"a=b; c=d=e", b"a=REDACTED; c=REDACTED"),
        (b"Cookie", b'a="b"; c=; d', b"a=REDACTED; c=; d"),
        (b"Set-Cookie", b"sid=abc; Path=/; HttpOnly", b"sid=REDACTED; Path=/; HttpOnly"),
        (b"Set-Cookie", b"sid=; Max-Age=0", b"sid=; Max-Age=0"),
        (b"X-Api-Key", b"abc", b"REDACTED"),
        (b"X-Csrf-Token", b"abc", b"REDACTED"),
        (b"X-Api-Key", b"", b""),
        (
            b"Location",
            b"/a?token=x&b=c#access_token=y",
            b"/a?token=REDACTED&b=c#access_token=REDACTED",
        ),
        (b"Referer", b"http://u:p@a.test/", b"http://u:REDACTED@a.test/"),
        (b"Accept", b"text/html; token=x", b"text/html; token=REDACTED"),
        (b"Accept", b"text/html;level=1, */*;q=0.8", b"text/html;level=1, */*;q=0.8"),
        (b"X-Forwarded-Authorization", b"Bearer abcdef-123", b"Bearer REDACTED"),
        (b"HX-Current-URL", b"https://app/x?token=abc&a=1", b"https://app/x?token=REDACTED&a=1"),
        (b"X-Next", b"/x?a=1&api_key=abc", b"/x?a=1&api_key=REDACTED"),
        (b"X-Auth-Key", b"abc", b"REDACTED"),
        (b"Ocp-Apim-Subscription-Key", b"abc", b"REDACTED"),
        (b"Cf-Access-Jwt-Assertion", b"abc", b"REDACTED"),
        (b"Host", b"token:8080", b"token:8080"),
        (b"WWW-Authenticate", b'Bearer authorization_uri="/"', b'Bearer authorization_uri="/"'),
        (b"X-Name", b"caf\xe9", b"caf\xe9"),
    ],
)
def test_fields_are_redacted(name: bytes, value: bytes, redacted: bytes) -> None:
    assert redact_field(name, value) == redacted


def test_repeated_fields_stay_as_many_and_in_order() -> None:
    given = [(b"Set-Cookie", b"a=1"), (b"X", b"y"), (b"Set-Cookie", b"b=2")]
    assert redact_headers(given, make_rules(), Secrets("REDACTED")) == (
        (b"Set-Cookie", b"a=REDACTED"),
        (b"X", b"y"),
        (b"Set-Cookie", b"b=REDACTED"),
    )


def test_the_password_in_basic_credentials_is_learned() -> None:
    secrets = Secrets("REDACTED")
    redact_field(b"Authorization", b"Basic dXNlcjpwYXNzLTEyMzQ=", secrets)
    assert secrets.find_in(b"wrong password pass-1234") == [b"pass-1234"]


def test_without_the_defaults_nothing_is_redacted() -> None:
    given = ((b"Authorization", b"Bearer x"), (b"Cookie", b"a=b"), (b"Referer", b"//u:p@a"))
    assert redact_headers(given, make_rules(is_default=False), Secrets("REDACTED")) == given


def test_the_user_is_learned_from_basic_credentials_without_a_password() -> None:
    secrets = Secrets("REDACTED")
    redact_field(b"Authorization", b"Basic dDBrZW4tMTIzNDU6", secrets)
    assert secrets.find_in(b"no such user: t0ken-12345") == [b"t0ken-12345"]


def test_a_name_that_is_kept_keeps_its_value() -> None:
    rules = make_rules(keep=("X-Forwarded-Authorization",))
    given = ((b"X-Forwarded-Authorization", b"Bearer abcdef-123"),)
    assert redact_headers(given, rules, Secrets("REDACTED")) == given
