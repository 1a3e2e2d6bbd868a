"""What a condition is, and what it says of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kit.expect.seen import Seen


class Check(NamedTuple):
    """One condition as it came out for one request.

    Attributes:
        ok: whether it was held.
        text: the condition and, where it was not held, why.
        diff: further lines, such as the differences of a JSON document.
    """

    ok: bool
    text: str
    diff: tuple[str, ...] = ()

    def format(self, indent: str = "") -> list[str]:
        """Write it as lines, the first one with its mark."""
        lines = [f"{indent}{'✓' if self.ok else '✗'} {self.text}"]
        return lines + [f"{indent}    {line}" for line in self.diff]


class Condition:
    """One thing that a stub asks of a request.

    Attributes:
        kind: the argument it was given as.
        given: what was given.
        needs_body: whether it looks at the body.
        weight: how far a request is off that does not hold it.
    """

    __slots__ = ("given",)

    kind = ""
    needs_body = False
    weight = 1

    def __init__(self, given: object) -> None:
        self.given: object = given

    def is_held(self, seen: Seen) -> bool:
        """Tell whether the request holds it."""
        raise NotImplementedError

    def explain(self, seen: Seen) -> list[Check]:
        """Tell how it came out."""
        raise NotImplementedError

    def is_same(self, other: Condition) -> bool:
        """Tell whether two conditions surely take the same requests."""
        # By their text too, as 1 is equal to True in Python and not in JSON.
        try:
            is_equal = bool(self.given == other.given)
        except Exception:  # noqa: BLE001 - what cannot be compared is not surely the same
            return False
        return is_equal and type(self) is type(other) and repr(self.given) == repr(other.given)
