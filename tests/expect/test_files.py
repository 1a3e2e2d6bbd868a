from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.expect import StubBook, files
from kit.expect.files import MAX_DEPTH, MAX_FILE_BYTES
from support.expectations import FORM, explain, fetch, find, make_request
from support.modules import ROOT

STUBS = ROOT / "fixtures" / "stubs"


def write_file(directory: Path, document: Any, name: str = "stubs.json") -> Path:
    path = directory / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def load_stub(directory: Path, **members: Any) -> StubBook:
    """Load a file of one stub; what is not said of it is `GET /` and an empty 200."""
    stub = {"request": {"path": "/"}, "response": {}} | members
    book = StubBook()
    files.load(write_file(directory, {"stubs": [stub]}), book)
    return book


def error_of(directory: Path, document: Any, name: str = "stubs.json") -> str:
    """Give the error's text, without the file's name that it begins with."""
    path = write_file(directory, document, name)
    with pytest.raises(ConfigurationError) as raised:
        files.load(path, StubBook())
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def stub_error(directory: Path, **members: Any) -> str:
    stub = {"request": {"path": "/"}, "response": {}} | members
    return error_of(directory, {"stubs": [stub]})


# What a file says


@pytest.mark.parametrize("name", ["orders.json", "orders.yaml"])
def test_the_sample_file_answers_what_it_says(name: str) -> None:
    book = StubBook()
    loaded = files.load(STUBS / name, book)
    assert loaded.files == [STUBS / name, STUBS / "receipt.txt"]
    assert [str(stub) for stub in loaded.stubs[:2]] == [
        f"stub 1: GET /orders/:id ({name} stubs[0])",
        f"stub 2: POST /orders ({name} stubs[1])",
    ]
    order = make_request("GET", "/orders/7?expand=items&page=1")
    assert fetch(book, order) == (200, b'{"id":7,"items":[{"sku":"a1","qty":2}]}')
    new = make_request(
        "POST", "/orders", json={"sku": "a1", "qty": 2}, headers={"Authorization": "Bearer x"}
    )
    assert [fetch(book, new)[0] for _ in range(3)] == [201, 201, 404]
    status = [fetch(book, make_request("GET", "/orders/7/status")) for _ in range(3)]
    assert status == [(202, b"packing"), (200, b"sent"), (200, b"sent")]
    response = find(book, receipt := make_request("GET", "/orders/7/receipt")).call(receipt)
    assert response.body == (STUBS / "receipt.txt").read_bytes()
    assert response.headers.text("content-type") == "text/plain"
    assert [problem.text for problem in book.problems() if "optional" in problem.text] == []


def test_both_sample_files_say_the_same() -> None:
    books = StubBook(), StubBook()
    for book, name in zip(books, ("orders.json", "orders.yaml"), strict=True):
        files.load(STUBS / name, book)
    assert files.export(books[0]) == files.export(books[1])


def test_the_method_is_get_where_none_is_said(tmp_path: Path) -> None:
    book = load_stub(tmp_path)
    assert fetch(book, make_request("GET", "/"))[0] == 200
    assert fetch(book, make_request("POST", "/"))[0] == 404


def test_a_method_may_be_any_or_one_of_several(tmp_path: Path) -> None:
    book = load_stub(tmp_path, request={"path": "/", "method": "*"})
    assert fetch(book, make_request("PURGE", "/"))[0] == 200
    book = load_stub(tmp_path, request={"path": "/", "method": ["PUT", "PATCH"]})
    assert [fetch(book, make_request(each, "/"))[0] for each in ("PUT", "PATCH", "GET")] == [
        200,
        200,
        404,
    ]


@pytest.mark.parametrize(
    ("asked", "taken", "refused"),
    [
        (
            {"query": {"page": "1"}},
            make_request("GET", "/?page=1"),
            make_request("GET", "/?page=1&x=2"),
        ),
        ({"query": "page=1"}, make_request("GET", "/?page=1"), make_request("GET", "/?page=2")),
        (
            {"headers": {"X-Kind": {"$regex": "a+"}}},
            make_request("GET", "/", headers={"x-kind": "aaa"}),
            make_request("GET", "/", headers={"x-kind": "ab"}),
        ),
        (
            {"cookies": {"sid": {"$any": True}}},
            make_request("GET", "/", headers={"Cookie": "sid=3"}),
            make_request("GET", "/"),
        ),
        (
            {"form": {"$partial": {"a": "1"}}},
            make_request("GET", "/", body=b"a=1&b=2", headers={"Content-Type": FORM}),
            make_request("GET", "/", body=b"a=2&b=2", headers={"Content-Type": FORM}),
        ),
        (
            {"body": {"$partial": "or"}},
            make_request("GET", "/", body=b"word"),
            make_request("GET", "/", body=b"wood"),
        ),
        (
            {"body": {"$base64": "/wA="}},
            make_request("GET", "/", body=b"\xff\x00"),
            make_request("GET", "/", body=b"\xff"),
        ),
        ({"json": None}, make_request("GET", "/", body=b"null"), make_request("GET", "/")),
        (
            {"json": {"a": [1], "b": {"$absent": True}}},
            make_request("GET", "/", json={"a": [1]}),
            make_request("GET", "/", json={"a": [1], "b": 2}),
        ),
    ],
)
def test_a_request_is_held_against_the_conditions(
    tmp_path: Path, asked: Any, taken: Any, refused: Any
) -> None:
    book = load_stub(tmp_path, request={"path": "/"} | asked)
    assert fetch(book, refused)[0] == 404
    assert fetch(book, taken)[0] == 200


