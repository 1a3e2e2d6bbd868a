from __future__ import annotations

import pytest

from kit.record.redacted_fields import redact_url
from kit.record.rules import Rules
from kit.record.sensitive import Secrets


def make_rules(*, is_default: bool = True) -> Rules:
    return Rules(
        names=(),
        keep=(),
        patterns=(),
        functions=(),
        placeholder="REDACTED",
        is_default=is_default,
    )


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("http://a.test/x", "http://a.test/x"),
        ("/x?a=1&api_key=k%2F1&b", "/x?a=1&api_key=REDACTED&b"),
        ("/x?api%5Fkey=k", "/x?api%5Fkey=REDACTED"),
        ("/x?token=&token=a&token=b", "/x?token=&token=REDACTED&token=REDACTED"),
        ("/x?user[password]=p", "/x?user[password]=REDACTED"),
        ("/x?a=b?token=c", "/x?a=b?token=REDACTED"),
        ("/x;jsessionid=abc/y?z=1", "/x;jsessionid=REDACTED/y?z=1"),
        ("/x;v=1", "/x;v=1"),
        ("https://u:p@a.test:8/x?q=%zz", "https://u:REDACTED@a.test:8/x?q=%zz"),
        ("https://u@a.test/", "https://REDACTED@a.test/"),
        ("https://t0ken:@a.test/", "https://REDACTED:@a.test/"),
        ("https://t0ken:x-oauth-basic@a.test/", "https://REDACTED:x-oauth-basic@a.test/"),
        ("https://REDACTED@a.test/", "https://REDACTED@a.test/"),
        ("https://@a.test/", "https://@a.test/"),
        ("https://a.test/u:p@b", "https://a.test/u:p@b"),
        ("/x?q=a+b&q=%E9", "/x?q=a+b&q=%E9"),
        ("", ""),
    ],
)
def test_urls_are_redacted_in_place(url: str, redacted: str) -> None:
    assert redact_url(url, make_rules(), Secrets("REDACTED")) == redacted


def test_a_token_in_the_place_of_the_user_is_learned() -> None:
    secrets = Secrets("REDACTED")
    redact_url("https://ghp%5F12345678:x-oauth-basic@a.test/", make_rules(), secrets)
    assert secrets.find_in(b"no such token: ghp_12345678") == [b"ghp_12345678"]
