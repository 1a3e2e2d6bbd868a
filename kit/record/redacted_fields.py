"""Secrets in header fields and URLs."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, unquote, unquote_plus

if TYPE_CHECKING:
    from kit.record.rules import Rules
    from kit.record.sensitive import Secrets

CREDENTIALS: Final = frozenset(
    {"authorization", "proxy-authorization", "authentication", "x-authorization"}
)
"""Fields of a scheme and what must not be seen."""
_WITH_URLS = frozenset(
    {"location", "content-location", "referer", "link", "refresh", "origin", "x-original-url"}
)
# RFC 9110 section 11.4: a scheme, then blanks, then what must not be seen.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,40})[ \t]+(?=\S)")
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#@]*)@")
_NO_PASSWORDS: Final = frozenset({"", "x-oauth-basic"})
"""What stands for a password where the user is a token."""
_PATH_PARAMETER = re.compile(r";([^=;/?#]+)=([^;/?#]*)")
_PAIR = re.compile(r"[^&?#]+")


def redact_field(name: str, value: str, rules: Rules, secrets: Secrets) -> str:
    """Redact the value of a header field or a trailer field."""
    lower = name.lower()
    if rules.names.is_kept(name):
        return value
    if lower == "cookie":
        return _redact_cookies(value, rules, secrets)
    if lower == "set-cookie":
        pair, separator, attributes = value.partition(";")
        return _redact_cookie(pair, rules, secrets) + separator + attributes
    if lower in CREDENTIALS and rules.is_default:
        return _redact_credentials(value, rules, secrets)
    if lower in _WITH_URLS:
        return redact_url(value, rules, secrets)
    return rules.redact_value("header", name, value, secrets)


def _redact_cookies(value: str, rules: Rules, secrets: Secrets) -> str:
    return ";".join(_redact_cookie(pair, rules, secrets) for pair in value.split(";"))


def _redact_cookie(pair: str, rules: Rules, secrets: Secrets) -> str:
    name, separator, value = pair.partition("=")
    bare = value.strip(' \t"')
    if not separator or not bare:
        return pair
    is_kept = rules.names.is_kept(name.strip())
    if rules.is_default and not is_kept and bare != rules.placeholder:
        secrets.learn(bare)
        return f"{name}={rules.placeholder}"
    return f"{name}={rules.redact_value('cookie', name.strip(), value, secrets)}"


def _redact_credentials(value: str, rules: Rules, secrets: Secrets) -> str:
    """Leave the scheme, as it tells much and is no secret."""
    found = _SCHEME.match(value)
    scheme, credentials = (found[0], value[found.end() :]) if found else ("", value)
    if credentials != rules.placeholder:
        secrets.learn(credentials)
        if scheme.strip().lower() == "basic":
            _learn_basic(credentials, secrets)
    return f"{scheme}{rules.placeholder}"


def _learn_basic(credentials: str, secrets: Secrets) -> None:
    """Learn the password of RFC 7617 as well."""
    try:
        pair = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    secrets.learn(pair)
    user, _, password = pair.partition(":")
    secrets.learn(user if password in _NO_PASSWORDS else password)


def redact_url(url: str, rules: Rules, secrets: Secrets) -> str:
    """Redact a URL: user and password, and the parameters of path, query and fragment."""
    if rules.is_default:
        url = _USER.sub(lambda found: redact_user(found, rules, secrets), url)
    if not any(mark in url for mark in "?#;"):
        return url
    ends = [at for at in (url.find("?"), url.find("#")) if at >= 0]
    end = min(ends, default=len(url))
    path = _PATH_PARAMETER.sub(lambda found: _redact_parameter(found, rules, secrets), url[:end])
    rest = _PAIR.sub(lambda found: redact_pair(found[0], "query", rules, secrets), url[end:])
    return path + rest


def redact_user(found: re.Match[str], rules: Rules, secrets: Secrets) -> str:
    """Redact the password in what a URL has before its host: scheme, then user and password.

    Where there is none the user is a token.
    """
    user, separator, password = found[2].partition(":")
    is_token = password in _NO_PASSWORDS
    secret = user if is_token else password
    if not secret or secret == rules.placeholder:
        return found[0]
    secrets.learn(unquote(secret))
    if is_token:
        return f"{found[1]}{rules.placeholder}{separator}{password}@"
    return f"{found[1]}{user}:{rules.placeholder}@"


def _redact_parameter(found: re.Match[str], rules: Rules, secrets: Secrets) -> str:
    value = rules.redact_value("query", unquote(found[1]), unquote(found[2]), secrets)
    return found[0] if value == unquote(found[2]) else f";{found[1]}={quote_plus(value)}"


def redact_pair(pair: str, place: str, rules: Rules, secrets: Secrets) -> str:
    """Redact one `name=value` of a query or a form."""
    name, separator, value = pair.partition("=")
    if not separator or not value:
        return pair
    decoded = unquote_plus(value)
    redacted = rules.redact_value(place, unquote_plus(name), decoded, secrets)
    return pair if redacted == decoded else f"{name}={quote_plus(redacted)}"