@pytest.mark.parametrize(
    ("said", "status", "kind", "body"),
    [
        ({}, 200, None, b""),
        ({"status": 404, "text": "gone"}, 404, "text/plain; charset=utf-8", b"gone"),
        ({"text": "<p>", "headers": {"content-type": "text/html"}}, 200, "text/html", b"<p>"),
        ({"json": {"$any": 1}}, 200, "application/json", b'{"$any":1}'),
        ({"json": None, "status": 201}, 201, "application/json", b"null"),
        ({"base64": "/wA="}, 200, "application/octet-stream", b"\xff\x00"),
    ],
)
def test_a_response_is_what_the_file_says(
    tmp_path: Path, said: Any, status: int, kind: str | None, body: bytes
) -> None:
    book = load_stub(tmp_path, response=said)
    encoded = find(book, make_request("GET", "/")).call(make_request("GET", "/")).encode()
    fields = {name.lower(): value for name, value in encoded.raw_headers}
    assert (encoded.status, encoded.body) == (status, body)
    assert fields.get(b"content-type") == (kind.encode() if kind else None)


def test_a_header_may_stand_several_times(tmp_path: Path) -> None:
    book = load_stub(tmp_path, response={"headers": {"Set-Cookie": ["a=1", "b=2"]}})
    encoded = find(book, make_request("GET", "/")).call(make_request("GET", "/")).encode()
    assert encoded.raw_headers == [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")]


def test_a_response_may_be_compressed(tmp_path: Path) -> None:
    book = load_stub(tmp_path, response={"json": {"a": 1}, "compress": True})
    response = find(book, make_request("GET", "/")).call(make_request("GET", "/"))
    assert response.compress


@pytest.mark.parametrize(
    ("name", "headers", "kind"),
    [
        ("page.html", {}, "text/html"),
        ("page.html", {"CONTENT-TYPE": "text/x-own"}, "text/x-own"),
        ("page.unheard-of", {}, "application/octet-stream"),
    ],
)
def test_the_type_of_a_file_is_told_by_its_name_unless_it_is_given(
    tmp_path: Path, name: str, headers: dict[str, str], kind: str
) -> None:
    (tmp_path / name).write_text("<p>")
    book = load_stub(tmp_path, response={"file": name, "headers": headers})
    encoded = find(book, make_request("GET", "/")).call(make_request("GET", "/")).encode()
    kinds = [value for field, value in encoded.raw_headers if field.lower() == b"content-type"]
    assert kinds == [kind.encode()]


def test_a_file_is_read_once_for_all_that_name_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "page.html").write_text("<p>")
    stub = {"request": {"path": "/"}, "response": {"file": "a/page.html"}, "times": 1}
    book = StubBook()
    loaded = files.load(write_file(tmp_path, {"stubs": [stub, stub]}), book)
    assert loaded.files == [tmp_path / "stubs.json", tmp_path / "a" / "page.html"]
    response = find(book, make_request("GET", "/")).call(make_request("GET", "/"))
    assert (response.body, response.headers.text("content-type")) == (b"<p>", "text/html")


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ({}, (1, None)),
        ({"times": 3}, (3, 3)),
        ({"at_least": 2}, (2, None)),
        ({"optional": True}, (0, None)),
        ({"optional": True, "times": 3}, (0, 3)),
    ],
)
def test_how_often_a_stub_is_expected_is_taken_over(
    tmp_path: Path, said: Any, calls: tuple[int, int | None]
) -> None:
    (stub,) = load_stub(tmp_path, **said)
    assert (stub.min_calls, stub.max_calls) == calls


def test_a_delay_and_a_largest_body_are_taken_over(tmp_path: Path) -> None:
    (stub,) = load_stub(tmp_path, delay_s=0.25, request={"path": "/", "max_content_length": 9})
    assert (stub.delay_s, stub.max_content_length) == (0.25, 9)


def test_a_near_miss_of_a_loaded_stub_is_explained(tmp_path: Path) -> None:
    book = load_stub(tmp_path, request={"path": "/", "json": {"qty": 2}})
    assert explain(book, make_request("GET", "/", json={"qty": 3})) == [
        "✗ json: $.qty: expected 2, got 3"
    ]


