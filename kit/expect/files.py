"""Stubs in files: JSON, or YAML where PyYAML is installed, to be loaded and exported.

    {"stubs": [{
        "request": {"method": "POST", "path": "/orders/:id", "json": {"qty": 2}},
        "response": {"status": 201, "json": {"id": 7}},
        "times": 2
    }]}

- `request`: `path` is a pattern as routes have it; `method` one, a list of them or
  `"*"` for any, `GET` by default. `query`, `headers`, `cookies`, `form` are objects of
  values by name, `json` a document, `body` text; see `kit.expect.file_values` for what
  may stand for a value. `max_content_length` is in bytes.
- `response`: `status`, `headers`, `compress`, and one of `json`, `text`, `base64`, and
  `file`, a name beside the stub file. Instead of it `responses`, a list of them, with
  `then`: `"repeat last"`, `"cycle"` or `"error"`.
- `times`, `at_least`, `optional`, `delay_s`: as the methods of a stub.
"""

from __future__ import annotations

import difflib
import json
import math
import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from kit.errors import ConfigurationError, KitError
from kit.expect.answers import make_json_response
from kit.expect.book import StubBook
from kit.expect.file_export import export
from kit.expect.file_values import read_base64, read_body, read_fields, read_json
from kit.expect.wording import shorten
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH, MIB
from kit.messages import Response
from kit.paths import path_join_safe

if TYPE_CHECKING:
    import os

    from kit.expect.stubs import Stub

__all__ = ["LoadedStubs", "export", "load", "write"]

MAX_FILE_BYTES: Final = 16 * MIB
"""A stub file, or a file it names, of more bytes is refused."""
MAX_VALUES: Final = 500_000
"""Values in a stub file, those that YAML repeats by an alias counted each time."""
MAX_DEPTH: Final = 100
"""Lists and objects inside each other."""
YAML_SUFFIXES: Final = (".yaml", ".yml")
SUFFIXES: Final = (".json", *YAML_SUFFIXES)
"""What the names of stub files end in."""

NO_YAML: Final = (
    "YAML needs PyYAML, which is not installed: pip install 'wirekit[yaml]', or write the "
    "stubs as JSON"
)

