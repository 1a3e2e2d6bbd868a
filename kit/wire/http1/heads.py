"""From the bytes of a complete head to what it says (RFC 9112 sections 3, 4 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import RemoteProtocolError
from kit.wire.http1.buffers import head_too_long
from kit.wire.http1.events import RequestHead, ResponseHead
from kit.wire.http1.fields import show
from kit.wire.http1.start_lines import (
    MAX_STATUS_LINE_BYTES,
    check_host,
    explain_request_line,
    explain_status_line,
    match_request_line,
    match_status_line,
    resolve_authority,
)

if TYPE_CHECKING:
    from kit.limits import Limits
    from kit.wire.http1.fields import FieldBlock, FieldParser


def parse_request_head(
    raw: bytes, parser: FieldParser, limits: Limits, *, may_skip_crlf: bool
) -> RequestHead:
    """Parse a head, from the request line through the blank line.

    Args:
        may_skip_crlf: one empty line before the request line is ignored.

    Raises:
        RemoteProtocolError: 400, 414, 417, 431, 501 or 505.
    """
    found = match_request_line(raw)
    if found is None and may_skip_crlf and raw.startswith(b"\r\n"):
        # RFC 9112 section 2.2: one empty line before a request line is ignored.
        raw = raw[2:]
        found = match_request_line(raw)
    if found is None or len(found[2]) > limits.target_bytes:
        raise explain_request_line(raw, limits.target_bytes)
    if len(raw) > limits.head_bytes:
        raise head_too_long(limits.head_bytes)
    raw_method, raw_target, minor = found.groups()
    method = raw_method.decode()
    target = raw_target.decode()
    is_current = minor != b"0"
    version = "1.1" if is_current else "1.0"
    fields = parser.parse(raw[found.end() :])
    if fields.is_chunked and not is_current:
        # RFC 9112 section 6.1: treat the framing of a 1.0 message with it as faulty.
        raise RemoteProtocolError("transfer-encoding in an http/1.0 request")
    host = fields.host
    if host is None or (is_current and not fields.hosts):
        host = fields.host = check_host(fields.hosts, version)
    if target[0] != "/" or method == "CONNECT":
        host = resolve_authority(method, target, host, has_host=bool(fields.hosts))
    has_body = fields.is_chunked or bool(fields.content_length)
    # RFC 9110 sections 7.8 and 10.1.1: Upgrade and Expect are ignored in 1.0 requests,
    # and Upgrade without the connection option.
    return RequestHead(
        method,
        target,
        version,
        fields.pairs.copy(),
        raw,
        fields.content_length,
        fields.is_chunked,
        has_body,
        _is_kept_alive(fields, is_current=is_current) if fields.connection else is_current,
        _expects_continue(fields) and has_body if is_current and fields.expect else False,
        fields.upgrade if is_current and b"upgrade" in fields.connection else "",
        host,
    )


def parse_response_head(raw: bytes, parser: FieldParser, limits: Limits) -> ResponseHead:
    """Parse a head, from the status line through the blank line.

    `has_body` depends on the request, and is left false.

    Raises:
        RemoteProtocolError: the head is malformed or passes a limit.
    """
    found = match_status_line(raw)
    if found is None or found.end() - 2 > MAX_STATUS_LINE_BYTES:
        raise explain_status_line(raw)
    if len(raw) > limits.head_bytes:
        raise head_too_long(limits.head_bytes)
    minor, digits, reason = found.groups()
    fields = parser.parse(raw[found.end() :])
    is_current = minor != b"0"
    if fields.is_chunked and not is_current:
        # RFC 9112 section 6.1: treat the framing of a 1.0 message with it as faulty.
        raise RemoteProtocolError("transfer-encoding in an http/1.0 response")
    status = int(digits)
    return ResponseHead(
        status,
        (reason or b"").decode("latin-1"),
        "1.1" if is_current else "1.0",
        fields.pairs.copy(),
        raw,
        fields.content_length,
        fields.is_chunked,
        has_body=False,
        keep_alive=_is_kept_alive(fields, is_current=is_current),
        is_informational=status < 200,
    )


def _is_kept_alive(fields: FieldBlock, *, is_current: bool) -> bool:
    """Tell whether the sender keeps the connection open (RFC 9112 section 9.3)."""
    options = fields.connection
    return b"close" not in options and (is_current or b"keep-alive" in options)


def _expects_continue(fields: FieldBlock) -> bool:
    if fields.expect != [b"100-continue"]:
        # RFC 9110 section 10.1.1: 417 for an expectation that is not known.
        msg = f"expectation {show(b', '.join(fields.expect))} is not known"
        raise RemoteProtocolError(msg, 417)
    return True
