"""Routes as an OpenAPI 3.1 document, made of patterns and of what `header` and `param` say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import kit

VERSION: Final = "3.1.0"

_FIXED_METHODS = frozenset(("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"))
_WITH_BODY = frozenset(("PUT", "POST", "PATCH"))
_BRACES = str.maketrans({"{": "%7B", "}": "%7D"})
_TEMPLATE = re.compile(r"\{[^}]*\}")
_RUNS = {"+": "one or more components", "*": "any number of components", "?": "optional"}


class _Place(NamedTuple):
    """A path template and what its wildcards are.

    Attributes:
        path: such as `/files/{name}`.
        names: the wildcards' names, in order.
        run: the suffix of the last one, or "".
    """

    path: str
    names: tuple[str, ...]
    run: str = ""


def describe_api(routes: Iterable[kit.Route], *, title: str, version: str) -> dict[str, Any]:
    """Make the document: plain values, ready to be written as JSON.

    Where several routes take the same request the first one counts, as on a server. What
    OpenAPI has no place for stands in `x-` members: `x-websocket` in a path for the
    websocket there, `x-methods` for methods that OpenAPI does not know, `x-run` for a
    wildcard that takes several components.
    """
    api = _Api()
    for route in routes:
        for place in _list_places(route.url_pattern):
            api.add(route, place)
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": version},
        "paths": api.paths,
    }


class _Api:
    def __init__(self) -> None:
        self.paths: dict[str, dict[str, Any]] = {}
        self._templates: dict[str, str] = {}
        self._ids: set[str] = set()

    def add(self, route: kit.Route, place: _Place) -> None:
        """Add a route, unless another one stands before it."""
        # Templates that differ in names alone are the same path (section 4.8.8.2).
        shape = _TEMPLATE.sub("{}", place.path)
        path = self._templates.setdefault(shape, place.path)
        item = self.paths.setdefault(path, {})
        names = tuple(name[1:-1] for name in _TEMPLATE.findall(path))
        holder, key = _find_member(item, route)
        if key not in holder:
            holder[key] = self._describe(route, place._replace(names=names))

    def _describe(self, route: kit.Route, place: _Place) -> dict[str, Any]:
        operation: dict[str, Any] = {"operationId": self._make_id(route)}
        owner, _, _ = route.name.rpartition(".")
        if owner:
            operation["tags"] = [owner]
        if route.doc:
            operation["summary"] = route.doc
        if parameters := list(_list_parameters(route, place)):
            operation["parameters"] = parameters
        if route.http_method in _WITH_BODY:
            operation["requestBody"] = {
                "content": {"*/*": {}},
                "description": f"at most {route.max_content_length} bytes",
            }
        operation["responses"] = _describe_responses(route)
        if route.is_websocket and route.mark.subprotocols:
            operation["x-subprotocols"] = list(route.mark.subprotocols)
        return operation

    def _make_id(self, route: kit.Route) -> str:
        name, number = route.name, 1
        while name in self._ids:
            number += 1
            name = f"{route.name}-{number}"
        self._ids.add(name)
        return name


def _find_member(item: dict[str, Any], route: kit.Route) -> tuple[dict[str, Any], str]:
    if route.is_websocket:
        return item, "x-websocket"
    if route.http_method in _FIXED_METHODS:
        return item, route.http_method.lower()
    others: dict[str, Any] = item.setdefault("x-methods", {})
    return others, route.http_method


def _list_places(pattern: str) -> Iterator[_Place]:
    """Write a pattern as path templates: two where its last wildcard may be missing."""
    components = pattern.split("/")[1:]
    names: list[str] = []
    written: list[str] = []
    run = ""
    for component in components:
        if component.startswith(":"):
            name = component[1:]
            if name[-1] in _RUNS:
                name, run = name[:-1], name[-1]
            names.append(name)
            written.append(f"{{{name}}}")
        else:
            written.append(component.translate(_BRACES))
    if run in ("?", "*"):
        yield _Place("/" + "/".join(written[:-1]), tuple(names[:-1]))
    yield _Place("/" + "/".join(written), tuple(names), run)


def _list_parameters(route: kit.Route, place: _Place) -> Iterator[dict[str, Any]]:
    text = {"type": "string"}
    for name in place.names:
        parameter: dict[str, Any] = {"name": name, "in": "path", "required": True, "schema": text}
        if place.run and name == place.names[-1]:
            parameter["description"] = _RUNS[place.run]
            if place.run != "?":
                parameter["x-run"] = True
        yield parameter
    for name in dict.fromkeys(route.param_docs):
        yield {"name": name, "in": "query", "schema": text}
    fields: dict[str, str] = {}
    for name in route.header_docs:
        # Field names are case-insensitive (RFC 9110 section 5.1).
        fields.setdefault(name.lower(), name)
    for name in fields.values():
        yield {"name": name, "in": "header", "schema": text}


def _describe_responses(route: kit.Route) -> dict[str, Any]:
    if route.is_websocket:
        return {"101": {"description": "the websocket is open"}}
    responses = {"default": {"description": "what the handler answers"}}
    if route.http_method in _WITH_BODY:
        responses["413"] = {"description": "the body is too large"}
    return responses
