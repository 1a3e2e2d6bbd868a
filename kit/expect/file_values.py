"""Expected values in stub files: plain JSON in which some objects stand for more.

An object with one member whose name begins with `$` is a marker; every other value
stands for itself.

| marker | stands for |
|---|---|
| `{"$regex": "[a-z]+"}` | text that the expression matches as a whole |
| `{"$partial": value}` | what holds the value among other things |
| `{"$any": true}` | any value |
| `{"$absent": true}` | that there is none; outside JSON `null` says the same |
| `{"$base64": "AAE="}` | bytes, as a body |
| `{"$type": "integer"}` | in JSON: values of a type, named as in JSON Schema |
| `{"$paths": {"user.name": value}}` | in JSON: values at places, whatever stands elsewhere |
| `{"$literal": {"$ref": "a"}}` | an object that is no marker although it looks like one |
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from types import EllipsisType, NoneType
from typing import Any, Final, NoReturn

from kit.errors import ConfigurationError
from kit.expect.diff import AtPaths
from kit.expect.matchers import Partial, absent
from kit.expect.wording import describe_callable, shorten

TYPES: Final[dict[str, type]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": NoneType,
}
"""The types of JSON by their names in JSON Schema."""

_IN_TEXT: Final = ("$regex", "$partial", "$any", "$absent")
_IN_BODY: Final = ("$regex", "$partial", "$any", "$base64")
_IN_FIELDS: Final = ("$partial", "$literal")
_IN_JSON: Final = (*_IN_TEXT, "$type", "$paths", "$literal")

_TYPE_NAMES: Final = {kind: name for name, kind in TYPES.items()}
_FLAGS: Final = {
    re.ASCII: "a",
    re.IGNORECASE: "i",
    re.MULTILINE: "m",
    re.DOTALL: "s",
    re.VERBOSE: "x",
}


# From a file


def read_fields(value: Any, where: str) -> Any:
    """Make what is expected of named values, such as a query, of what the file says.

    Args:
        value: an object of values by name, perhaps in `$partial`.
        where: its place in the file, for the message.

    Raises:
        ConfigurationError: it is not of that form.
    """
    name, inner = _split_marker(value, _IN_FIELDS, where)
    where = f"{where}.{name}" if name else where
    if name == "$partial":
        return Partial(read_fields(inner, where))
    fields = inner if name else value
    if not isinstance(fields, dict):
        _fail(where, f"an object of values by name, got {_show(fields)}")
    return {each: read_text(expected, f"{where}.{each}") for each, expected in fields.items()}


def read_text(value: Any, where: str) -> Any:
    """Make what is expected of a text; a list stands for several values of one name."""
    if isinstance(value, list):
        return [_read_text(each, f"{where}[{index}]") for index, each in enumerate(value)]
    return _read_text(value, where)


def read_body(value: Any, where: str) -> Any:
    """Make what is expected of a body that is not JSON."""
    name, inner = _split_marker(value, _IN_BODY, where)
    if name == "$base64":
        return read_base64(inner, f"{where}.$base64")
    return _read_marker(name, inner, where) if name else _check_text(value, where)


def read_json(value: Any, where: str) -> Any:
    """Make what is expected of a JSON document."""
    name, inner = _split_marker(value, _IN_JSON, where)
    if name == "$literal":
        return _read_members(inner, f"{where}.$literal")
    if name:
        return _read_marker(name, inner, where, read_json)
    if isinstance(value, list):
        return [read_json(each, f"{where}[{index}]") for index, each in enumerate(value)]
    return _read_members(value, where) if isinstance(value, dict) else value


def read_base64(value: Any, where: str) -> bytes:
    """Decode base64 (RFC 4648 section 4)."""
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ConfigurationError(f"{where}: expected base64, got {_show(value)}: {error}") from None


def _read_text(value: Any, where: str) -> Any:
    name, inner = _split_marker(value, _IN_TEXT, where)
    return _read_marker(name, inner, where) if name else _check_text(value, where)


def _check_text(value: Any, where: str) -> Any:
    if isinstance(value, dict | list):
        _fail(where, f"text, got {_show(value)}")
    if isinstance(value, bool):
        _fail(where, f'text, got {_show(value)}: write it as the request does, "true" or "1"')
    return value


def _read_members(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail(where, f"an object, got {_show(value)}")
    return {name: read_json(each, f"{where}.{name}") for name, each in value.items()}


def _read_marker(
    name: str, inner: Any, where: str, read: Callable[[Any, str], Any] = _read_text
) -> Any:
    where = f"{where}.{name}"
    if name == "$regex":
        return _compile(inner, where)
    if name == "$partial":
        return Partial(read(inner, where))
    if name == "$type":
        return _find_type(inner, where)
    if name == "$paths":
        if not isinstance(inner, dict) or not inner:
            _fail(where, f"an object of values by path, got {_show(inner)}")
        return AtPaths({path: read(each, f"{where}.{path}") for path, each in inner.items()})
    if inner is not True:
        _fail(where, f"true, got {_show(inner)}")
    return ... if name == "$any" else absent


def _split_marker(value: Any, known: tuple[str, ...], where: str) -> tuple[str, Any]:
    """Give the marker's name and its value; "" for what is none."""
    if not isinstance(value, dict) or len(value) != 1:
        return "", None
    ((name, inner),) = value.items()
    if not name.startswith("$"):
        return "", None
    if name not in known:
        hint = '; an object that is meant as it stands goes into {"$literal": ...}'
        _fail(where, f"one of {', '.join(known)}, got {name}{hint if '$literal' in known else ''}")
    return name, inner


