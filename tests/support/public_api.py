"""The public names with their signatures, as lines of text that can be compared and kept."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import kit
import kit.testing

MODULES: dict[str, ModuleType] = {
    "kit": kit,
    "kit.faults": kit.faults,
    "kit.har": kit.har,
    "kit.testing": kit.testing,
}
"""The public modules by the names they are imported by."""

# What a default looks like that is an object of no value of its own.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_SET = re.compile(r"(?<=frozenset\(\{)[^}]*(?=\}\))")


def describe_api() -> Iterator[str]:
    """Give a line for each public name, and for each public member of a class."""
    for path, module in MODULES.items():
        for name in sorted(module.__all__):
            yield from _describe(f"{path}.{name}", getattr(module, name))


def _describe(name: str, thing: Any) -> Iterator[str]:
    if inspect.ismodule(thing):
        yield f"{name}: module"
    elif inspect.isclass(thing):
        yield from _describe_class(name, thing)
    elif callable(thing):
        yield f"{name}{_sign(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}"


def _describe_class(name: str, thing: type[Any]) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
    yield f"class {name}({bases})"
    if issubclass(thing, enum.Enum):
        yield from (f"{name}.{member.name} = {member.value!r}" for member in thing)
        return
    if _is_ours(thing.__init__):
        yield f"{name}{_sign(thing.__init__)}"
    for attribute, member in sorted(list_members(thing).items()):
        if isinstance(member, property):
            yield f"{name}.{attribute}: property{_sign(member.fget)}"
        elif isinstance(member, classmethod | staticmethod):
            yield f"{name}.{attribute}{_sign(member.__func__)}"
        elif inspect.isfunction(member):
            yield f"{name}.{attribute}{_sign(member)}"


def list_members(thing: type[Any]) -> dict[str, Any]:
    """Return the public members, with those of bases that are not public themselves."""
    return {
        attribute: member
        for each in reversed(thing.__mro__)
        if _is_ours(each)
        for attribute, member in vars(each).items()
        if not attribute.startswith("_")
    }


def _is_ours(thing: Any) -> bool:
    return getattr(thing, "__module__", "").partition(".")[0] == "kit"


def _sign(function: Any) -> str:
    text = _ADDRESS.sub("", str(inspect.signature(function)))
    return _SET.sub(lambda found: ", ".join(sorted(found[0].split(", "))), text)


if __name__ == "__main__":
    print(*describe_api(), sep="\n")  # noqa: T201 - written to where the test reads it
