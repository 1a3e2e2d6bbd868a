"""Conditions on named values: query, headers, cookies, forms."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from kit.errors import BodyError, ConfigurationError
from kit.expect.checks import Check, Condition
from kit.expect.matchers import Partial, Values
from kit.expect.multipart import PartValues
from kit.expect.wording import shorten, show_text
from kit.routing.resource import is_token

if TYPE_CHECKING:
    from kit.expect.seen import Seen

MAX_CHECKS: Final = 12
"""Checks that one condition shows of its names."""


class FieldsCondition(Condition):
    """Named values: the parameters of a query, the fields of a form, header fields, cookies.

    Args:
        given: a dict of what is expected by name.
    """

    __slots__ = ("_expected", "_is_exact")

    noun = ""
    is_always_partial = False

    def __init__(self, given: object) -> None:
        super().__init__(given)
        self._is_exact = not (self.is_always_partial or isinstance(given, Partial))
        fields = given.value if isinstance(given, Partial) else given
        if not isinstance(fields, Mapping):
            raise ConfigurationError(
                f"{self.kind} takes a dict of values by name, not {shorten(repr(given), 160)}"
                f"{self.advise(given)}"
            )
        self._expected: dict[str, Any] = {}
        for name, value in fields.items():
            checked = self.check_name(name)
            self._expected[checked] = self.compile(value, f"{self.kind} {show_text(checked)}")

    def advise(self, given: object) -> str:
        """Say what to write in place of what cannot be taken."""
        if callable(given):
            return ": a function of the whole request is given as match="
        return ""

    def check_name(self, name: object) -> str:
        """Return a name if it can be one."""
        if not isinstance(name, str):
            raise ConfigurationError(f"{self.kind} takes names of str, not {name!r}")
        return name

    def compile(self, expected: object, where: str) -> Any:
        """Make what the values of a name are compared with."""
        return Values(expected, where)

    def find(self, seen: Seen) -> Mapping[str, list[Any]]:
        """Find the request's values.

        Raises:
            BodyError: they are in a body that does not parse.
        """
        raise NotImplementedError

    def is_held(self, seen: Seen) -> bool:
        """Compare the values of each name, and the names."""
        try:
            found = self.find(seen)
        except BodyError:
            return False
        if self._is_exact and any(name not in self._expected for name in found):
            return False
        return all(values.is_held(found.get(name, [])) for name, values in self._expected.items())

    def explain(self, seen: Seen) -> list[Check]:
        """Tell of each name how it came out."""
        try:
            found = self.find(seen)
        except BodyError as error:
            return [Check(ok=False, text=f"{self.kind}: {shorten(str(error))}")]
        checks = [
            self._check(name, values, found.get(name, []))
            for name, values in self._expected.items()
        ]
        checks += self._explain_others(found)
        checks.sort(key=_is_ok)  # the failed ones first, in case there are too many
        if len(checks) > MAX_CHECKS:
            rest = checks[MAX_CHECKS:]
            more = Check(ok=_is_ok(rest[0]), text=f"{self.kind}: {len(rest)} more")
            checks = [*checks[:MAX_CHECKS], more]
        return checks or [Check(ok=True, text=f"{self.kind}: none")]

    def _explain_others(self, found: Mapping[str, list[Any]]) -> list[Check]:
        if not self._is_exact:
            return []
        return [
            Check(ok=False, text=f"{self._name(name)}: unexpected, got {self.show(values)}")
            for name, values in islice(found.items(), MAX_CHECKS * 100)
            if name not in self._expected
        ]

    def _check(self, name: str, values: Any, got: list[Any]) -> Check:
        if values.is_held(got):
            text = f"{self._name(name)}: {self.show(got) if got else 'absent'}"
            return Check(ok=True, text=shorten(text))
        return Check(ok=False, text=f"{self._name(name)}: {shorten(values.explain(got), 400)}")

    def show(self, values: list[Any]) -> str:
        """Show the values of one name."""
        return show_text(values[0] if len(values) == 1 else values)

    def _name(self, name: str) -> str:
        return f"{self.noun} {shorten(name, 80)}"


class QueryCondition(FieldsCondition):
    """The query's parameters: all of them, or with `partial` some."""

    __slots__ = ()

    kind = "query"
    noun = "query"

    def __init__(self, given: object) -> None:
        if isinstance(given, str):
            given = parse_qs(given.removeprefix("?"), keep_blank_values=True)
        super().__init__(given)

    def advise(self, given: object) -> str:
        """Have bytes written as text."""
        is_bytes = isinstance(given, bytes)
        return ": write it as a str" if is_bytes else super().advise(given)

    def find(self, seen: Seen) -> dict[str, list[str]]:
        """Take the decoded parameters."""
        return seen.query()


class HeadersCondition(FieldsCondition):
    """Some header fields: a list is compared line by line, a value with all lines joined."""

    __slots__ = ()

    kind = "headers"
    noun = "header"
    is_always_partial = True

    def check_name(self, name: object) -> str:
        """Return a field name in lower case."""
        if isinstance(name, bytes):
            name = name.decode("latin-1")
        if not is_token(name):
            raise ConfigurationError(
                f'headers takes field names such as "X-Token", not {shorten(repr(name), 160)}'
            )
        return name.lower()

    def compile(self, expected: object, where: str) -> Values:
        """Take bytes too."""
        if isinstance(expected, bytes):
            expected = expected.decode("latin-1")
        elif isinstance(expected, list | tuple):
            expected = [
                each.decode("latin-1") if isinstance(each, bytes) else each for each in expected
            ]
        return Values(expected, where)

    def find(self, seen: Seen) -> dict[str, list[str]]:
        """Take the lines of each expected field."""
        found = {}
        for name, values in self._expected.items():
            lines = seen.header(name)
            found[name] = lines if values.is_list or not lines else [", ".join(lines)]
        return found


class CookiesCondition(FieldsCondition):
    """Some cookies."""

    __slots__ = ()

    kind = "cookies"
    noun = "cookie"
    is_always_partial = True

    def find(self, seen: Seen) -> dict[str, list[str]]:
        """Take the cookies."""
        return seen.cookies()


class FormCondition(FieldsCondition):
    """The fields of a URL-encoded form: all of them, or with `partial` some."""

    __slots__ = ()

    kind = "form"
    noun = "form field"
    needs_body = True

    def find(self, seen: Seen) -> dict[str, list[str]]:
        """Take the decoded fields."""
        return seen.form()


class MultipartCondition(FieldsCondition):
    """The parts of a multipart form: all of them, or with `partial` some."""

    __slots__ = ()

    kind = "multipart"
    noun = "part"
    needs_body = True

    def compile(self, expected: object, where: str) -> PartValues:
        """Make what parts are compared with."""
        return PartValues(expected, where)

    def find(self, seen: Seen) -> Mapping[str, list[Any]]:
        """Take the parts."""
        return seen.parts()

    def show(self, values: list[Any]) -> str:
        """Show a file by its name and length, a field by its text."""
        part = values[0]
        if len(values) > 1:
            return f"{len(values)} parts"
        if part.filename is not None:
            return f"file {show_text(part.filename)}, {len(part.content)} bytes"
        return show_text(part.content)


def _is_ok(check: Check) -> bool:
    return check.ok
