"""Request lines, status lines, and the authority that a request is for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kit.errors import RemoteProtocolError
from kit.wire.http1.fields import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.wire.http1.buffers import InputBuffer

MAX_METHOD_BYTES = 256
_MAX_VERSION_BYTES = 16
MAX_STATUS_LINE_BYTES = 8192

# Visible ASCII, but no fragment: RFC 9112 section 3.2.
_TARGET = rb"[!\"$-~]+"

# RFC 9110 section 2.5: a higher minor version is read as the highest that is known.
match_request_line: Callable[[bytes], re.Match[bytes] | None] = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}) (" + _TARGET + rb") HTTP/1\.(\d)\r\n"
).match

is_target: Callable[[bytes], re.Match[bytes] | None] = re.compile(_TARGET).fullmatch
_find_bad_method_byte = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]").search
_find_bad_target_byte = re.compile(rb"[^!\"$-~]").search
_is_version = re.compile(rb"HTTP/\d+(?:\.\d+)?\r?").fullmatch
_is_known_version = re.compile(rb"HTTP/1\.\d\r?").fullmatch
_find_bad_line_byte = re.compile(rb"[^\r -~]|\r.", re.DOTALL).search

# RFC 9112 section 4 wants a space behind the status even without a reason, but
# enough servers leave it out. A status over 599 is processed as a server error: RFC 9110
# section 15.
match_status_line: Callable[[bytes], re.Match[bytes] | None] = re.compile(
    rb"HTTP/1\.(\d) ([1-9]\d\d)(?: ([\t -~\x80-\xff]*))?\r\n"
).match
_has_known_version = re.compile(rb"HTTP/1\.\d ").match
_find_bad_status_byte = re.compile(rb"[^\t\r -~\x80-\xff]|\r.", re.DOTALL).search

# RFC 3986 section 3.2.2 without user information, which RFC 9110 section 4.2.4
# tells recipients to treat as an error.
_match_authority = re.compile(
    rb"(\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::(\d{0,5}))?"
).fullmatch
_is_simple_authority = re.compile(rb"[A-Za-z0-9\-._]+(?::\d{1,4})?").fullmatch
_MAX_PORT = 65535

_match_absolute = re.compile(rb"https?://([^/?]*)(?:[/?].*)?", re.IGNORECASE).fullmatch


def check_partial_request_line(buffer: InputBuffer, start: int, target_bytes: int) -> bool:
    """Refuse a request line that can no longer become valid.

    Args:
        start: the index from which on nothing has been seen before.

    Returns:
        whether the line is complete.

    Raises:
        RemoteProtocolError: 400, 414, 501 or 505.
    """
    data, first = buffer.data, buffer.position
    newline = data.find(b"\n", start)
    if newline >= 0:
        line = bytes(data[first : newline + 1])
        found = match_request_line(line)
        if found is None or len(found[2]) > target_bytes:
            raise explain_request_line(line, target_bytes)
        return True
    if _find_bad_line_byte(data, max(start - 1, first)) is not None or data.startswith(b" ", first):
        raise explain_request_line(bytes(data[first:]), target_bytes)
    blank = data.find(b" ", first, first + MAX_METHOD_BYTES + 1)
    if blank < 0:
        if len(buffer) > MAX_METHOD_BYTES:
            raise _method_too_long()
        return False
    if len(data) - blank - 1 > target_bytes:
        second = data.find(b" ", blank + 1, blank + target_bytes + 2)
        if second < 0 or len(data) - second > _MAX_VERSION_BYTES:
            raise explain_request_line(bytes(data[first:]), target_bytes)
    return False


def explain_request_line(data: bytes, target_bytes: int) -> RemoteProtocolError:
    """Return the first error in a request line that is not acceptable."""
    if data[:1] == b"\x16":
        # The record type of a TLS handshake (RFC 8446 section 5.1).
        msg = "this looks like TLS (the first byte is 0x16), but the port speaks plain http"
        return RemoteProtocolError(msg)
    line, newline, _ = data.partition(b"\n")
    method, blank, rest = line.partition(b" ")
    if not method.rstrip(b"\r"):
        return RemoteProtocolError("the request line begins with a blank or is empty")
    if len(method) > MAX_METHOD_BYTES:
        return _method_too_long()
    found = _find_bad_method_byte(method if blank else method.rstrip(b"\r"))
    if found is not None:
        return RemoteProtocolError(f"the method is not a token: it has {show(found[0])}")
    target, blank, version = rest.partition(b" ")
    return _explain_target(target.rstrip(b"\r"), target_bytes) or _explain_version(
        version, is_missing=not blank, has_newline=bool(newline)
    )


def _explain_target(target: bytes, target_bytes: int) -> RemoteProtocolError | None:
    if not target:
        return RemoteProtocolError("the request line has no target, or more than one blank")
    found = _find_bad_target_byte(target)
    if found is not None and found.start() <= target_bytes:
        if found[0] == b"#":
            return RemoteProtocolError("the request target has a fragment: a '#' is never sent")
        msg = f"the request target has a forbidden byte, {show(found[0])}: percent-encode it"
        return RemoteProtocolError(msg)
    if len(target) > target_bytes:
        msg = f"the request target is longer than the limit target_bytes of {target_bytes}"
        return RemoteProtocolError(msg, 414)
    return None


def _explain_version(version: bytes, *, is_missing: bool, has_newline: bool) -> RemoteProtocolError:
    if is_missing:
        return RemoteProtocolError("the request line has no version: http/0.9 is not spoken")
    if not _is_version(version):
        return RemoteProtocolError("the request line does not end in a version like `HTTP/1.1`")
    if not _is_known_version(version):
        msg = f"http version {show(version.rstrip())} is not supported, only 1.0 and 1.1 are"
        return RemoteProtocolError(msg, 505)
    if has_newline:
        return RemoteProtocolError("a bare LF ends the request line")
    return RemoteProtocolError("a bare CR or control character in the request line")


def _method_too_long() -> RemoteProtocolError:
    # RFC 9112 section 3: a method longer than any that is implemented gets 501.
    return RemoteProtocolError(f"the method is longer than {MAX_METHOD_BYTES} bytes", 501)


def check_partial_status_line(buffer: InputBuffer, start: int) -> bool:
    """Refuse a status line that can no longer become valid; true when it is complete.

    Raises:
        RemoteProtocolError: what it is instead.
    """
    data, first = buffer.data, buffer.position
    newline = data.find(b"\n", start)
    if newline >= 0:
        line = bytes(data[first : newline + 1])
        if match_status_line(line) is None:
            raise explain_status_line(line)
        return True
    prefix = bytes(data[first : first + 7])
    if (
        not b"HTTP/1.".startswith(prefix)
        or _find_bad_status_byte(data, max(start - 1, first)) is not None
        or len(buffer) > MAX_STATUS_LINE_BYTES
    ):
        raise explain_status_line(bytes(data[first:]))
    return False


def explain_status_line(data: bytes) -> RemoteProtocolError:
    """Return the error of a status line that is not acceptable."""
    line = data.partition(b"\n")[0].rstrip(b"\r")
    if data[:1] in (b"\x15", b"\x16"):
        # The record types of a TLS alert and handshake (RFC 8446 section 5.1).
        msg = "the response looks like TLS, but plain http was asked for"
    elif len(line) > MAX_STATUS_LINE_BYTES:
        msg = f"the status line is longer than {MAX_STATUS_LINE_BYTES} bytes"
    elif not line.startswith(b"HTTP/"):
        msg = f"the response does not begin with a status line: {show(line)}"
    elif _has_known_version(line) is None:
        msg = f"the response has an unknown http version: {show(line)}"
    elif match_status_line(line + b"\r\n") is None:
        msg = f"the status line is malformed: {show(line)}"
    else:
        msg = "a bare CR or LF in the status line"
    return RemoteProtocolError(msg)


def parse_authority(value: bytes) -> str:
    """Check `host[:port]` and return it as text; it may be empty.

    Raises:
        RemoteProtocolError: 400.
    """
    if _is_simple_authority(value):
        return value.decode()
    found = _match_authority(value)
    if found is None:
        msg = f"host is malformed: {show(value)}, expected a name or address and a port"
        raise RemoteProtocolError(msg)
    host, port = found.groups()
    if port and int(port) > _MAX_PORT:
        raise RemoteProtocolError(f"host has a port over {_MAX_PORT}: {show(value)}")
    if port is not None and not host:
        raise RemoteProtocolError(f"host has a port but no name: {show(value)}")
    if host.startswith(b"["):
        _check_ipv6(host[1:-1])
    return value.decode("ascii")


def _check_ipv6(address: bytes) -> None:
    import ipaddress  # only when an address literal is met

    try:
        ipaddress.IPv6Address(address.decode("ascii"))
    except ValueError as error:
        msg = f"host has a malformed ipv6 address: {show(address)}"
        raise RemoteProtocolError(msg) from error


def check_host(hosts: list[bytes], version: str) -> str:
    """Check the Host fields of a request and return the one value (RFC 9112 section 3.2).

    Raises:
        RemoteProtocolError: Host is missing, repeated or malformed.
    """
    if len(hosts) == 1:
        return parse_authority(hosts[0])
    if hosts:
        raise RemoteProtocolError("host is given more than once")
    if version == "1.1":
        # RFC 9112 section 3.2: a 1.1 request without Host gets 400.
        raise RemoteProtocolError("host is missing")
    return ""


def resolve_authority(method: str, target: str, host: str, *, has_host: bool) -> str:
    """Return the authority that a request is for (RFC 9112 sections 3.2 and 3.3).

    Args:
        host: the Host value, "" if it is empty or missing.

    Raises:
        RemoteProtocolError: the target's form does not fit the method, or Host is empty
            although the target names an authority.
    """
    if target[0] == "/" and method != "CONNECT":
        return host
    if target == "*" and method == "OPTIONS":
        return host
    authority = _parse_target_authority(method, target)
    if has_host and not host:
        # RFC 9112 section 3.2: an empty Host says that the target has no authority.
        raise RemoteProtocolError("host is empty, but the request target names one")
    # RFC 9112 section 3.2.2: the target's authority is used, and Host ignored.
    return authority


def _parse_target_authority(method: str, target: str) -> str:
    """Return the authority of a target in absolute form, or in authority form for CONNECT."""
    raw = target.encode("ascii")
    if method == "CONNECT":
        authority = parse_authority(raw) if _match_authority(raw) else ""
        host, _, port = authority.rpartition(":")
        if not host or not port.isdigit():
            msg = f"the target of CONNECT is {show(raw)}, expected `host:port`"
            raise RemoteProtocolError(msg)
        return authority
    found = _match_absolute(raw)
    if found is None:
        msg = f"the target of {method} is {show(raw)}, expected a path or an http url"
        raise RemoteProtocolError(msg)
    authority = parse_authority(found[1])
    if not authority:
        raise RemoteProtocolError(f"the request target has no host: {show(raw)}")
    return authority