_PLACE = re.compile(r"(.*) - at `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


class RequestForm(msgspec.Struct, forbid_unknown_fields=True):
    """What a stub file says of a request."""

    path: str
    method: str | list[str] = "GET"
    query: Any = None
    headers: Any = None
    cookies: Any = None
    json: Any = UNSET
    body: Any = None
    form: Any = None
    max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH


class ResponseForm(msgspec.Struct, forbid_unknown_fields=True):
    """What a stub file says of a response."""

    status: int = 200
    headers: dict[str, str | list[str]] = {}
    json: Any = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET
    file: str | UnsetType = UNSET
    compress: bool = False


class StubForm(msgspec.Struct, forbid_unknown_fields=True):
    """What a stub file says of a stub."""

    request: RequestForm
    response: ResponseForm | UnsetType = UNSET
    responses: list[ResponseForm] | UnsetType = UNSET
    then: Literal["repeat last", "cycle", "error"] | UnsetType = UNSET
    times: int | None = None
    at_least: int | None = None
    optional: bool = False
    delay_s: float = 0.0


class FileForm(msgspec.Struct, forbid_unknown_fields=True):
    """A stub file."""

    stubs: list[StubForm]


class LoadedStubs(NamedTuple):
    """What `load` has read.

    Attributes:
        stubs: the stubs, as they are registered in the book.
        files: the stub file and the files that it names.
    """

    stubs: list[Stub]
    files: list[Path]


# Loading


def load(path: str | os.PathLike[str], book: StubBook) -> LoadedStubs:
    """Register the stubs of a file: all of them, or none if one cannot be.

    Args:
        path: a file whose name ends in .json, .yaml or .yml.
        book: where to, such as `server.stubs`.

    Raises:
        ConfigurationError: the file cannot be read, or does not say what a stub needs;
            the text names the file and the place in it.
    """
    file = Path(path)
    try:
        loader = _Loader(file, _parse(file))
        # Tried where nobody sees it, as an error must not leave half of them behind.
        loader.register_all(StubBook())
        return LoadedStubs(loader.register_all(book), loader.files)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None


class _Loader:
    def __init__(self, file: Path, form: FileForm) -> None:
        self._file = file
        self._form = form
        self._contents: dict[str, bytes] = {}
        self.files = [file]

    def register_all(self, book: StubBook) -> list[Stub]:
        return [
            self._register(stub, book, f"$.stubs[{index}]")
            for index, stub in enumerate(self._form.stubs)
        ]

    def _register(self, form: StubForm, book: StubBook, where: str) -> Stub:
        given = _read_request(form.request, f"{where}.request")
        responses = self._read_responses(form, where)
        try:
            stub = book.expect(**given)
        except KitError as error:
            raise ConfigurationError(f"{where}.request: {error}") from None
        stub.where = f"{self._file.name} {where.removeprefix('$.')}"
        try:
            _set_answer(stub, responses, form)
            _set_calls(stub, form)
        except KitError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        return stub

    def _read_responses(self, form: StubForm, where: str) -> list[Response]:
        one, several = form.response, form.responses
        if isinstance(several, list) and one is UNSET:
            return [
                self._read_response(each, f"{where}.responses[{index}]")
                for index, each in enumerate(several)
            ]
        if isinstance(one, ResponseForm) and several is UNSET:
            return [self._read_response(one, f"{where}.response")]
        got = "neither" if one is UNSET else "both"
        raise ConfigurationError(f"{where}: expected either response or responses, got {got}")

    def _read_response(self, form: ResponseForm, where: str) -> Response:
        kinds = ("json", "text", "base64", "file")
        given = [kind for kind in kinds if getattr(form, kind) is not UNSET]
        if len(given) > 1:
            raise ConfigurationError(f"{where}: expected one body, got {' and '.join(given)}")
        try:
            return self._make_response(form, where)
        except KitError as error:
            text = str(error)
            raise ConfigurationError(
                text if text.startswith(where) else f"{where}: {text}"
            ) from None

    def _make_response(self, form: ResponseForm, where: str) -> Response:
        headers = [
            (name, value)
            for name, values in form.headers.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        if form.json is not UNSET:
            response = make_json_response(form.json, form.status, headers)
            response.compress = form.compress
            return response
        payload: str | bytes | None = None
        if isinstance(form.text, str):
            payload = form.text
        elif isinstance(form.base64, str):
            payload = read_base64(form.base64, f"{where}.base64")
        elif isinstance(form.file, str):
            payload = self._read_file(form.file, f"{where}.file")
            kind, _ = mimetypes.guess_type(form.file)
            if kind and not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", kind))
        return Response(payload, form.status, headers, form.compress)

    def _read_file(self, name: str, where: str) -> bytes:
        if name not in self._contents:
            try:
                path = Path(path_join_safe(str(self._file.parent), name))
            except KitError as error:
                raise ConfigurationError(f"{where}: {error}") from None
            self._contents[name] = _read_bytes(path, where)
            self.files.append(path)
        return self._contents[name]


def _read_request(form: RequestForm, where: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "method": ... if form.method == "*" else form.method,
        "pattern": form.path,
        "max_content_length": form.max_content_length,
    }
    for kind in ("query", "headers", "cookies", "form"):
        value = getattr(form, kind)
        if value is not None:
            is_text = kind == "query" and isinstance(value, str)
            given[kind] = value if is_text else read_fields(value, f"{where}.{kind}")
    if form.json is not UNSET:
        given["json"] = read_json(form.json, f"{where}.json")
    if form.body is not None:
        given["body"] = read_body(form.body, f"{where}.body")
    return given


def _set_answer(stub: Stub, responses: list[Response], form: StubForm) -> None:
    if form.response is not UNSET:
        if form.then is not UNSET:
            raise ConfigurationError("then goes with responses, not with response")
        stub.respond_with(responses[0])
    elif isinstance(form.then, str):
        stub.respond_sequence(responses, then=form.then)
    else:
        raise ConfigurationError(
            'expected then beside responses: "repeat last", "cycle" or "error"'
        )
    if form.delay_s:
        stub.delay(form.delay_s)


def _set_calls(stub: Stub, form: StubForm) -> None:
    if form.at_least is not None and (form.times is not None or form.optional):
        other = "times" if form.times is not None else "optional"
        raise ConfigurationError(f"expected either at_least or {other}, got both")
    if form.times is not None:
        stub.times(form.times)
    if form.at_least is not None:
        stub.at_least(form.at_least)
    if form.optional:
        stub.optional()


def _parse(file: Path) -> FileForm:
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(f"expected a name that ends in {', '.join(SUFFIXES)}")
    data = _read_bytes(file)
    try:
        document = _parse_yaml(data) if suffix in YAML_SUFFIXES else msgspec.json.decode(data)
        _check_plain(document)
        return msgspec.convert(document, FileForm)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_explain_shape(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = "YAML" if suffix in YAML_SUFFIXES else "JSON"
        text = " ".join(str(error).split())
        raise ConfigurationError(f"this is not {kind} that can be read: {text}") from None


def _parse_yaml(data: bytes) -> Any:
    try:
        return msgspec.yaml.decode(data)
    except ImportError:
        raise ConfigurationError(NO_YAML) from None


def _read_bytes(path: Path, where: str = "") -> bytes:
    prefix = f"{where}: {path}: " if where else ""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{prefix}cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{prefix}has more than {MAX_FILE_BYTES} bytes")
    return data


def _check_plain(document: object) -> None:
    """Refuse what YAML can hold and JSON cannot: dates, sets, numbers as names, circles.

    Raises:
        ConfigurationError: something of that kind is there, or there is too much.
    """
    left: list[tuple[object, str, int]] = [(document, "$", 0)]
    for _ in range(MAX_VALUES):
        if not left:
            return
        value, where, depth = left.pop()
        if depth > MAX_DEPTH:
            raise ConfigurationError(
                f"{shorten(where, 160)}: more than {MAX_DEPTH} lists and objects inside each other"
            )
        if isinstance(value, dict):
            for name, member in value.items():
                if not isinstance(name, str):
                    raise ConfigurationError(f"{where}: the name {name!r} is not text: quote it")
                left.append((member, f"{where}.{name}", depth + 1))
        elif isinstance(value, list):
            left += [(each, f"{where}[{index}]", depth + 1) for index, each in enumerate(value)]
        else:
            _check_scalar(value, where)
    raise ConfigurationError(f"more than {MAX_VALUES} values")


def _check_scalar(value: object, where: str) -> None:
    is_plain = value is None or isinstance(value, str | bool | int | float)
    if not is_plain or (isinstance(value, float) and not math.isfinite(value)):
        kind = type(value).__name__
        raise ConfigurationError(
            f"{where}: {shorten(str(value), 80)} is a {kind}, which JSON does not have: quote it"
        )


def _explain_shape(text: str) -> str:
    """Put the place first, and say which member may have been meant."""
    found = _PLACE.fullmatch(text)
    text, where = found.groups() if found else (text, "$")
    unknown = _UNKNOWN.fullmatch(text)
    if unknown is None:
        return f"{where}: {text[:1].lower()}{text[1:]}"
    known = _form_at(where).__struct_fields__
    name = shorten(unknown[1], 80)
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{where}: unknown member {name!r}; {hint}"


def _form_at(where: str) -> type[msgspec.Struct]:
    last = where.rpartition(".")[2].partition("[")[0]
    forms: dict[str, type[msgspec.Struct]] = {
        "request": RequestForm,
        "response": ResponseForm,
        "responses": ResponseForm,
        "stubs": StubForm,
    }
    return forms.get(last, FileForm)


# Exporting


def write(path: str | os.PathLike[str], book: StubBook) -> None:
    """Write the stubs of a book to a file that `load` reads, JSON or YAML by its name.

    Raises:
        ConfigurationError: a stub holds what a file cannot; or the name ends in
            something else; or the file cannot be written.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"{file}: expected a name that ends in {', '.join(SUFFIXES)}")
    document = export(book)
    try:
        if file.suffix.lower() in YAML_SUFFIXES:
            data = msgspec.yaml.encode(document)
        else:
            data = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
        file.write_bytes(data)
    except ImportError:
        raise ConfigurationError(f"{file}: {NO_YAML}") from None
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{file}: a text is not Unicode: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from None
