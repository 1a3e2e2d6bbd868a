from __future__ import annotations

import io
import tempfile
import weakref
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import BodyError, StateError
from kit.headers import Headers
from kit.messages import Request
from kit.serializable import Serializable

ADDR = ("127.0.0.1", 5000)


class Note(Serializable, name="test.Note"):
    text: str


class NeverSeekable(io.RawIOBase):
    """A stream that can be read once, as a pipe can."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        data, self._data = self._data, b""
        return data


class Channel:
    """Keeps what a request sends."""

    subprotocol: str | None = "chat"
    close_code: int | None = None
    close_reason = ""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def send(self, payload: str | bytes) -> None:
        self.calls.append(("send", payload))

    def ping(self, payload: bytes) -> None:
        self.calls.append(("ping", payload))

    def close(self, code: int, reason: str) -> None:
        self.calls.append(("close", code, reason))


def wired(
    target: str = "/",
    headers: dict[str, str] | None = None,
    body: bytes | IO[bytes] | None = None,
    method: str = "GET",
) -> Request:
    return Request.from_wire(ADDR, method, target, Headers(headers or {}).raw, body)


def posted(body: bytes, content_type: str = "") -> Request:
    headers = {"Content-Type": content_type} if content_type else {}
    return wired("/", headers, body, "POST")


@pytest.mark.parametrize(
    ("target", "path", "params"),
    [
        ("/", "/", {}),
        ("/user/bob", "/user/bob", {}),
        ("/user/bob?x=1", "/user/bob", {"x": ["1"]}),
        ("/a?x=1&x=2&y=", "/a", {"x": ["1", "2"], "y": [""]}),
        ("/a?x", "/a", {"x": [""]}),
        ("/a?", "/a", {}),
        ("/a?b?c=d", "/a", {"b?c": ["d"]}),
        ("/a%2Fb?c%2Fd=e+f%20g", "/a%2Fb", {"c/d": ["e f g"]}),
        ("/a?x=%C3%A9", "/a", {"x": ["\u00e9"]}),
        ("/a?x=%FF", "/a", {"x": ["\ufffd"]}),
        ("//host/a", "//host/a", {}),
        ("/http://host/a?b=c", "/http://host/a", {"b": ["c"]}),
        ("*", "*", {}),
        ("host:80", "host:80", {}),
        ("http://host/p?q=1", "/p", {"q": ["1"]}),
        ("HTTPS://host:8443/p/q", "/p/q", {}),
        ("http://host", "/", {}),
        ("http://host?q=/x", "/", {"q": ["/x"]}),
        ("http://host/?q", "/", {"q": [""]}),
        ("ftp://host/p", "ftp://host/p", {}),
    ],
)
def test_a_target_is_split_into_path_and_params(
    target: str, path: str, params: dict[str, list[str]]
) -> None:
    request = wired(target)
    assert (request.path, request.params) == (path, params)
    assert request.target == target
    assert request.fragment == ""


@pytest.mark.parametrize("target", ["/a?b=c#d", "http://host/a?b=c#d"])
def test_a_fragment_is_split_off(target: str) -> None:
    request = wired(target)
    assert (request.path, request.params, request.fragment) == ("/a", {"b": ["c"]}, "d")


def test_a_request_from_the_wire_has_its_parts() -> None:
    raw = [(b"Host", b"example.org"), (b"X-A", b"1")]
    request = Request.from_wire(ADDR, "GET", "/a", raw, None)
    assert request.client_address == ADDR
    assert request.method == "GET"
    assert request.raw_headers is raw
    assert request.headers["host"] == [b"example.org"]
    assert request.matches == {}
    assert (request.http_version, request.scheme) == ("1.1", "http")
    assert request.body == b""
    assert request.stream.read() == b""


def test_what_was_read_once_is_kept() -> None:
    request = wired("/a?b=c")
    assert request.params is request.params
    assert request.headers is request.headers
    assert request.matches is request.matches
    assert request.stream is request.stream


def test_matches_and_version_and_scheme_can_be_set() -> None:
    request = wired("/a", {"Host": "h"})
    request.matches = {"name": "bob"}
    request.http_version = "1.0"
    request.scheme = "https"
    assert request.matches == {"name": "bob"}
    assert request.http_version == "1.0"
    assert request.url == "https://h/a"


def test_a_request_built_by_hand_has_its_parts() -> None:
    request = Request(ADDR, "GET", "/a/b", {"x": "1"}, "top", {b"Host": b"h"}, io.BytesIO(b"body"))
    assert request.client_address == ADDR
    assert (request.method, request.path, request.fragment) == ("GET", "/a/b", "top")
    assert request.params == {"x": ["1"]}
    assert request.target == "/a/b?x=1"
    assert request.headers[b"host"] == [b"h"]
    assert request.raw_headers == [(b"Host", b"h")]
    assert request.stream.read() == b"body"


@pytest.mark.parametrize(
    ("path", "params", "expected", "target"),
    [
        ("/a?x=1", {}, {"x": ["1"]}, "/a?x=1"),
        ("/a?x=1", None, {"x": ["1"]}, "/a?x=1"),
        (
            "/a?x=1",
            {"x": "2", "y": ["3", "4"]},
            {"x": ["1", "2"], "y": ["3", "4"]},
            "/a?x=1&x=2&y=3&y=4",
        ),
        ("/a", {b"x": b"\xc3\xa9"}, {"x": ["\u00e9"]}, "/a?x=%C3%A9"),
        ("/a", {"x": ["a&b", ""]}, {"x": ["a&b", ""]}, "/a?x=a%26b&x="),
        ("/a", {"x": [7]}, {"x": ["7"]}, "/a?x=7"),
        ("/a?x=1#f", {"y": "2"}, {"x": ["1"], "y": ["2"]}, "/a?x=1&y=2"),
    ],
)
def test_params_are_taken_from_path_and_dict(
    path: str, params: Any, expected: dict[str, list[str]], target: str
) -> None:
    request = Request(ADDR, "GET", path, params, "", {}, None)
    assert request.params == expected
    assert request.target == target


def test_a_fragment_in_the_path_is_split_off() -> None:
    assert Request(ADDR, "GET", "/a#f", {}, "", {}, None).fragment == "f"
    assert Request(ADDR, "GET", "/a#f", {}, "g", {}, None).fragment == "g"
    assert Request(ADDR, "GET", "/a#f", {}, "", {}, None).path == "/a"


@pytest.mark.parametrize("stream", [None, b"", b"body", io.BytesIO(b"body")])
def test_a_request_by_hand_takes_any_form_of_body(stream: Any) -> None:
    request = Request(ADDR, "POST", "/", {}, "", {}, stream)
    expected = b"body" if stream else b""
    assert request.body == expected
    assert request.stream.read() == expected


class TestUrl:
    @pytest.mark.parametrize(
        ("target", "host", "url"),
        [
            ("/a?b=c", "example.org:81", "http://example.org:81/a?b=c"),
            ("/a", "", "/a"),
            ("*", "example.org", "http://example.org"),
            ("http://other/a", "example.org", "http://other/a"),
            ("other:443", "example.org", "other:443"),
        ],
    )
    def test_it_is_made_of_host_and_target(self, target: str, host: str, url: str) -> None:
        assert wired(target, {"Host": host} if host else {}).url == url


class TestBody:
    def test_it_is_read_once_and_the_stream_is_rewound(self) -> None:
        request = wired(body=io.BytesIO(b"body"))
        assert request.body == b"body"
        assert request.body is request.body
        assert request.read() == b"body"
        assert request.stream.read() == b"body"

    def test_it_is_whole_after_a_part_of_the_stream_was_read(self) -> None:
        request = wired(body=io.BytesIO(b"body"))
        assert request.stream.read(2) == b"bo"
        assert request.body == b"body"

    def test_it_is_read_from_a_stream_that_cannot_seek(self) -> None:
        request = wired(body=NeverSeekable(b"body"))  # type: ignore[arg-type]
        assert request.body == b"body"
        assert request.stream.read() == b"body"
        assert request.body == b"body"

    def test_it_is_read_from_a_spooled_file(self) -> None:
        with tempfile.SpooledTemporaryFile(max_size=1) as file:
            file.write(b"body")
            request = wired(body=file)
            assert request.body == b"body"
            assert request.stream is file
            assert file.read() == b"body"

    def test_given_as_bytes_it_can_be_read_from_the_stream(self) -> None:
        request = wired(body=b"body")
        assert request.stream.read(2) == b"bo"
        assert request.body == b"body"
        assert request.stream.read() == b"dy"


class TestText:
    @pytest.mark.parametrize(
        ("body", "content_type", "text"),
        [
            (b"", "", ""),
            (b"caf\xc3\xa9", "", "caf\u00e9"),
            (b"caf\xc3\xa9", "text/plain", "caf\u00e9"),
            (b"caf\xe9", "text/plain; charset=ISO-8859-1", "caf\u00e9"),
            (b"caf\xe9", 'text/plain;format=flowed; Charset="latin1"', "caf\u00e9"),
            (b"\x80", "text/plain; charset=windows-1252", "\u20ac"),
            (b"a\0", "text/plain; charset=utf-16le", "a"),
        ],
    )
    def test_it_is_decoded_by_its_charset(self, body: bytes, content_type: str, text: str) -> None:
        assert posted(body, content_type).text() == text

    @pytest.mark.parametrize(
        ("body", "content_type", "error"),
        [
            (
                b"\xff",
                "text/plain",
                (
                    "the body is not utf-8 text: "
                    "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
                ),
            ),
            (
                b"a",
                "text/plain; charset=utf-16",
                (
                    "the body is not utf-16 text: "
                    "'utf-16-le' codec can't decode byte 0x61 in position 0: truncated data"
                ),
            ),
            (
                b"a",
                "text/plain; charset=klingon",
                "the body's charset 'klingon' is not known; expected one such as utf-8",
            ),
        ],
    )
    def test_a_body_that_is_no_such_text_says_why(
        self, body: bytes, content_type: str, error: str
    ) -> None:
        with pytest.raises(BodyError) as caught:
            posted(body, content_type).text()
        assert str(caught.value) == error

    @pytest.mark.parametrize(
        "charset", ["hex", "zip", "idna", "punycode", "unicode_escape", "undefined", "../os", "a\0"]
    )
    def test_a_codec_that_is_no_charset_is_refused(self, charset: str) -> None:
        request = Request.from_wire(
            ADDR, "POST", "/", [(b"Content-Type", f"a/b; charset={charset}".encode())], b"\\x"
        )
        with pytest.raises(BodyError, match="is not known; expected one such as utf-8"):
            request.text()

    def test_every_charset_on_the_list_is_one_that_python_has(self) -> None:
        from kit.messages import content

        for charset in content._CHARSETS:
            assert b"".decode(charset) == ""
            assert posted("a".encode(charset), f"a/b; charset={charset}").text() == "a"


class TestJson:
    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (b'{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "\u00e9"]}),
            (b" 1 ", 1),
            (b"\xef\xbb\xbf[1]", [1]),
            ('["\u00e9"]'.encode("utf-16"), ["\u00e9"]),
            (b"1" * 40, int("1" * 40)),
            (b'"\\ud800"', "\ud800"),
            (b'{"a":1,"a":2}', {"a": 2}),
        ],
    )
    def test_the_body_is_parsed(self, body: bytes, value: object) -> None:
        assert posted(body, "text/plain").json() == value

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b"", "the body is empty, expected JSON"),
            (
                b"{",
                (
                    "the body is not JSON: Expecting property name enclosed in double quotes: "
                    "line 1 column 2 (char 1)"
                ),
            ),
            (b"[1] x", "the body is not JSON: Extra data: line 1 column 5 (char 4)"),
            (b"NaN", "the body is not JSON: NaN is not a JSON number"),
            (b"[-Infinity]", "the body is not JSON: -Infinity is not a JSON number"),
            (
                b'"\xff"',
                (
                    "the body is not JSON: "
                    "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"
                ),
            ),
            (b"[" * 200_000, "the body is JSON nested too deeply to read"),
        ],
        ids=lambda value: repr(value[:20]),
    )
    def test_a_body_that_is_not_json_says_why(self, body: bytes, error: str) -> None:
        with pytest.raises(BodyError) as caught:
            posted(body).json()
        assert str(caught.value) == error

    def test_a_number_too_long_to_read_is_refused(self) -> None:
        with pytest.raises(BodyError, match="the body is not JSON: Exceeds the limit"):
            posted(b"1" * 5000).json()

    @settings(max_examples=150)
    @given(
        st.one_of(
            st.binary(max_size=30), st.text('[]{}",:0.e-+ntNaI\\u', max_size=12).map(str.encode)
        )
    )
    def test_random_bytes_parse_or_raise_body_error(self, body: bytes) -> None:
        try:
            value = posted(body).json()
        except BodyError:
            return
        assert value is None or isinstance(value, bool | int | float | str | list | dict)


class TestMessage:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/vnd.msgpack",
            "Application/VND.msgpack; x=y",
            "application/msgpack",
            "application/x-msgpack",
        ],
    )
    def test_messagepack_is_loaded(self, content_type: str) -> None:
        assert posted(Note("hi").dumpb(), content_type).message() == Note("hi")

    @pytest.mark.parametrize(
        "content_type", ["application/json", "application/x+json; charset=utf-8"]
    )
    def test_json_is_loaded(self, content_type: str) -> None:
        assert posted(Note("hi").dumps().encode(), content_type).message() == Note("hi")

    @pytest.mark.parametrize(
        ("content_type", "error"),
        [
            (
                "text/plain",
                "the body is text/plain, expected application/vnd.msgpack or application/json",
            ),
            (
                "",
                (
                    "the body is of no stated type, "
                    "expected application/vnd.msgpack or application/json"
                ),
            ),
        ],
    )
    def test_another_content_type_is_refused(self, content_type: str, error: str) -> None:
        with pytest.raises(BodyError) as caught:
            posted(Note("hi").dumpb(), content_type).message()
        assert str(caught.value) == error

    def test_a_body_that_is_no_message_says_why(self) -> None:
        with pytest.raises(BodyError) as caught:
            posted(b'{"$type": "test.Note", "text": 7}', "application/json").message()
        assert str(caught.value) == (
            "not a valid JSON message of type test.Note: Expected `str`, got `int` - at `$.text`"
        )


class TestForm:
    @pytest.mark.parametrize(
        "content_type", ["", "application/x-www-form-urlencoded; charset=utf-8"]
    )
    def test_fields_are_decoded_and_blank_ones_kept(self, content_type: str) -> None:
        request = posted(b"a=1&a=2&b=&c=%C3%A9+x", content_type)
        assert request.form() == {"a": ["1", "2"], "b": [""], "c": ["\u00e9 x"]}

    def test_an_empty_body_is_an_empty_form(self) -> None:
        assert posted(b"").form() == {}

    def test_another_content_type_is_refused(self) -> None:
        with pytest.raises(BodyError) as caught:
            posted(b"a=1", "multipart/form-data; boundary=x").form()
        assert str(caught.value) == (
            "the body is multipart/form-data, expected application/x-www-form-urlencoded"
        )

    @pytest.mark.parametrize("body", [b"a=\xff", b"a=%FF", b"%FF=a"])
    def test_text_that_is_not_utf_8_is_refused(self, body: bytes) -> None:
        with pytest.raises(BodyError, match="the form is not UTF-8 text: 'utf-8' codec"):
            posted(body).form()

    def test_too_many_fields_are_refused(self) -> None:
        assert len(posted(b"&".join([b"a=1"] * 10_000)).form()["a"]) == 10_000
        with pytest.raises(BodyError) as caught:
            posted(b"&".join([b"a=1"] * 10_001)).form()
        assert str(caught.value) == (
            "the form does not parse, it may have 10000 fields: Max number of fields exceeded"
        )


@pytest.mark.parametrize(
    ("fields", "cookies"),
    [
        ([], {}),
        (["a=1; b=2"], {"a": "1", "b": "2"}),
        (["a=1", "b=2"], {"a": "1", "b": "2"}),
        (["a=1; a=2"], {"a": "1"}),
        (['a="x y"'], {"a": "x y"}),
        (['a="'], {"a": '"'}),
        (["a=b=c;d="], {"a": "b=c", "d": ""}),
        (["; a ; =x;;b=2"], {"b": "2"}),
    ],
)
def test_cookies_are_read_by_name(fields: list[str], cookies: dict[str, str]) -> None:
    request = Request.from_wire(ADDR, "GET", "/", Headers({"Cookie": fields}).raw, None)
    assert request.cookies == cookies


class TestWebSocket:
    @pytest.fixture
    def channel(self) -> Channel:
        return Channel()

    @pytest.fixture
    def request_(self, channel: Channel) -> Request:
        request = wired("/ws")
        request._channel = channel
        return request

    @pytest.mark.parametrize(
        ("payload", "sent"),
        [
            ("text", "text"),
            (b"bytes", b"bytes"),
            (bytearray(b"array"), b"array"),
            (memoryview(b"view"), b"view"),
            ({"a": 1}, '{"a":1}'),
            ([1, "\u00e9"], '[1,"\u00e9"]'),
            (Note("hi"), Note("hi").dumpb()),
        ],
    )
    def test_a_payload_is_sent_as_str_or_bytes(
        self, request_: Request, channel: Channel, payload: object, sent: str | bytes
    ) -> None:
        request_.send(payload)
        assert channel.calls == [("send", sent)]
        assert type(channel.calls[0][1]) is type(sent)

    @pytest.mark.parametrize("payload", [None, 7, ("a",), object(), {1, 2}])
    def test_a_payload_of_another_type_is_refused(
        self, request_: Request, channel: Channel, payload: object
    ) -> None:
        with pytest.raises(TypeError) as caught:
            request_.send(payload)
        assert str(caught.value) == (
            f"cannot send {type(payload).__name__} on a websocket, expected str, bytes, dict, "
            "list or Serializable"
        )
        assert channel.calls == []

    def test_ping_and_close_reach_the_channel(self, request_: Request, channel: Channel) -> None:
        request_.ping()
        request_.ping(b"x")
        request_.close()
        request_.close(1001, "bye")
        assert channel.calls == [
            ("ping", b""),
            ("ping", b"x"),
            ("close", 1000, ""),
            ("close", 1001, "bye"),
        ]

    def test_its_state_is_the_channels(self, request_: Request, channel: Channel) -> None:
        assert request_.subprotocol == "chat"
        assert (request_.close_code, request_.close_reason) == (None, "")
        channel.close_code, channel.close_reason = 1001, "bye"
        assert (request_.close_code, request_.close_reason) == (1001, "bye")

    @pytest.mark.parametrize(
        ("name", "call"),
        [
            ("send()", lambda request: request.send("x")),
            ("ping()", lambda request: request.ping()),
            ("close()", lambda request: request.close()),
            ("subprotocol", lambda request: request.subprotocol),
            ("close_code", lambda request: request.close_code),
            ("close_reason", lambda request: request.close_reason),
        ],
    )
    def test_a_plain_request_says_that_it_is_none(self, name: str, call: Any) -> None:
        with pytest.raises(StateError) as caught:
            call(wired("/"))
        assert str(caught.value) == (
            f"{name} is for websockets, and this is a plain GET request: "
            "use it in a handler decorated with @websocket"
        )


def test_the_repr_shows_method_and_target() -> None:
    assert repr(wired("/user/bob?x=1")) == "<Request GET /user/bob?x=1>"


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = wired().nope  # type: ignore[attr-defined]
    assert str(caught.value) == "'Request' object has no attribute 'nope'"


def test_it_may_be_subclassed_and_referred_to_weakly() -> None:
    class Mine(Request):
        pass

    request = Mine.from_wire(ADDR, "GET", "/", [], None)
    request.extra = 1  # type: ignore[attr-defined]
    assert request.path == "/"
    assert repr(request) == "<Mine GET />"
    assert weakref.ref(request)() is request


@settings(max_examples=100)
@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_any_target_can_be_looked_at(target: str) -> None:
    for form in (f"/{target}", f"http://host/{target}"):
        request = wired(form, {"Host": "h"})
        path = f"/{target}".partition("#")[0].partition("?")[0]
        assert request.path == path
        assert all(isinstance(value, str) for values in request.params.values() for value in values)
    assert wired(f"/{target}", {"Host": "h"}).url == f"http://h/{target}"
    assert "?" not in wired(target).path


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((5, "/", ""), "method must be a str, not 5"),
        (("GET", 6, ""), "path must be a str, not 6"),
        (("GET", "/", 7), "fragment must be a str, not 7"),
    ],
)
def test_a_request_names_the_argument_that_cannot_work(given: Any, text: str) -> None:
    method, path, fragment = given
    with pytest.raises(TypeError) as caught:
        Request(("127.0.0.1", 1), method, path, {}, fragment, {}, None)
    assert str(caught.value) == text
