"""Bodies of multipart/form-data (RFC 7578), and what is expected of their parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kit.errors import BodyError, ConfigurationError
from kit.expect.matchers import (
    ANYTHING,
    Contains,
    Exact,
    Matcher,
    Partial,
    Predicate,
    Regex,
    absent,
    check_predicate,
    compile_text,
)
from kit.expect.wording import shorten, show_text
from kit.messages.content import media_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

MAX_PARTS: Final = 1000
"""A body of more parts is refused."""


class Part(NamedTuple):
    """One part of a multipart body.

    Attributes:
        name: the field's name.
        filename: as the client gave it; None for a field that is no file.
        content_type: the stated media type with its parameters, or "".
        content: the bytes between the part's head and the next boundary.
    """

    name: str
    filename: str | None
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class File:
    """A file expected in a multipart body; `file` makes one."""

    filename: Any
    content_type: Any
    content: Any


def file(*, filename: Any = ..., content_type: Any = ..., content: Any = ...) -> Any:
    """Expect a file in a multipart body; what is not given may be anything.

    Args:
        filename: a text or what stands for one.
        content_type: the media type without parameters, alike.
        content: bytes; a text, compared with the content as UTF-8; a compiled pattern
            of either; a function, which is given the bytes; or `partial(...)`.
    """
    return File(filename, content_type, content)


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """Split a body of multipart/form-data into its parts.

    Raises:
        BodyError: the Content-Type is another or has no boundary, the body does not
            have the form that RFC 2046 section 5.1 asks for, or has too many parts.
    """
    message = _parse_head(f"Content-Type: {content_type}\r\n\r\n")
    if media_type(content_type) != "multipart/form-data":
        kind = media_type(content_type) or "of no stated type"
        raise BodyError(f"the body is {shorten(kind, 80)}, expected multipart/form-data")
    boundary = message.get_boundary()
    if not boundary:
        raise BodyError("the Content-Type multipart/form-data has no boundary")
    # RFC 2046 section 5.1.1: the line break before a boundary belongs to it, and blanks
    # may follow it. What stands before the first and behind the last is to be ignored.
    dashes = re.escape(b"\r\n--" + boundary.encode("latin-1", "replace"))
    delimiter = re.compile(dashes + rb"(--)?[ \t]*(?:\r\n|\Z)")
    pieces = delimiter.split(b"\r\n" + body, MAX_PARTS + 2)
    # Split with one group: text, group, text, group, ..., text. A boundary ends each
    # part, and one comes before the first.
    contents, ends = pieces[2:-1:2], pieces[1::2]
    if len(ends) > MAX_PARTS + 1:
        raise BodyError(f"the multipart body has more than {MAX_PARTS} parts")
    if not ends:
        raise BodyError(f"the body holds no boundary {show_text(boundary)}")
    if b"--" not in ends:
        raise BodyError("the multipart body is cut off: its last boundary is missing")
    return [_parse_part(piece) for piece in contents[: ends.index(b"--")]]


def _parse_part(piece: bytes) -> Part:
    # A part without a head begins with the empty line.
    head, separator, content = (b"\r\n" + piece).partition(b"\r\n\r\n")
    if not separator:
        raise BodyError("a part of the multipart body has no empty line behind its head")
    message = _parse_head(head[2:].decode("utf-8", "replace") + "\r\n\r\n")
    name = message.get_param("name", header="content-disposition")
    if name is None:
        raise BodyError("a part of the multipart body has no name in its Content-Disposition")
    from email.utils import collapse_rfc2231_value

    return Part(
        collapse_rfc2231_value(name),
        message.get_filename(),
        str(message.get("content-type", "")),
        content,
    )


def _parse_head(text: str) -> Message:
    from email.parser import HeaderParser

    return HeaderParser().parsestr(text)


class PartValue:
    """What is expected of one part."""

    __slots__ = ("_content", "_content_type", "_filename", "_is_file")

    def __init__(self, expected: object, where: str) -> None:
        self._is_file = isinstance(expected, File)
        self._filename: Matcher = ANYTHING
        self._content_type: Matcher = ANYTHING
        if isinstance(expected, File):
            self._filename = compile_text(expected.filename, f"{where}: filename")
            self._content_type = compile_text(expected.content_type, f"{where}: content_type")
            self._content = _compile_content(expected.content, f"{where}: content")
        elif callable(expected):
            self._content = _TextOf(Predicate(check_predicate(expected, where)))
        else:
            self._content = _compile_content(expected, where)

    def is_held(self, part: Part) -> bool:
        """Tell whether the part is as expected."""
        return next(iter(self._find_faults(part)), None) is None

    def explain(self, part: Part) -> list[str]:
        """Say what is not as expected."""
        return self._find_faults(part)

    def describe(self) -> str:
        """Say what is expected."""
        if not self._is_file:
            return str(self._content)
        parts = [f"filename {self._filename}", f"content_type {self._content_type}"]
        return f"a file ({', '.join(parts)}, content {self._content})"

    def _find_faults(self, part: Part) -> list[str]:
        faults = []
        if self._is_file and part.filename is None:
            faults.append("expected a file, got a field without a filename")
        elif not self._filename.is_held(part.filename):
            faults.append(f"filename: {self._filename.explain(part.filename, show_text)}")
        kind = media_type(part.content_type)
        if not self._content_type.is_held(kind):
            faults.append(f"content type: {self._content_type.explain(kind, show_text)}")
        if not self._content.is_held(part.content):
            faults.append(self._content.explain(part.content, show_text))
        return faults


class _TextOf(Matcher):
    """Takes bytes whose text another matcher takes."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Matcher) -> None:
        self._inner = inner

    def is_held(self, value: Any) -> bool:
        """Tell whether the bytes are UTF-8 that the other takes."""
        text = _decode(value)
        return text is not None and self._inner.is_held(text)

    def describe(self, show: Callable[[object], str]) -> str:
        """Say what the other takes."""
        return self._inner.describe(show)

    def explain(self, value: Any, show: Callable[[object], str]) -> str:
        """Say what the other says of the text."""
        text = _decode(value)
        if text is None:
            return f"expected {self.describe(show)}, got bytes that are not UTF-8: {show(value)}"
        return self._inner.explain(text, show)


