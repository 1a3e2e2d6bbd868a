"""What a client did sloppily: worked out from what servers have recorded, after the fact.

None of it has to break a test, and each is what a stricter server, a proxy on the way or
a reader of logs will not forgive.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from kit.errors import ConfigurationError
from kit.faults.fault import is_harmful
from kit.messages.cookies import parse_cookies
from kit.opcodes import WebSocketOpCode
from kit.record import UnparsedHead
from kit.record.connection import BY_PEER, BY_RESET
from kit.record.sensitive import SensitiveNames
from kit.testing.sources import show_exchange, show_outcome
from kit.testing.text import count, escape, show_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kit.headers import Headers
    from kit.record import Exchange

LINT_RULES: Final = {
    "missing-host": "HTTP/1.1 without a Host field (RFC 9112 section 3.2)",
    "repeated-host": "more than one Host field (RFC 9112 section 3.2)",
    "bare-lf": "a line ends in LF without CR (RFC 9112 section 2.2)",
    "length-and-chunked": "Content-Length beside Transfer-Encoding (RFC 9112 section 6.2)",
    "folded-header": "a header field is folded over lines (RFC 9112 section 5.2)",
    "body-on-get": "a GET or HEAD request has a body (RFC 9110 section 9.3.1)",
    "unmasked-frame": "a websocket frame is not masked (RFC 6455 section 5.3)",
    "no-close-frame": "a websocket was left without a Close frame (RFC 6455 section 7.1.2)",
    "credentials-elsewhere": "credentials that another server got first (RFC 9110 section 15.4)",
    "cookie-over-plain": "a cookie that is a secret, over plain HTTP (RFC 6265 section 8.3)",
    "http-1.0": "HTTP/1.0 in place of HTTP/1.1 (RFC 9112 section 2.3)",
    "new-connection": "a new connection for each request, although the last one was kept open "
    "(RFC 9112 section 9.3)",
}
"""Each rule's name, and what is sloppy about it."""

_SHOWN = 3
_LINE_SHOWN = 100

_find_head_end = re.compile(rb"\r?\n\r?\n").search
_match_line = re.compile(rb"[!-~]+ [!-~\x80-\xff]+ HTTP/1\.(\d)\r?\n").match
_find_hosts = re.compile(rb"(?im)^host[ \t]*:").findall
_find_bare_lf = re.compile(rb"(?<!\r)\n").search
_find_fold = re.compile(rb"\n[ \t]").search
_find_length = re.compile(rb"(?im)^content-length[ \t]*:").search
_find_coding = re.compile(rb"(?im)^transfer-encoding[ \t]*:").search
_is_secret_name = re.compile(
    r"__(?:Secure|Host)-.*|.*(?:sess|auth|token|jwt|csrf|xsrf|login|secret|remember).*|"
    r"(?:.*[-_.])?(?:sid|id_?token|key)",
    re.IGNORECASE,
).fullmatch
_SENSITIVE = SensitiveNames()
_has_port = re.compile(r":\d*$").search
_COOKIE = "cookie "
_GOING_AWAY = 1001
# After these the server does not wait for the client's Close.
_FAILED_CODES = frozenset((1002, 1003, 1007, 1008, 1009, 1010, 1011))
_UNMASKED = "came unmasked"
_BY_CLIENT = (BY_PEER, BY_RESET)
_IDLE_S = 1.0
"""A connection that a client has left idle for longer it may close: it is of no use any more."""


@dataclasses.dataclass(frozen=True, slots=True)
class LintNote:
    """One kind of sloppiness on one server.

    Attributes:
        name: the rule's, see `LINT_RULES`.
        exchanges: where it was seen, in order of arrival; at least one.
        detail: what exactly, where the rule does not say it.
    """

    name: str
    exchanges: tuple[Exchange, ...]
    detail: str = ""

    @property
    def text(self) -> str:
        """What is wrong, and where; several lines."""
        lines = [f"{self.name}: {LINT_RULES[self.name]}"]
        if self.detail:
            lines.append(escape(self.detail))
        lines += [_show(exchange) for exchange in self.exchanges[:_SHOWN]]
        if len(self.exchanges) > _SHOWN:
            lines.append(f"and {count(len(self.exchanges) - _SHOWN, 'more request')}")
        return "\n".join(lines).replace("more requests", "more")

    def __str__(self) -> str:
        return self.text


