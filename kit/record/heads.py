"""What an exchange needs of a request's head and of a route, and how it reads them."""

from __future__ import annotations

from typing import Protocol


class RecordedHead(Protocol):
    """What an exchange reads of a request's head; `RequestHead` of kit.wire has it."""

    @property
    def method(self) -> str:
        """The method token."""

    @property
    def target(self) -> str:
        """The request target as it came."""

    @property
    def http_version(self) -> str:
        """The version, "1.0" or "1.1"."""

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields, order and case as they came."""

    @property
    def raw(self) -> bytes:
        """The head's bytes, request line to blank line."""


class RecordedRoute(Protocol):
    """What an exchange reads of the route that took it; `Endpoint` of kit.routing has it."""

    @property
    def pattern(self) -> str:
        """The pattern as registered."""

    @property
    def name(self) -> str:
        """The handler's name."""

    @property
    def is_match(self) -> bool:
        """Whether it is a route, or stands in for none."""


class UnparsedHead:
    """Stands in for the head of a request that does not parse.

    Attributes:
        raw: the bytes as they came.
    """

    __slots__ = ("raw",)

    method = ""
    target = ""
    http_version = ""

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes = raw

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """No header field is known."""
        return []


def parse_fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Split a head that is known to be well formed into its header fields."""
    fields = []
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name, value.strip(b" \t")))
    return fields


def to_origin_form(target: str) -> str:
    """Return a target's path and query, also where it is a whole URI."""
    # RFC 9112 section 3.2.2: a target may also be a whole URI.
    if target.startswith("/") or "://" not in target.partition("?")[0]:
        return target
    authority_and_path = target.partition("://")[2]
    for index, character in enumerate(authority_and_path):
        if character in "/?#":
            rest = authority_and_path[index:]
            return rest if character == "/" else f"/{rest}"
    return "/"