def _decode(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeError:
        return None


def _compile_content(expected: object, where: str) -> Matcher:
    matcher = compile_bytes(expected)
    if matcher is not None:
        return matcher
    if callable(expected):
        return Predicate(check_predicate(expected, where))
    if expected is ...:
        return ANYTHING
    return _TextOf(compile_text(expected, where))


def compile_bytes(expected: object) -> Matcher | None:
    """Make the matcher of what is given as bytes; None if it is not."""
    if isinstance(expected, bytes | bytearray | memoryview):
        return Exact(bytes(expected))
    if isinstance(expected, re.Pattern) and isinstance(expected.pattern, bytes):
        return Regex(expected)
    if isinstance(expected, Partial) and isinstance(expected.value, bytes) and expected.value:
        return Contains(expected.value)
    return None


class PartValues:
    """What is expected of all parts of one name: none, one, or a list of them."""

    __slots__ = ("_is_any", "_values")

    def __init__(self, expected: object, where: str) -> None:
        self._is_any = expected is ...
        is_absent = expected is None or expected is absent
        given = expected if isinstance(expected, list | tuple) else [expected]
        if not given:
            raise ConfigurationError(f"{where}: an empty list of parts; None says: must be absent")
        self._values = [] if is_absent else [PartValue(each, where) for each in given]

    def is_held(self, parts: list[Part]) -> bool:
        """Tell whether the parts, in their order, are as expected."""
        if self._is_any:
            return bool(parts)
        return len(parts) == len(self._values) and all(
            value.is_held(part) for value, part in zip(self._values, parts, strict=True)
        )

    def describe(self) -> str:
        """Say what is expected."""
        texts = [each.describe() for each in self._values]
        return "nothing" if not texts else texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"

    def explain(self, parts: list[Part]) -> str:
        """Say why the parts are not as expected."""
        if len(parts) != len(self._values):
            got = f"{len(parts)} parts" if len(parts) > 1 else "one" if parts else "nothing"
            return f"expected {self.describe()}, got {got}"
        faults = []
        for value, part in zip(self._values, parts, strict=True):
            faults += value.explain(part)
        return "; ".join(faults)