def find_lint(
    exchanges: Iterable[Exchange],
    others: Iterable[Exchange] = (),
) -> list[LintNote]:
    """Find what the clients of one server did sloppily.

    Args:
        exchanges: what the server has recorded.
        others: what other servers have recorded that the same clients talk to.

    Returns:
        A note for each rule that was broken, in the order of `LINT_RULES`.
    """
    own = sorted(exchanges, key=_received_at)
    elsewhere = sorted(others, key=_received_at)
    notes = []
    for name, check in _CHECKS.items():
        found = tuple(each for each in own if check(each))
        if found:
            notes.append(LintNote(name, found))
    jar = _fill_jar([*own, *elsewhere])
    notes += _find_credentials(own, elsewhere, jar)
    notes += _find_cookies(own, jar)
    notes += _find_new_connections(own)
    order = list(LINT_RULES)
    return sorted(notes, key=lambda note: order.index(note.name))


def format_lint(url: str, notes: Sequence[LintNote]) -> str:
    """Write the notes of a server, and how to allow them."""
    lines = [f"{count(len(notes), 'note')} on the clients of {url}:"]
    for note in notes:
        first, *rest = note.text.splitlines()
        lines += [first, *(f"    {line}" for line in rest)]
    return "\n".join(lines)


def check_rules(names: object) -> frozenset[str]:
    """Return names of rules as a set.

    Raises:
        ConfigurationError: one is none, or it is no collection of names.
    """
    if isinstance(names, str) or not isinstance(names, list | tuple | set | frozenset):
        raise ConfigurationError(
            f'lint rules are given as a list of names, such as ["http-1.0"], not {names!r}'
        )
    for name in names:
        if name not in LINT_RULES:
            raise ConfigurationError(
                f"there is no lint rule {name!r}: expected {', '.join(LINT_RULES)}"
            )
    return frozenset(names)


def _show(exchange: Exchange) -> str:
    raw = exchange.request_head.raw
    if exchange.method or not raw:
        return show_exchange(exchange)
    first = raw.splitlines()[0] if raw.strip() else raw
    return f"{show_value(first, _LINE_SHOWN)} -> {show_outcome(exchange)}"


def _received_at(exchange: Exchange) -> float:
    return exchange.received_at


# One exchange


def _read_head(exchange: Exchange) -> bytes:
    """Return the head of a request as it came, without what may stand behind it."""
    raw = exchange.request_head.raw
    end = _find_head_end(raw) if isinstance(exchange.request_head, UnparsedHead) else None
    return raw if end is None else raw[: end.end()]


def _is_hostless(exchange: Exchange) -> bool:
    raw = exchange.request_head.raw
    line = _match_line(raw)
    # A head that was cut off may have lost its Host.
    is_whole = _find_head_end(raw) is not None
    is_due = line is not None and line[1] != b"0" and is_whole
    return is_due and not _find_hosts(_read_head(exchange))


def _has_repeated_host(exchange: Exchange) -> bool:
    return len(_find_hosts(_read_head(exchange))) > 1


def _has_bare_lf(exchange: Exchange) -> bool:
    if not isinstance(exchange.request_head, UnparsedHead):
        return "bare LF" in (exchange.error or "")
    head = _read_head(exchange)
    return _match_line(head) is not None and _find_bare_lf(head) is not None


def _has_length_and_coding(exchange: Exchange) -> bool:
    head = _read_head(exchange)
    return _find_length(head) is not None and _find_coding(head) is not None


def _has_fold(exchange: Exchange) -> bool:
    is_request = _match_line(exchange.request_head.raw) is not None
    return is_request and _find_fold(_read_head(exchange)) is not None


def _has_needless_body(exchange: Exchange) -> bool:
    if exchange.method not in ("GET", "HEAD"):
        return False
    # A body that was refused has a length all the same.
    announced = exchange.request_headers.text("content-length") or ""
    return exchange.request_body_length > 0 or announced.lstrip("0").isdecimal()


def _is_unmasked(exchange: Exchange) -> bool:
    return exchange.is_websocket and _UNMASKED in (exchange.error or "")


