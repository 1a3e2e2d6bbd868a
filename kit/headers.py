"""Header fields as they came: every one, in order, found by any case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from kit.errors import LocalProtocolError

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
FieldName: TypeAlias = str | bytes
FieldValue: TypeAlias = str | bytes
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
# Values are FieldValue, or iterables of it; said as Any because a dict with both
# is inferred as something that no precise type takes.
HeadersLike: TypeAlias = (
    Mapping[str, Any] | Mapping[bytes, Any] | Iterable[tuple[FieldName, FieldValue]]
)

# RFC 9110 section 5.6.2: token = 1*tchar.
_TCHARS = b"!#$%&'*+-.^_`|~0123456789" + bytes(range(65, 91)) + bytes(range(97, 123))
# RFC 9110 section 5.5: a field value holds no control character but HTAB.
_CONTROLS = bytes(range(9)) + bytes(range(10, 32)) + b"\x7f"
# A list element with quoted strings in it; a quote that is never closed is an
# ordinary character. The alternatives start differently, so this is linear
# but for unclosed quotes, of which each is looked at once.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Headers(Mapping[bytes, list[bytes]]):
    """A read-only, case-insensitive multi-map of header fields (RFC 9110 section 5).

    As a mapping it is `lower-cased name -> list of values`; names are looked
    up as `str` or `bytes`, in any case. `raw` has the fields in the order and
    case in which they came.

    Args:
        items: another `Headers`, a dict with single values or lists of them,
            or pairs; names and values are `str` (latin-1) or `bytes`.

    Raises:
        LocalProtocolError: a `str` does not fit into latin-1.
        TypeError: a name or value is neither `str` nor `bytes`.
    """

    __slots__ = ("_index", "_raw")

    _raw: RawHeaders
    _index: dict[bytes, list[bytes]] | None

    def __init__(self, items: HeadersLike | None = None) -> None:
        self._index = None
        self._raw = [] if items is None else _encode_items(items)

    @classmethod
    def from_raw(cls, raw: RawHeaders) -> Self:
        """Wrap pairs that a parser made, with neither a copy nor a check."""
        self = cls.__new__(cls)
        self._raw = raw
        self._index = None
        return self

    @property
    def raw(self) -> RawHeaders:
        """The fields as pairs, in the order and case in which they came."""
        return self._raw

    def _lookup(self) -> dict[bytes, list[bytes]]:
        index = self._index
        if index is None:
            index = {}
            for name, value in self._raw:
                index.setdefault(name.lower(), []).append(value)
            # Assigned once it is whole: another thread may be reading.
            self._index = index
        return index

    def __getitem__(self, name: FieldName) -> list[bytes]:
        """Give all values of a field.

        Raises:
            KeyError: there is no such field; it names the field as given.
        """
        values = self._lookup().get(_fold(name))
        if values is None:
            raise KeyError(name)
        return values

    @overload
    def get(self, name: FieldName, /) -> list[bytes] | None: ...
    @overload
    def get(self, name: FieldName, /, default: list[bytes] | T) -> list[bytes] | T: ...
    def get(self, name: FieldName, /, default: object = None) -> object:
        """Give all values of a field, or `default` where there is none."""
        return self._lookup().get(_fold(name), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str | bytes) and _fold(name) in self._lookup()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lookup())

    def __len__(self) -> int:
        return len(self._lookup())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._lookup() == other._lookup()
        if isinstance(other, Mapping):
            try:
                return self._lookup() == Headers(other)._lookup()
            except (TypeError, LocalProtocolError):
                return False
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to dicts, which have none

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in self._raw
        )
        return f"<Headers {fields}>" if fields else "<Headers (none)>"

    @overload
    def first(self, name: FieldName) -> bytes | None: ...
    @overload
    def first(self, name: FieldName, default: bytes | T) -> bytes | T: ...
    def first(self, name: FieldName, default: object = None) -> object:
        """Give the first value of a field, or `default` where there is none."""
        values = self._lookup().get(_fold(name))
        return values[0] if values else default

    @overload
    def text(self, name: FieldName) -> str | None: ...
    @overload
    def text(self, name: FieldName, default: str | T) -> str | T: ...
    def text(self, name: FieldName, default: object = None) -> object:
        """Give a field as latin-1 text, its lines joined by ", " (RFC 9110 section 5.3)."""
        values = self._lookup().get(_fold(name))
        return b", ".join(values).decode("latin-1") if values else default

    def tokens(self, name: FieldName) -> list[str]:
        """Give the elements of a comma-separated field (RFC 9110 section 5.6.1).

        They are lower-cased and stripped, with their parameters; empty ones
        are left out, and a comma in a quoted string does not separate.
        """
        text = self.text(name, "")
        return [element for part in _split_list(text.lower()) if (element := part.strip(" \t"))]


def check_fields(headers: Headers) -> None:
    """Check that fields can be sent (RFC 9110 section 5).

    Raises:
        LocalProtocolError: a name is not a token, or a value holds a control
            character; it names the field.
    """
    for name, value in headers.raw:
        if not name or name.translate(None, _TCHARS):
            msg = f"header name {name!r} is not a token (RFC 9110 section 5.6.2)"
            raise LocalProtocolError(msg)
        if value.translate(None, _CONTROLS) != value:
            at = next(at for at, octet in enumerate(value) if octet in _CONTROLS)
            msg = (
                f"header {name.decode()} holds the control character {value[at : at + 1]!r} at "
                f"index {at} of its value; only a tab is allowed"
            )
            raise LocalProtocolError(msg)


def _fold(name: FieldName) -> bytes:
    """Make the key of a name.

    A character outside latin-1 becomes "?", which no field name can hold.
    """
    return (name.encode("latin-1", "replace") if isinstance(name, str) else name).lower()


def _encode_items(items: object) -> RawHeaders:
    # Exact types first: to ask for an abstract one takes longer than all the rest.
    if type(items) is dict:
        pairs: Any = items.items()
    elif isinstance(items, Headers):
        return items._raw
    else:
        pairs = items.items() if isinstance(items, Mapping) else items
        if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
            msg = f"headers must be a dict or a list of pairs, not {pairs!r}"
            raise TypeError(msg)
    raw: RawHeaders = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            msg = f"headers must be a dict or a list of (name, value) pairs; it holds {pair!r}"
            raise TypeError(msg)
        name, values = pair
        raw_name = _encode(name, "name", name)
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raw.append((raw_name, _encode(values, "value", name)))
        else:
            raw += [(raw_name, _encode(value, "value", name)) for value in values]
    return raw


def _encode(text: object, what: str, name: object) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        msg = f"header {name!r}: its {what} is {type(text).__name__}, expected str or bytes"
        raise TypeError(msg)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        msg = (
            f"header {name!r}: its {what} {text!r} does not fit into latin-1; "
            "give it as bytes in the encoding that the peer expects"
        )
        raise LocalProtocolError(msg) from None


def _split_list(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    parts = [""]
    at = 0
    for quoted in _QUOTED.finditer(text):
        before = text[at : quoted.start()].split(",")
        parts[-1] += before[0]
        parts += before[1:]
        parts[-1] += quoted[0]
        at = quoted.end()
    rest = text[at:].split(",")
    parts[-1] += rest[0]
    return parts + rest[1:]
