"""Cookies as a server sets them: one Set-Cookie field each (RFC 6265 section 4.1)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from kit.clock import http_date, now
from kit.errors import ConfigurationError, LocalProtocolError
from kit.headers import Headers

_TOKEN: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
# RFC 6265 section 4.1.1: US-ASCII without controls, blanks, '"', ",", ";" and "\";
# quotes may stand around all of it, and let nothing else in.
_OCTETS: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
_PATH: Final = re.compile(r"/[ -:<-~]*")
_DOMAIN: Final = re.compile(r"\.?[0-9A-Za-z](?:[-.0-9A-Za-z]*[0-9A-Za-z])?")
_SAME_SITE: Final = {"strict": "Strict", "lax": "Lax", "none": "None"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999, as IMF-fixdate has four digits for it."""


class CookieSetting:
    """What responses of all kinds can do with cookies."""

    __slots__ = ("headers",)

    headers: Headers

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime | float | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
    ) -> None:
        """Add a Set-Cookie field; several cookies are several fields.

        Without `max_age` and `expires` the cookie lasts as long as the client's session.

        Args:
            name: a token.
            value: printable ASCII without blanks, '"', ",", ";" and a backslash; '"'
                may stand around it.
            max_age: seconds that it lasts, by which clients go first; 0 ends it. Expires
                is set too, by `kit.clock.now()`, unless it is given.
            expires: when it ends: a datetime with a time zone, or POSIX seconds.
            path: where it is sent, "/" for everywhere; None for where it was set.
            domain: whose subdomains it is sent to as well; None for this host alone.
            secure: whether it is sent over TLS only.
            httponly: whether scripts do not see it.
            samesite: "Strict", "Lax" or "None".

        Raises:
            LocalProtocolError: the name, value, path or domain would break the field.
            ConfigurationError: another argument cannot work.
        """
        line = serialize_cookie(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
        )
        # Anew, as the old ones may be shared with other responses.
        self.headers = Headers.from_raw([*self.headers.raw, (b"Set-Cookie", line)])

    def delete_cookie(
        self, name: str, *, path: str | None = "/", domain: str | None = None, secure: bool = False
    ) -> None:
        """Have the client forget a cookie that was set with this path and domain.

        Args:
            name: its name.
            path: as it was set.
            domain: as it was set.
            secure: as it was set; names that begin with "__Host-" or "__Secure-" need it.

        Raises:
            LocalProtocolError: the name, path or domain would break the field.
        """
        self.set_cookie(name, max_age=0, expires=0, path=path, domain=domain, secure=secure)


def serialize_cookie(
    name: str,
    value: str,
    *,
    max_age: int | None,
    expires: datetime | float | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
) -> bytes:
    """Make the value of a Set-Cookie field; see `CookieSetting.set_cookie`."""
    parts = [_serialize_pair(name, value)]
    if max_age is not None:
        parts.append(f"Max-Age={_check_max_age(name, max_age)}")
        expires = min(now() + max_age, _LAST_SECOND) if expires is None else expires
    if expires is not None:
        parts.append(f"Expires={http_date(_check_expiry(name, expires)).decode('ascii')}")
    if domain is not None:
        parts.append(f"Domain={_check_domain(name, domain)}")
    if path is not None:
        parts.append(f"Path={_check_path(name, path)}")
    if secure:
        parts.append("Secure")
    if httponly:
        parts.append("HttpOnly")
    if samesite is not None:
        parts.append(f"SameSite={_check_same_site(name, samesite)}")
    return "; ".join(parts).encode("ascii")


def parse_cookies(field: str) -> list[tuple[str, str]]:
    """Parse a Cookie field into pairs (RFC 6265 section 4.2.1).

    What is no pair is left out, as is a pair without a name; quotes around a value
    are taken off.
    """
    pairs = []
    for pair in field.split(";"):
        name, separator, value = pair.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if separator and name:
            is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
            pairs.append((name, value[1:-1] if is_quoted else value))
    return pairs


def _serialize_pair(name: object, value: object) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        msg = f"cookie name {name!r} is not a token (RFC 9110 section 5.6.2)"
        raise LocalProtocolError(msg)
    if not isinstance(value, str):
        msg = f"cookie {name}: its value is {type(value).__name__}, expected str"
        raise LocalProtocolError(msg)
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    octets = value[1:-1] if is_quoted else value
    match = _OCTETS.match(octets)
    end = match.end() if match else 0
    if end < len(octets):
        msg = (
            f"cookie {name}: its value cannot hold {octets[end]!r}, at index {end + is_quoted}: "
            "encode it first, for example with urllib.parse.quote"
        )
        raise LocalProtocolError(msg)
    return f"{name}={value}"


def _check_max_age(name: str, max_age: object) -> int:
    if (
        isinstance(max_age, bool)
        or not isinstance(max_age, int)
        or not 0 <= max_age <= _LAST_SECOND
    ):
        msg = (
            f"cookie {name}: max_age must be a whole number of seconds from 0 to {_LAST_SECOND}, "
            f"not {max_age!r}"
        )
        raise ConfigurationError(msg)
    return max_age


def _check_expiry(name: str, expires: object) -> float:
    at = expires
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            msg = (
                f"cookie {name}: expires {expires} has no time zone: "
                "give it one, such as datetime.UTC"
            )
            raise ConfigurationError(msg)
        at = (expires - _EPOCH) // timedelta(seconds=1)
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < _LAST_SECOND + 1:
        msg = (
            f"cookie {name}: expires must be a datetime, or POSIX seconds, "
            f"in the years 1970 to 9999, not {expires!r}"
        )
        raise ConfigurationError(msg)
    return at


def _check_domain(name: str, domain: object) -> str:
    if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
        msg = (
            f"cookie {name}: domain {domain!r} is not the name of a host in ASCII, "
            "for example example.com"
        )
        raise LocalProtocolError(msg)
    return domain


def _check_path(name: str, path: object) -> str:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        msg = (
            f"cookie {name}: path {path!r} cannot be sent: it begins with a slash, "
            "and holds printable ASCII without a semicolon"
        )
        raise LocalProtocolError(msg)
    return path


def _check_same_site(name: str, samesite: object) -> str:
    known = _SAME_SITE.get(samesite.lower()) if isinstance(samesite, str) else None
    if known is None:
        msg = f'cookie {name}: samesite must be "Strict", "Lax" or "None", not {samesite!r}'
        raise ConfigurationError(msg)
    return known