def _is_without_close(exchange: Exchange) -> bool:
    if not exchange.is_websocket or not exchange.is_done or is_harmful(exchange.fault):
        return False
    closes = [one for one in exchange.frames if one.opcode == WebSocketOpCode.Close]
    return not any(
        close.direction == "received"
        or close.close_code == _GOING_AWAY
        or close.close_code in _FAILED_CODES
        for close in closes
    )


def _is_old(exchange: Exchange) -> bool:
    line = _match_line(exchange.request_head.raw)
    return line is not None and line[1] == b"0"


_CHECKS: dict[str, Callable[[Exchange], bool]] = {
    "missing-host": _is_hostless,
    "repeated-host": _has_repeated_host,
    "bare-lf": _has_bare_lf,
    "length-and-chunked": _has_length_and_coding,
    "folded-header": _has_fold,
    "body-on-get": _has_needless_body,
    "unmasked-frame": _is_unmasked,
    "no-close-frame": _is_without_close,
    "http-1.0": _is_old,
}


# Credentials


@dataclasses.dataclass(frozen=True, slots=True)
class _Jar:
    """What servers have told clients of cookies; a client that obeys is not sloppy.

    Attributes:
        given: (host, name, value) of each that was set.
        given_plainly: those of them that may be sent over plain HTTP.
        secure: names of those that may not.
        domains: (name, domain) of those that are for a whole domain.
        given_domains: by (name, value) the domains that may be sent them over plain HTTP.
    """

    given: frozenset[tuple[str, str, str]]
    given_plainly: frozenset[tuple[str, str, str]]
    secure: frozenset[str]
    domains: frozenset[tuple[str, str]]
    given_domains: Mapping[tuple[str, str], set[str]]

    def is_for(self, host: str, name: str, value: str, owner: str) -> bool:
        """Tell whether a host has set a cookie too, or shares a domain with its owner."""
        return (host, name, value) in self.given or any(
            name == own and _is_within(host, domain) and _is_within(owner, domain)
            for own, domain in self.domains
        )

    def is_plain(self, host: str, name: str, value: str) -> bool:
        """Tell whether a cookie was set so that this host gets it over plain HTTP."""
        return (host, name, value) in self.given_plainly or any(
            _is_within(host, domain) for domain in self.given_domains.get((name, value), ())
        )


def _fill_jar(exchanges: Iterable[Exchange]) -> _Jar:
    given, plainly, secure, domains = set(), set(), set(), set()
    given_domains: dict[tuple[str, str], set[str]] = {}
    for exchange in exchanges:
        host = _name_host(exchange)
        for name, value, attributes in _list_set_cookies(exchange):
            is_plain = "secure" not in attributes and not exchange.connection.is_tls
            given.add((host, name, value))
            if "secure" in attributes:
                secure.add(name)
            if is_plain:
                plainly.add((host, name, value))
            domain = attributes.get("domain", "").removeprefix(".").lower()
            if domain and _is_within(host, domain):
                domains.add((name, domain))
                if is_plain:
                    given_domains.setdefault((name, value), set()).add(domain)
    return _Jar(
        frozenset(given),
        frozenset(plainly),
        frozenset(secure),
        frozenset(domains),
        given_domains,
    )


def _list_set_cookies(exchange: Exchange) -> Iterator[tuple[str, str, dict[str, str]]]:
    """List the name, the value and the attributes of each cookie that an exchange sets."""
    if exchange.response_head:
        for line in _list_values(exchange.response_headers, "set-cookie"):
            pair, *rest = line.split(";")
            attributes = dict(_split_attribute(each) for each in rest)
            for name, value in parse_cookies(pair):
                yield name, value, attributes


def _split_attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _name_host(exchange: Exchange) -> str:
    """Return the host a client has asked for; cookies are its, whatever its port.

    RFC 6265 section 8.5.
    """
    host = exchange.request_headers.text("host") or ""
    return (host.rpartition(":")[0] if _has_port(host) else host).lower()


def _list_values(headers: Headers, name: str) -> list[str]:
    return [value.decode("latin-1") for value in headers.get(name, [])]


def _list_cookies(exchange: Exchange) -> Iterator[tuple[str, str]]:
    for value in _list_values(exchange.request_headers, "cookie"):
        yield from parse_cookies(value)


