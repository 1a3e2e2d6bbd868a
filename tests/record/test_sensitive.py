from __future__ import annotations

import re

import pytest

from kit.errors import ConfigurationError
from kit.record.sensitive import Secrets, SensitiveNames


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apikey", "API-Key", "x-api-key", "X-Auth-Token", "X-CSRF-Token"),
        *("token", "access_token", "accessToken", "refresh_token", "id_token", "githubToken"),
        *("secret", "client_secret", "password", "user[password]", "new.password", "dbPassword"),
        *("session", "session_id", "JSESSIONID", "X-Amz-Signature", "private_key", "_csrf"),
    ],
)
def test_the_usual_names_are_sensitive(name: str) -> None:
    assert name in SensitiveNames()
    assert name not in SensitiveNames(is_default=False)


@pytest.mark.parametrize(
    "name",
    [
        *("", "name", "page", "nextPageToken", "page_token", "continuation-token", "tokens"),
        *("passwords", "secretary", "author", "accept", "monkey", "sessions", "Idempotency-Token"),
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert name not in SensitiveNames()


def test_further_names_are_compared_without_case_and_hyphens() -> None:
    names = SensitiveNames(["Card-Number-Last", re.compile("^x-ours-")])
    assert "card_number_last" in names
    assert "x-ours-key" in names
    assert "X-Ours-Key" not in names


def test_what_is_to_be_kept_is_kept_whatever_else_is_said() -> None:
    names = SensitiveNames(["token"], ["token", re.compile("^demo")])
    assert "token" not in names
    assert "demo_password" not in names
    assert "password" in names


@pytest.mark.parametrize("rule", [3, "", "-", re.compile(b"x")])
def test_a_rule_that_is_no_name_is_refused(rule: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SensitiveNames([rule])  # type: ignore[list-item]
    assert str(caught.value) == f"names takes names and compiled patterns of str, not {rule!r}"


@pytest.mark.parametrize(
    ("value", "is_learned"),
    [
        ("tok-1234", True),
        ("correct-horse-battery", True),
        ("hunter2", False),
        ("disabled", False),
        ("20260101", False),
        ("2026-01-01 12:00:00", False),
        ("password", False),
        ("dark-mode", False),
        ("REDACTED-1", False),
        ("a1" * 5000, False),
    ],
)
def test_only_what_is_no_ordinary_word_is_learned(value: str, is_learned: bool) -> None:
    secrets = Secrets("REDACTED")
    secrets.learn(value)
    assert bool(secrets.find_in(f"see {value}.".encode())) is is_learned
    assert len(secrets) == is_learned


def test_short_ones_are_found_nearby_until_the_next_entry() -> None:
    secrets = Secrets("REDACTED")
    secrets.learn("hunter2")
    assert secrets.find_near(b"bad password hunter2") == [b"hunter2"]
    secrets.begin_entry()
    assert secrets.find_near(b"bad password hunter2") == []


def test_the_longest_form_is_found_first() -> None:
    secrets = Secrets("REDACTED")
    secrets.learn("abcdefg1")
    secrets.learn("abcdefg123")
    assert secrets.find_in(b"x abcdefg123")[0] == b"abcdefg123"


@pytest.mark.parametrize("size", [10, 100_000])
def test_many_secrets_are_found_as_few_are(size: int) -> None:
    secrets = Secrets("REDACTED")
    for number in range(300):
        secrets.learn(f"{number:03}-secret")
    data = b"x" * size + b"217-secret" + b"y" * size
    assert secrets.find_in(data) == [b"217-secret"]
    assert secrets.find_in(b"y" * size) == []


def test_what_is_learned_is_bounded_and_the_rest_counted() -> None:
    secrets = Secrets("REDACTED")
    for number in range(10_088):
        secrets.learn(f"secret-{number}")
    assert (len(secrets), secrets.not_learned) == (10_000, 88)


def test_the_characters_of_what_is_learned_are_bounded() -> None:
    secrets = Secrets("REDACTED")
    for number in range(520):
        secrets.learn(f"{number:04}" + "x" * 8188)
    assert (len(secrets), secrets.not_learned) == (512, 8)