def _compile(value: Any, where: str) -> re.Pattern[str]:
    if not isinstance(value, str):
        _fail(where, f"a regular expression, got {_show(value)}")
    try:
        return re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigurationError(
            f"{where}: {_show(value)} is no regular expression: {error}"
        ) from None


def _find_type(value: Any, where: str) -> type:
    kind = TYPES.get(value) if isinstance(value, str) else None
    if kind is None:
        _fail(where, f"one of {', '.join(TYPES)}, got {_show(value)}")
    return kind


# To a file


def write_fields(value: Any, where: str) -> Any:
    """Write what is expected of named values.

    Raises:
        ConfigurationError: it holds what a file cannot, such as a function; it is named.
    """
    if isinstance(value, Partial):
        return {"$partial": write_fields(value.value, where)}
    fields = {
        _to_text(name): _write_values(each, f"{where} {_to_text(name)!r}")
        for name, each in value.items()
    }
    return {"$literal": fields} if _looks_marked(fields) else fields


def write_body(value: Any, where: str) -> Any:
    """Write what is expected of a body that is not JSON."""
    if isinstance(value, bytes | bytearray):
        return {"$base64": base64.b64encode(value).decode()}
    return _write_text(value, where)


def write_json(value: Any, where: str) -> Any:
    """Write what is expected of a JSON document."""
    if isinstance(value, Mapping):
        members = {str(name): write_json(each, f"{where}.{name}") for name, each in value.items()}
        return {"$literal": members} if _looks_marked(members) else members
    if isinstance(value, list | tuple):
        return [write_json(each, f"{where}[{index}]") for index, each in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, AtPaths):
        places = {path: write_json(each, f"{where}.{path}") for path, each in value.values.items()}
        return {"$paths": places}
    if isinstance(value, type) and value in _TYPE_NAMES:
        return {"$type": _TYPE_NAMES[value]}
    return _write_marker(value, where, write_json)


def _write_values(value: Any, where: str) -> Any:
    if isinstance(value, list | tuple):
        return [_write_text(each, f"{where}[{index}]") for index, each in enumerate(value)]
    return None if value is absent else _write_text(value, where)


def _write_text(value: Any, where: str) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if value is None or isinstance(value, str | int | float):
        return value
    return _write_marker(value, where, _write_text)


def _write_marker(value: Any, where: str, write: Callable[[Any, str], Any]) -> Any:
    if isinstance(value, EllipsisType):
        return {"$any": True}
    if value is absent:
        return {"$absent": True}
    if isinstance(value, re.Pattern):
        return {"$regex": _write_regex(value, where)}
    if isinstance(value, Partial):
        return {"$partial": write(value.value, where)}
    what = describe_callable(value) if callable(value) else shorten(repr(value), 160)
    kind = "the function " if callable(value) and not isinstance(value, type) else ""
    raise ConfigurationError(f"{where}: {kind}{what} cannot be written to a file")


def _write_regex(pattern: re.Pattern[Any], where: str) -> str:
    """Write an expression with the flags that its own text does not set."""
    text = pattern.pattern
    if not isinstance(text, str):
        raise ConfigurationError(
            f"{where}: the expression {shorten(repr(text), 160)} of bytes cannot be written "
            "to a file: give one of str"
        )
    own = re.compile(text).flags
    missing = "".join(
        letter for flag, letter in _FLAGS.items() if pattern.flags & flag and not own & flag
    )
    if not missing:
        return text
    # With x the text may end in a comment, which only a line's end ends.
    written = f"(?{missing}:{text}{chr(10) if 'x' in missing else ''})"
    try:
        re.compile(written)
    except re.error:
        raise ConfigurationError(
            f"{where}: the flags of {shorten(repr(pattern), 160)} cannot be written to a file: "
            "set all of them in its text"
        ) from None
    return written


def _looks_marked(members: Mapping[str, object]) -> bool:
    return len(members) == 1 and next(iter(members)).startswith("$")


def _to_text(name: object) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else str(name)


def _show(value: object) -> str:
    return shorten(repr(value), 160)


def _fail(where: str, text: str) -> NoReturn:
    raise ConfigurationError(f"{where}: expected {text}")
