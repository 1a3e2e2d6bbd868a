"""A request as conditions look at it: each part parsed once, however many stubs ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.errors import BodyError
from kit.expect.multipart import Part, parse_multipart

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.messages import Request


class Seen:
    """One request under comparison. What does not parse raises BodyError each time."""

    __slots__ = ("_known", "request")

    def __init__(self, request: Request) -> None:
        self.request: Request = request
        self._known: dict[str, tuple[Any, str | None]] = {}

    def json(self) -> Any:
        """Give the body as JSON."""
        return self._parse("json", self.request.json)

    def text(self) -> str:
        """Give the body as text."""
        text: str = self._parse("text", self.request.text)
        return text

    def form(self) -> dict[str, list[str]]:
        """Give the body as a form, values by name."""
        form: dict[str, list[str]] = self._parse("form", self.request.form)
        return form

    def parts(self) -> dict[str, list[Part]]:
        """Give the body as a multipart form, parts by name."""
        parts: dict[str, list[Part]] = self._parse("parts", self._parse_parts)
        return parts

    def cookies(self) -> dict[str, list[str]]:
        """Give the cookies, one value by name."""
        cookies: dict[str, list[str]] = self._parse("cookies", self._list_cookies)
        return cookies

    def query(self) -> dict[str, list[str]]:
        """Give the query's parameters, values by name."""
        return self.request.params

    def header(self, name: str) -> list[str]:
        """Give the lines of a header field."""
        return [line.decode("latin-1") for line in self.request.headers.get(name, [])]

    def _parse(self, key: str, parse: Callable[[], Any]) -> Any:
        known = self._known.get(key)
        if known is None:
            try:
                known = parse(), None
            except BodyError as error:
                known = None, str(error)
            self._known[key] = known
        value, problem = known
        if problem is not None:
            raise BodyError(problem)
        return value

    def _parse_parts(self) -> dict[str, list[Part]]:
        content_type = self.request.headers.text("content-type", "")
        parts: dict[str, list[Part]] = {}
        for part in parse_multipart(content_type, self.request.body):
            parts.setdefault(part.name, []).append(part)
        return parts

    def _list_cookies(self) -> dict[str, list[str]]:
        return {name: [value] for name, value in self.request.cookies.items()}
