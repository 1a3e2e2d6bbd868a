"""Stubs as the document of a stub file, see `kit.expect.files`."""

from __future__ import annotations

import base64
import inspect
from typing import TYPE_CHECKING, Any, Final

from kit.errors import BodyError, ConfigurationError, KitError
from kit.expect.answers import always
from kit.expect.file_values import write_body, write_fields, write_json
from kit.expect.wording import describe_callable
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH
from kit.messages import Response
from kit.messages.content import dump_json, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kit.expect.answers import Handler
    from kit.expect.stubs import Stub

_WRITERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "query": write_fields,
    "headers": write_fields,
    "cookies": write_fields,
    "form": write_fields,
    "json": write_json,
    "body": write_body,
}
# What `always` closes over is the response; a function of somebody else's may answer
# anything, so it is told by its code.
_ALWAYS_CODE: Final = inspect.unwrap(always(Response())).__code__


def export(stubs: Iterable[Stub]) -> dict[str, Any]:
    """Make the document of a stub file of stubs, such as those of `server.stubs`.

    It is made of what JSON has, and in a stable order; `kit.expect.files.load` reads
    it back. What was counted already is not in it.

    Raises:
        ConfigurationError: a stub holds what a file cannot, such as a predicate, a
            handler, an order or a fault; the text names it.
    """
    return {"stubs": [_write_stub(stub) for stub in stubs]}


def _write_stub(stub: Stub) -> dict[str, Any]:
    try:
        _check_calls(stub)
        document: dict[str, Any] = {"request": _write_request(stub)}
        _write_answer(stub, document)
    except ConfigurationError as error:
        raise ConfigurationError(f"{stub}: {error}") from None
    _write_calls(stub, document)
    if stub.delay_s:
        document["delay_s"] = stub.delay_s
    return document


def _check_calls(stub: Stub) -> None:
    calls = {
        "in_order()": stub._order,
        "after()": stub._after,
        "until()": stub._until,
        "fault()": stub.fault_rules,
    }
    for call, is_set in calls.items():
        if is_set:
            raise ConfigurationError(f"{call} cannot be written to a file")


def _write_request(stub: Stub) -> dict[str, Any]:
    methods = stub.methods
    request: dict[str, Any] = {
        "method": methods[0] if len(methods) == 1 else list(methods) or "*",
        "path": stub.pattern,
    }
    for condition in stub.conditions[2:]:
        write = _WRITERS.get(condition.kind)
        if write is None:
            raise ConfigurationError(_explain_unwritable(condition.kind, condition.given))
        request[condition.kind] = write(condition.given, condition.kind)
    if stub.max_content_length != DEFAULT_MAX_CONTENT_LENGTH:
        request["max_content_length"] = stub.max_content_length
    return request


def _explain_unwritable(kind: str, given: object) -> str:
    what = f"{kind}="
    if callable(given):
        what += f", the function {describe_callable(given)},"
    return f"{what} cannot be written to a file"


def _write_answer(stub: Stub, document: dict[str, Any]) -> None:
    answer = stub._answer
    handlers = [endpoint.callback for endpoint in answer._endpoints]
    if handlers == [stub._refuse]:
        raise ConfigurationError("it has no response")
    responses = [_write_response(_find_response(handler)) for handler in handlers]
    if len(responses) == 1 and answer._then == "repeat last":
        document["response"] = responses[0]
    else:
        document["responses"] = responses
        document["then"] = answer._then


def _find_response(handler: Handler) -> Response:
    closure = getattr(handler, "__closure__", None)
    if getattr(handler, "__code__", None) is not _ALWAYS_CODE or not closure:
        raise ConfigurationError(
            f"the handler {describe_callable(handler)} cannot be written to a file"
        )
    response: Response = closure[0].cell_contents
    return response


def _write_response(response: Response) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if response.status_code != 200:
        document["status"] = response.status_code
    try:
        kind, default, body = _write_content(response)
    except KitError as error:
        raise ConfigurationError(f"{response!r} cannot be written to a file: {error}") from None
    headers = _group(response, default)
    if headers:
        document["headers"] = headers
    if kind:
        document[kind] = body
    if response.compress:
        document["compress"] = True
    return document


def _write_content(response: Response) -> tuple[str, str, Any]:
    """Give the member of the body, the Content-Type that it brings along, and its value."""
    body = response.body
    if not body and response.payload is None:
        return "", "", None
    if response._stated_type() == "application/json":
        try:
            value = parse_json(body)
            if dump_json(value) == body:
                return "json", "application/json", value
        except (BodyError, ConfigurationError):
            pass  # it says that it is JSON, and is written as what it is
    try:
        return "text", "text/plain; charset=utf-8", body.decode()
    except UnicodeDecodeError:
        return "base64", "application/octet-stream", base64.b64encode(body).decode()


def _group(response: Response, default_type: str) -> dict[str, Any]:
    """Give the fields by name, a list where a name stands several times."""
    fields = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw
    ]
    if not any(name.lower() == "content-type" for name, _ in fields):
        stated = response._stated_type()
        if stated:
            fields.append(("Content-Type", stated))
    grouped: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in fields:
        grouped.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    name = spelled.get("content-type", "")
    if name and grouped[name] == [default_type]:
        del grouped[name]
    return {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}


def _write_calls(stub: Stub, document: dict[str, Any]) -> None:
    if stub.max_calls is not None:
        document["times"] = stub.max_calls
    elif stub.min_calls > 1:
        document["at_least"] = stub.min_calls
    if stub.min_calls == 0:
        document["optional"] = True