# Errors


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            {"request": {"method": "GET"}},
            "$.stubs[0].request: object missing required field `path`",
        ),
        (
            {"request": {"path": "/", "method": 3}},
            "$.stubs[0].request.method: expected `str | array`, got `int`",
        ),
        (
            {"request": {"path": "/", "quary": {}}},
            "$.stubs[0].request: unknown member 'quary'; did you mean query?",
        ),
        (
            {"response": {"zzz": 1}},
            (
                "$.stubs[0].response: unknown member 'zzz'; known are status, headers, json, text, "
                "base64, file, compress"
            ),
        ),
        ({"tines": 3}, "$.stubs[0]: unknown member 'tines'; did you mean times?"),
        (
            {"request": {"path": "orders"}},
            "$.stubs[0].request: pattern 'orders' is wrong at index 0: it must start with \"/\"",
        ),
        (
            {"request": {"path": "/", "method": "get"}},
            "$.stubs[0].request: HTTP methods are case-sensitive: write \"GET\", not 'get'",
        ),
        (
            {"request": {"path": "/", "json": 1, "body": "x"}},
            (
                "$.stubs[0].request: a body is expected as one thing, not as json and body: "
                "leave one out, or use match="
            ),
        ),
        (
            {"request": {"path": "/", "query": {"a": True}}},
            (
                "$.stubs[0].request.query.a: expected text, got True: write it as the request "
                'does, "true" or "1"'
            ),
        ),
        (
            {"response": {"text": "a", "json": 1}},
            "$.stubs[0].response: expected one body, got json and text",
        ),
        (
            {"response": {"status": 99}},
            "$.stubs[0].response: status_code must be an int from 100 to 599, not 99",
        ),
        (
            {"response": {"headers": {"a b": "c"}}},
            (
                "$.stubs[0]: respond_with(): header name b'a b' is not a token (RFC 9110 section "
                "5.6.2)"
            ),
        ),
        (
            {"response": {"base64": "%"}},
            "$.stubs[0].response.base64: expected base64, got '%': ",
        ),
        (
            {"responses": [{}], "then": "cycle"},
            "$.stubs[0]: expected either response or responses, got both",
        ),
        ({"then": "cycle"}, "$.stubs[0]: then goes with responses, not with response"),
        (
            {"times": 2, "at_least": 1},
            "$.stubs[0]: expected either at_least or times, got both",
        ),
        (
            {"optional": True, "at_least": 1},
            "$.stubs[0]: expected either at_least or optional, got both",
        ),
        (
            {"times": 0},
            (
                "$.stubs[0]: times takes a whole number of at least 1, not 0; leave a stub out to "
                "expect no request"
            ),
        ),
        ({"delay_s": -1}, "$.stubs[0]: delay() takes seconds, 0 or more, not -1.0"),
    ],
)
def test_what_cannot_work_is_told_with_its_place(tmp_path: Path, members: Any, text: str) -> None:
    told = stub_error(tmp_path, **members)
    assert told == text or (text.endswith(": ") and told.startswith(text))


def test_a_stub_needs_a_response(tmp_path: Path) -> None:
    assert error_of(tmp_path, {"stubs": [{"request": {"path": "/"}}]}) == (
        "$.stubs[0]: expected either response or responses, got neither"
    )


