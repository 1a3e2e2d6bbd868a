"""Secrets in header fields: under names that tell of them, and under others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kit.record.redacted_fields import CREDENTIALS, redact_field, redact_url
from kit.record.redacted_text import redact_prose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.record.rules import Rules
    from kit.record.sensitive import Secrets

_SETTLED: Final = CREDENTIALS | {"cookie", "set-cookie"}
"""Fields in which nothing more is to be found."""
_HARMLESS: Final = frozenset({"host", "www-authenticate", "proxy-authenticate"})
"""What looks like a named secret in them is a port, or what a challenge asks for."""
_HINT = re.compile(r"[:=]|(?:bearer|basic)[ +]", re.IGNORECASE)


def redact_headers(
    headers: Iterable[tuple[bytes, bytes]], rules: Rules, secrets: Secrets
) -> tuple[tuple[bytes, bytes], ...]:
    """Redact header fields; none is added or left out."""
    return tuple(
        (name, _redact_raw_field(name, value, rules, secrets) if value else value)
        for name, value in headers
    )


def _redact_raw_field(raw_name: bytes, raw_value: bytes, rules: Rules, secrets: Secrets) -> bytes:
    value = raw_value.decode("latin-1")
    redacted = redact_header(raw_name.decode("latin-1"), value, rules, secrets)
    return raw_value if redacted == value else redacted.encode("latin-1", "backslashreplace")


def redact_header(name: str, value: str, rules: Rules, secrets: Secrets) -> str:
    """Redact the value of a header field or a trailer field, whatever its name.

    Under an innocent name credentials are redacted, a URL's parameters, and named values.
    """
    redacted = redact_field(name, value, rules, secrets)
    lower = name.lower()
    if redacted != value or lower in _SETTLED or lower in _HARMLESS or rules.names.is_kept(name):
        return redacted
    if "://" in value or value.startswith("/"):
        value = redact_url(value, rules, secrets)
    return redact_prose(value, rules, secrets) if _HINT.search(value) else value
