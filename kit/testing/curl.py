"""Requests as lines for a shell, to send them again by curl."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from kit.limits import MIB
from kit.record import BodyRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.record import ConnectionInfo, Exchange

    RawHeaders = list[tuple[bytes, bytes]]

CA_VARIABLE = "KIT_CA"
"""The shell variable with the path of the CA certificates to trust."""

# Linux takes no argument longer than 128 KiB.
_ARGUMENT_BYTES = 100_000
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+").fullmatch
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE).search
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?").fullmatch
_DNS_NAME = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z][a-z0-9-]*").fullmatch
_CURLS_AGENT = re.compile(rb"curl/[0-9.]+").fullmatch
_CURLS_ACCEPT = re.compile(rb"\*/\*").fullmatch
_TEXT_CONTROLS = frozenset("\n\r\t")
_ANSI_C = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


def format_curl(
    exchange: Exchange, *, cafile: str | os.PathLike[str] | None = None, verify: bool = True
) -> str:
    """Write the command that sends an exchange's request again, for bash or zsh.

    Header fields keep their order and case; those that curl makes by itself are
    left out, or suppressed where the request had none. What the record lacks is
    told in a comment line before. A request that does not parse is sent by `nc`.

    Args:
        exchange: as a server or a client has recorded it.
        cafile: for TLS, path of the CA certificates to trust, PEM; what the shell
            variable `KIT_CA` holds if None.
        verify: False to accept any certificate.
    """
    if not exchange.method:
        return _format_unparsed(exchange)
    is_tls = exchange.connection.is_tls
    arguments = list_trust_arguments(cafile, verify=verify) if is_tls else []
    return "\n".join([*_list_notes(exchange), _format_command(exchange, arguments)])


def format_curl_get(url: str, headers: Iterable[tuple[str, str]], arguments: Iterable[str]) -> str:
    """Write the command for a GET; of the URL nothing is normalised.

    Args:
        url: with all that must be escaped escaped.
        headers: header fields to send.
        arguments: further arguments, quoted where needed.
    """
    fields = [f"-H {quote(f'{name}: {value}')}" for name, value in headers]
    return " ".join(["curl", *_list_url_arguments(url), *arguments, quote(url), *fields])


def list_trust_arguments(
    cafile: str | os.PathLike[str] | None = None, *, verify: bool = True
) -> list[str]:
    """Write the arguments that tell curl which certificates to trust."""
    if not verify:
        return ["-k"]
    path = f'"${CA_VARIABLE}"' if cafile is None else quote(os.fspath(cafile))
    return [f"--cacert {path}"]


def quote(data: str | bytes) -> str:
    r"""Quote an argument for bash or zsh, with `$'\x00'` for what cannot be shown."""
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    if _SAFE(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", r"'\''") + "'"
    return "$'" + "".join(map(_escape, text)) + "'"


def _escape(character: str) -> str:
    if character in _ANSI_C:
        return _ANSI_C[character]
    if character.isprintable():
        return character
    # By bytes, as how a shell encodes a code point depends on its locale.
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _format_command(exchange: Exchange, arguments: list[str]) -> str:
    place = _find_place(exchange)
    is_origin_form = exchange.target.startswith("/")
    url = place.base + (exchange.target if is_origin_form else "/")
    words = ["curl", *_list_method_arguments(exchange), *_list_url_arguments(url)]
    if exchange.http_version == "1.0":
        words.append("--http1.0")
    words += arguments
    if place.connect_to:
        words.append(f"--connect-to {quote(place.connect_to)}")
    if not is_origin_form:
        words.append(f"--request-target {quote(exchange.target)}")
    words.append(quote(url))
    words += [f"-H {quote(field)}" for field in _list_fields(exchange, place)]
    return _add_body(words, exchange) if _has_body(exchange) else " ".join(words)


def _list_method_arguments(exchange: Exchange) -> list[str]:
    method, has_body = exchange.method, _has_body(exchange)
    if method == "HEAD" and not has_body:
        return ["--head"]
    return [] if method == ("POST" if has_body else "GET") else [f"-X {quote(method)}"]


def _list_url_arguments(url: str) -> list[str]:
    arguments = []
    if _DOTS(url.partition("://")[2].partition("?")[0]):
        arguments.append("--path-as-is")
    if not set("[]{}").isdisjoint(url):
        arguments.append("--globoff")
    return arguments


def _has_body(exchange: Exchange) -> bool:
    headers = exchange.request_headers
    return bool(exchange.request_body) or b"content-length" in headers or _is_chunked(exchange)


def _is_chunked(exchange: Exchange) -> bool:
    return b"transfer-encoding" in exchange.request_headers


def _add_body(words: list[str], exchange: Exchange) -> str:
    body = exchange.request_body
    if len(body) <= _ARGUMENT_BYTES and _is_text(body):
        return " ".join([*words, f"--data-raw {quote(body)}"])
    return f"{_print_bytes(body)} | {' '.join(words)} --data-binary @-"


def _print_bytes(data: bytes) -> str:
    return f"printf %s {quote(base64.b64encode(data))} | base64 --decode"


def _is_text(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() or all(one.isprintable() or one in _TEXT_CONTROLS for one in text)


def _list_notes(exchange: Exchange) -> list[str]:
    notes = []
    content, length = exchange.request_content, exchange.request_body_length
    stated = exchange.request_headers.text("content-length", "")
    if isinstance(content, BodyRecord) and not content.is_complete:
        kept = len(content.kept)
        notes.append(f"# the body had {length} bytes, only the first {kept} were recorded")
    elif stated.isdecimal() and int(stated) != length:
        notes.append(f"# the body was announced with {stated} bytes, {length} of them were read")
    if exchange.request_trailers:
        notes.append("# the body had trailer fields, which curl cannot send")
    return notes


def _list_fields(exchange: Exchange, place: _Place) -> list[bytes]:
    """List the arguments of -H, without what curl sends by itself."""
    raw = exchange.request_headers.raw
    left_out = {b"host"} if len(place.hosts) <= 1 else set()
    if _has_body(exchange) and not _is_chunked(exchange):
        left_out.add(b"content-length")
    fields = [(name, value) for name, value in raw if name.lower() not in left_out]
    made = _leave_to_curl(fields)
    names = {name.lower() for name, _ in fields}
    if _has_body(exchange):
        made += [b"Content-Type"]
        # Which curl sends before it sends so much.
        made += [b"Expect"] if len(exchange.request_body) >= MIB else []
    suppressed = [name + b":" for name in made if name.lower() not in names]
    return [*_list_host(place), *map(_format_field, fields), *suppressed]


def _leave_to_curl(fields: RawHeaders) -> list[bytes]:
    """Take off the fields that curl sends first; return the names it must not send."""
    unwanted = []
    for name, is_own in ((b"User-Agent", _CURLS_AGENT), (b"Accept", _CURLS_ACCEPT)):
        if fields and fields[0][0] == name and is_own(fields[0][1]):
            del fields[0]
        else:
            unwanted.append(name)
    return unwanted


def _list_host(place: _Place) -> list[bytes]:
    if not place.hosts:
        return [b"Host:"]
    is_own = len(place.hosts) > 1 or place.hosts[0] == place.own_host.encode()
    return [] if is_own else [_format_field((b"Host", place.hosts[0]))]


def _format_field(field: tuple[bytes, bytes]) -> bytes:
    name, value = field
    # A field that ends in a colon is one to leave out, in curl's language.
    return name + b": " + value if value else name + b";"


# Where the request goes


class _Place(NamedTuple):
    """Where a request goes, as curl is told.

    Attributes:
        base: the URL's beginning, without a path.
        own_host: the Host field that curl makes of it.
        connect_to: the argument that leads to another address; "" for none.
        hosts: the values of the request's Host fields.
    """

    base: str
    own_host: str
    connect_to: str
    hosts: list[bytes]


def _find_place(exchange: Exchange) -> _Place:
    connection = exchange.connection
    scheme = "https" if connection.is_tls else "http"
    hosts = list(exchange.request_headers.get(b"host", []))
    address = connection.local if connection.role == "server" else connection.peer
    stated = _parse_authority(hosts[0].decode("latin-1"), scheme) if len(hosts) == 1 else None
    if not _has_port(address):
        name, port = stated or ("localhost", _default_port(scheme))
        return _Place(*_compose_base(scheme, name, port), "", hosts)
    reached = (_bracket(address[0]), address[1])
    name, port = _choose_authority(connection, stated, reached)
    is_direct = port == reached[1] and (name == reached[0] or _is_loopback(name, reached[0]))
    connect_to = "" if is_direct else f"::{reached[0]}:{reached[1]}"
    return _Place(*_compose_base(scheme, name, port), connect_to, hosts)


def _choose_authority(
    connection: ConnectionInfo, stated: tuple[str, int] | None, reached: tuple[str, int]
) -> tuple[str, int]:
    if not connection.is_tls:
        return stated or reached
    # The URL's name is what curl sends as SNI and looks for in the certificate.
    sni = (connection.sni or "").lower()
    if stated is not None and (stated[0] == sni or (not sni and stated[0] == reached[0])):
        return stated
    return (sni, reached[1]) if _DNS_NAME(sni) else reached


def _compose_base(scheme: str, name: str, port: int) -> tuple[str, str]:
    host = name if port == _default_port(scheme) else f"{name}:{port}"
    return f"{scheme}://{host}", host


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _parse_authority(value: str, scheme: str) -> tuple[str, int] | None:
    """Split a Host value if curl would send the same; None if it might not."""
    found = _AUTHORITY(value)
    if found is None:
        return None
    name, port = found[1], int(found[2] or _default_port(scheme))
    if _DNS_NAME(name):
        return (name, port) if 0 < port < 65536 else None
    try:
        is_canonical = str(ipaddress.ip_address(name.strip("[]"))) == name.strip("[]")
    except ValueError:
        return None
    return (name, port) if is_canonical and 0 < port < 65536 else None


def _has_port(address: tuple[object, ...]) -> bool:
    # A unix socket's address has none.
    return len(address) >= 2 and bool(address[0])


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(name: str, host: str) -> bool:
    return name == "localhost" and host in ("127.0.0.1", "[::1]")


def _format_unparsed(exchange: Exchange) -> str:
    connection = exchange.connection
    address = connection.local if connection.role == "server" else connection.peer
    if not _has_port(address):
        return "# the request does not parse, and its server has no port to send it to"
    host, port = address[0], address[1]
    sender = f"nc {quote(host)} {port}"
    if connection.is_tls:
        sender = f"openssl s_client -quiet -connect {quote(f'{_bracket(host)}:{port}')}"
    note = "# the request does not parse, so that curl cannot send it"
    return f"{note}\n{_print_bytes(exchange.request_head.raw)} | {sender}"