def _list_credentials(exchange: Exchange) -> Iterator[tuple[str, str, str]]:
    """List what an exchange carries: what it is, its value, and for whom it may be."""
    for value in _list_values(exchange.request_headers, "authorization"):
        yield "Authorization", value, f"{exchange.connection.local}"
    host = _name_host(exchange)
    for name, value in _list_cookies(exchange):
        yield f"{_COOKIE}{name}", value, host


def _find_credentials(own: list[Exchange], others: list[Exchange], jar: _Jar) -> Iterator[LintNote]:
    first: dict[tuple[str, str], tuple[float, str, Exchange]] = {}
    for exchange in others:
        for what, value, whose in _list_credentials(exchange):
            first.setdefault((what, value), (exchange.received_at, whose, exchange))
    found: dict[str, list[Exchange]] = {}
    before: dict[str, Exchange] = {}
    own_first: set[tuple[str, str]] = set()
    for exchange in own:
        for what, value, whose in _list_credentials(exchange):
            at, owner, earlier = first.get((what, value), (float("inf"), "", exchange))
            if exchange.received_at < at:
                own_first.add((what, value))
                continue
            name = what.removeprefix(_COOKIE)
            is_due = owner == whose or (name != what and jar.is_for(whose, name, value, owner))
            if value and not is_due and (what, value) not in own_first:
                found.setdefault(what, []).append(exchange)
                before.setdefault(what, earlier)
    for what, exchanges in found.items():
        base = before[what].url.partition("://")
        authority = base[2].partition("/")[0]
        detail = f"{what} was sent to {base[0]}://{authority} before"
        yield LintNote("credentials-elsewhere", tuple(exchanges), detail)


def _find_cookies(own: list[Exchange], jar: _Jar) -> Iterator[LintNote]:
    found: dict[str, list[Exchange]] = {}
    for exchange in own:
        if exchange.connection.is_tls:
            continue
        host = _name_host(exchange)
        for name, value in _list_cookies(exchange):
            is_secret = name in jar.secure or _is_secret_name(name) or name in _SENSITIVE
            if is_secret and not jar.is_plain(host, name, value):
                found.setdefault(name, []).append(exchange)
    for name, exchanges in found.items():
        why = "which was set as Secure" if name in jar.secure else "by its name a secret"
        yield LintNote("cookie-over-plain", tuple(exchanges), f"cookie {name}, {why}")


# Connections


def _find_new_connections(own: list[Exchange]) -> Iterator[LintNote]:
    kept: dict[str, Exchange] = {}
    found: list[Exchange] = []
    for exchange in own:
        if not _is_lonely(exchange):
            continue
        client = exchange.request_headers.text("user-agent") or ""
        last = kept.get(client)
        kept[client] = exchange
        if last is not None and _is_given_up(last, exchange):
            found.append(exchange)
    if found:
        asked = sum(_asks_to_close(exchange) for exchange in found)
        detail = f"{count(asked, 'request')} asked for that by Connection: close" if asked else ""
        yield LintNote("new-connection", tuple(found), detail)


def _is_given_up(last: Exchange, new: Exchange) -> bool:
    """Tell whether a client has closed an idle connection at once, and opened another.

    Several that are open at the same time are a pool's, or have a client each.
    """
    old = last.connection
    if last.done_at is None or old.closed_at is None:
        return False
    is_by_client = old.end in _BY_CLIENT or _asks_to_close(last)
    is_at_once = old.closed_at - last.done_at < _IDLE_S
    # The server may have heard of the new one first, though never of its request.
    is_before = last.done_at <= new.connection.opened_at and old.closed_at <= new.received_at
    return is_by_client and is_at_once and is_before


def _is_lonely(exchange: Exchange) -> bool:
    """Tell whether it had a connection for itself that might have carried another one."""
    if (
        exchange.connection.requests != 1
        or exchange.is_websocket
        or not exchange.is_complete
        or is_harmful(exchange.fault)
        or exchange.http_version != "1.1"
    ):
        return False
    answer = (exchange.response_headers.text("connection") or "").lower()
    return "close" not in answer or _asks_to_close(exchange)


def _asks_to_close(exchange: Exchange) -> bool:
    return "close" in (exchange.request_headers.text("connection") or "").lower()
