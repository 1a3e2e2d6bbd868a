"""Secrets in text of any kind: what looks like a name and what it stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kit.record.redacted_fields import CREDENTIALS, redact_field, redact_url, redact_user
from kit.record.sensitive import is_distinct

if TYPE_CHECKING:
    from kit.record.rules import Rules
    from kit.record.sensitive import Secrets

# JSON that does not parse or was cut off included, and scripts.
_NAME = r"""(?<![\w.\-])(?P<quote>(?:\\{0,8}["'])?)(?P<name>[A-Za-z][\w.\- ]{0,60})(?P=quote)"""
_BARE = r"(?P<name>[A-Za-z][\w.\-]{0,60})"
_COLON = r"\s{0,40}:\s{0,40}"
_QUOTED = r"""(?P<open>\\{0,8}["'])(?P<value>(?:(?!(?P=open))(?:[^\\]|\\.)){0,8192})"""
_MEMBER = re.compile(rf"{_NAME}{_COLON}{_QUOTED}")
_NUMBER = re.compile(rf"""{_NAME}(?<=["']){_COLON}(?P<value>-?[\d.]{{1,40}})""")
_ATTRIBUTE = re.compile(rf"(?<![\w.\-]){_BARE}\s{{0,8}}=\s{{0,8}}{_QUOTED}")
_INPUT = re.compile(
    rf"""\bname=["']{_BARE}["'][^<>]{{0,200}}?\s(?:value|content)={_QUOTED}""", re.IGNORECASE
)
_ITEM = re.compile(rf"""\[\s{{0,8}}["']{_BARE}["']\s{{0,8}},\s{{0,8}}{_QUOTED}""")
_PARAMETER = re.compile(
    rf"""(?<![\w.\-]){_BARE}=(?P<value>(?:[^\s&"'<>;,#]|#(?![\w.\-]{{1,60}}=))+)"""
)
_ELEMENT = re.compile(rf"<(?:[\w\-]{{1,40}}:)?{_BARE}(?:\s[^<>]{{0,200}})?>(?P<value>[^<]+)</")
_SCHEME = re.compile(
    r"\b(?P<name>Bearer|Basic)[ +](?P<value>[A-Za-z0-9\-._~+/]{8,}=*)", re.IGNORECASE
)
_USER = re.compile(r"""(?<![\w+.\-])([A-Za-z][\w+.\-]{0,30}://)([^/?#@\s"'<>]{1,512})@""")

# A line, or a part of one, as header fields are written.
_FIELD = re.compile(rf"^[\s>*#\-]{{0,8}}{_BARE}[ \t]{{0,8}}:[ \t]{{0,8}}(?P<value>\S.*)$")
_WORD = re.compile(
    rf"(?<![\w.\-/@]){_BARE}[ \t]{{0,8}}:(?P<blank>[ \t]{{0,8}})"
    r"(?P<scheme>(?:(?:Bearer|Basic|Digest|Token|Negotiate|ApiKey)[ \t]{1,8})?)"
    r"""(?P<value>[^\s"'<>;,&()\[\]{}]+)""",
    re.IGNORECASE,
)
_COOKIE = re.compile(
    r"""\b(?P<name>(?:Set-)?Cookie):[ \t]{0,8}(?P<value>[^\s"'][^\r\n"']*)""", re.IGNORECASE
)
# The request line may have a colon in its target.
_HEAD_FIELD = re.compile(
    r"(?<![^\r\n])[ \t]*(?P<name>[^\s:][^:\r\n]*):[ \t]*(?P<value>[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)"
)
_VERSION = re.compile(r"[A-Za-z]{1,10}/[\d.]{0,10}")
_HINT = re.compile(r"[:=<\[]|(?:bearer|basic)[ +]", re.IGNORECASE)
_BLANK = re.compile(r"\s")

_LONG: Final = 16
_ORDINARY: Final = frozenset(
    (
        *("str", "string", "bytes", "int", "number", "bool", "boolean", "none", "null", "true"),
        *("false", "undefined", "required", "optional", "invalid", "missing", "expired", "yes"),
        *("no", "on", "off", "bearer", "basic", "digest"),
    )
)
"""What stands behind a name and a colon and is no secret: types, and what is said of one."""


def redact_string(text: str, rules: Rules, secrets: Secrets) -> str:
    """Redact a text of one or more lines, which may be a URL."""
    if not _HINT.search(text):
        return text
    if not _BLANK.search(text):
        text = redact_url(text, rules, secrets)
    return "\n".join(redact_prose(line, rules, secrets) for line in text.split("\n"))


def redact_prose(line: str, rules: Rules, secrets: Secrets) -> str:
    """Redact a line in which a name, a colon and a value may be a header field.

    In scripts they are something else; there `redact_looks` alone is used.
    """
    line = _redact_schemes(line, rules, secrets)
    if ":" in line:
        line = _redact_field_line(line, rules, secrets)
        line = _WORD.sub(lambda found: _redact_word(found, rules, secrets), line)
        line = _COOKIE.sub(lambda found: _redact_as_field(found, rules, secrets), line)
    return _redact_names(line, rules, secrets)


def redact_looks(text: str, rules: Rules, secrets: Secrets) -> str:
    """Redact what looks like a name and its secret, in whatever language."""
    return _redact_names(_redact_schemes(text, rules, secrets), rules, secrets)


def _redact_schemes(text: str, rules: Rules, secrets: Secrets) -> str:
    if not rules.is_default:
        return text
    return _SCHEME.sub(lambda found: _hide_credentials(found, rules, secrets), text)


def _redact_names(text: str, rules: Rules, secrets: Secrets) -> str:
    def change(found: re.Match[str]) -> str:
        value = found["value"]
        if found["name"] not in rules.names or value in ("", rules.placeholder):
            return found[0]
        secrets.learn(value)
        return _put(found, rules.placeholder)

    if '"' in text or "'" in text:
        for pattern in (_MEMBER, _NUMBER, _ATTRIBUTE, _INPUT, _ITEM):
            text = pattern.sub(change, text)
    if "=" in text:
        text = _PARAMETER.sub(change, text)
    if "</" in text:
        text = _ELEMENT.sub(change, text)
    if rules.is_default and "://" in text:
        text = _USER.sub(lambda found: redact_user(found, rules, secrets), text)
    return text


def redact_head(head: str, rules: Rules, secrets: Secrets) -> str:
    """Redact a head that does not parse: its target as a URL, its lines as header fields."""
    start = len(head) - len(head.lstrip())
    end = min(
        (at for at in (head.find("\r", start), head.find("\n", start)) if at >= 0), default=-1
    )
    line, fields = (head[start:], "") if end < 0 else (head[start:end], head[end:])
    line = _redact_request_line(line, rules, secrets)
    fields = _HEAD_FIELD.sub(lambda found: _redact_head_field(found, rules, secrets), fields)
    text = f"{head[:start]}{line}{fields}"
    return "\n".join(redact_prose(each, rules, secrets) for each in text.split("\n"))


def _redact_request_line(line: str, rules: Rules, secrets: Secrets) -> str:
    method, blank, rest = line.partition(" ")
    target, last_blank, version = rest.rpartition(" ")
    if not _VERSION.fullmatch(version):
        target, last_blank, version = rest, "", ""
    if not blank:
        return redact_url(line, rules, secrets)
    return f"{method} {redact_url(target, rules, secrets)}{last_blank}{version}"


def _redact_head_field(found: re.Match[str], rules: Rules, secrets: Secrets) -> str:
    # Folded lines are one value (RFC 9112 section 5.2).
    unfolded = re.sub(r"\r?\n[ \t]+", " ", found["value"])
    redacted = redact_field(found["name"].strip(), unfolded, rules, secrets)
    return found[0] if redacted == unfolded else _put(found, redacted)


def _redact_field_line(line: str, rules: Rules, secrets: Secrets) -> str:
    found = _FIELD.match(line)
    if found is None:
        return line
    name, value = found["name"], found["value"].rstrip("\0\r\t ")
    if name.lower() in CREDENTIALS or name.lower() in ("cookie", "set-cookie"):
        return _redact_as_field(found, rules, secrets)
    # A word alone is a value, several are a sentence, unless the name is no word of one.
    is_value = len(value.split()) == 1 or "-" in name or "_" in name
    if name not in rules.names or not is_value or not _may_be_secret(value, rules):
        return line
    return _hide(found, value, rules, secrets)


def _redact_word(found: re.Match[str], rules: Rules, secrets: Secrets) -> str:
    """Redact what stands behind a name and a colon inside a line."""
    name, value = found["name"], found["value"]
    if name not in rules.names or not _may_be_secret(value, rules):
        return found[0]
    is_field = "-" in name or bool(found["scheme"])
    has_looks = any(character.isdigit() for character in value) or len(value) >= _LONG
    if not is_field and not (found["blank"] and has_looks):
        return found[0]
    return _hide(found, value, rules, secrets)


def _may_be_secret(value: str, rules: Rules) -> bool:
    """Tell whether a value may be one: no start of something else, and no ordinary word."""
    if value.startswith(('"', "'", "{", "[", "(", "<", "\\", "$", "//", rules.placeholder)):
        return False
    return value.rstrip(".,;!?").lower() not in _ORDINARY


def _hide(found: re.Match[str], value: str, rules: Rules, secrets: Secrets) -> str:
    if is_distinct(value):
        secrets.learn(value)  # others might be ordinary words of the text
    return _put(found, rules.placeholder + found["value"][len(value) :])


def _hide_credentials(found: re.Match[str], rules: Rules, secrets: Secrets) -> str:
    if rules.names.is_kept(found["name"]):
        return found[0]
    secrets.learn(found["value"])
    return f"{found['name']} {rules.placeholder}"


def _redact_as_field(found: re.Match[str], rules: Rules, secrets: Secrets) -> str:
    value = found["value"].rstrip("\0\r\t ")
    if not _may_be_secret(value, rules):
        return found[0]
    redacted = redact_field(found["name"], value, rules, secrets)
    return _put(found, redacted + found["value"][len(value) :])


def _put(found: re.Match[str], value: str) -> str:
    start, end = (at - found.start() for at in found.span("value"))
    return found[0][:start] + value + found[0][end:]