def test_a_sequence_needs_its_end(tmp_path: Path) -> None:
    document = {"stubs": [{"request": {"path": "/"}, "responses": [{}]}]}
    assert error_of(tmp_path, document) == (
        '$.stubs[0]: expected then beside responses: "repeat last", "cycle" or "error"'
    )


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hosts", "a\\b", "leaving.txt"])
def test_a_file_outside_the_stub_files_directory_is_refused(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    try:
        (inner / "leaving.txt").symlink_to(tmp_path / "secret.txt")
    except OSError:
        pytest.skip("symbolic links are not allowed here")
    text = stub_error(inner, response={"file": name})
    assert text.startswith(f"$.stubs[0].response.file: unsafe file name {name!r}: ")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    assert stub_error(tmp_path, response={"file": "no.txt"}) == (
        f"$.stubs[0].response.file: {tmp_path / 'no.txt'}: "
        "cannot be read: No such file or directory"
    )


def test_a_stub_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        files.load(tmp_path / "no.json", StubBook())
    assert str(raised.value) == (
        f"{tmp_path / 'no.json'}: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("name", "document", "text"),
    [
        ("stubs.json", "{", "this is not JSON that can be read: "),
        ("stubs.json", "[]", "$: expected `object`, got `array`"),
        ("stubs.json", "{}", "$: object missing required field `stubs`"),
        ("stubs.json", '{"stub": []}', "$: unknown member 'stub'; did you mean stubs?"),
        ("stubs.json", "[" * 9999, "this is not JSON that can be read: "),
        ("stubs.yaml", "a: [", "this is not YAML that can be read: while parsing a flow node"),
        ("stubs.yaml", "!!python/name:os.system", "this is not YAML that can be read: could not"),
        ("stubs.yml", "stubs: 2020-01-01", "$.stubs: 2020-01-01 is a date, which JSON does not"),
        ("stubs.yml", "stubs: .nan", "$.stubs: nan is a float, which JSON does not have"),
        ("stubs.yml", "200: x", "$: the name 200 is not text: quote it"),
        ("stubs.yaml", "stubs: &a [*a]", f"$.stubs{'[0]' * 51}"[:159]),
        ("stubs.toml", "", "expected a name that ends in .json, .yaml, .yml"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, name: str, document: str, text: str
) -> None:
    assert error_of(tmp_path, document, name).startswith(text)


def test_yaml_that_multiplies_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert error_of(tmp_path, "\n".join(lines), "stubs.yaml") == "more than 500000 values"


def test_a_document_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    text = error_of(tmp_path, f'{{"stubs": {deep}}}')
    assert text.endswith(f"more than {MAX_DEPTH} lists and objects inside each other")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    assert error_of(tmp_path, " " * (MAX_FILE_BYTES + 1)) == f"has more than {MAX_FILE_BYTES} bytes"


def test_a_file_of_which_one_stub_is_wrong_registers_none(tmp_path: Path) -> None:
    good = {"request": {"path": "/"}, "response": {}}
    book = StubBook()
    with pytest.raises(ConfigurationError):
        files.load(write_file(tmp_path, {"stubs": [good, {"request": {"path": "x"}}]}), book)
    assert len(book) == 0


def test_yaml_without_its_library_tells_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert error_of(tmp_path, "stubs: []", "stubs.yaml") == files.NO_YAML
    with pytest.raises(ConfigurationError) as raised:
        files.write(tmp_path / "other.yaml", StubBook())
    assert str(raised.value) == f"{tmp_path / 'other.yaml'}: {files.NO_YAML}"
    assert "pip install 'wirekit[yaml]'" in files.NO_YAML


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 700) | st.sampled_from(["/", "GET", "a=1", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["a", "$any", "$regex", "$partial", "$paths", "$type"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=6,
)
PATHS = st.sampled_from(["/", "/:a", "/:a*", "b", "/:", "/%zz"])
REQUESTS = st.fixed_dictionaries(
    {"path": PATHS},
    optional=dict.fromkeys(("method", "query", "headers", "cookies", "form", "json"), VALUES),
)
RESPONSES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("status", "headers", "json", "text", "base64", "file"), VALUES),
)
STUB_FORMS = st.fixed_dictionaries(
    {"request": REQUESTS, "response": RESPONSES},
    optional=dict.fromkeys(("times", "at_least", "optional", "delay_s", "then"), VALUES),
)


@given(stub=STUB_FORMS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_any_file_is_loaded_or_refused_with_its_name(tmp_path: Path, stub: Any) -> None:
    path = write_file(tmp_path, {"stubs": [stub]})
    told = f"{path}: $.stubs[0]"
    try:
        files.load(path, StubBook())
    except ConfigurationError as error:
        told = str(error)
    assert told.startswith(f"{path}: $.stubs[0]")


# Writing


@pytest.mark.parametrize("name", ["copy.json", "copy.yaml"])
def test_what_is_written_loads_to_the_same(tmp_path: Path, name: str) -> None:
    book, copy = StubBook(), StubBook()
    files.load(STUBS / "orders.json", book)
    files.write(tmp_path / name, book)
    files.load(tmp_path / name, copy)
    assert files.export(copy) == files.export(book)
    assert fetch(copy, make_request("GET", "/orders/7/receipt"))[1] == (
        (STUBS / "receipt.txt").read_bytes()
    )


def test_a_json_file_is_written_for_people(tmp_path: Path) -> None:
    book = StubBook()
    book.expect("GET", "/é").respond("ü")
    files.write(tmp_path / "a.json", book)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '{\n  "stubs": [\n    {\n      "request": {\n        "method": "GET",\n'
        '        "path": "/é"\n      },\n      "response": {\n        "text": "ü"\n'
        "      }\n    }\n  ]\n}\n"
    )


def test_a_name_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        files.write(tmp_path / "a.txt", StubBook())
    assert str(raised.value) == (
        f"{tmp_path / 'a.txt'}: expected a name that ends in .json, .yaml, .yml"
    )
    with pytest.raises(ConfigurationError) as raised:
        files.write(tmp_path / "no" / "a.json", StubBook())
    assert str(raised.value).endswith("a.json: cannot be written: No such file or directory")
