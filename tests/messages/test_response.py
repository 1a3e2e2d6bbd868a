from __future__ import annotations

import asyncio
import dataclasses
import gc
import gzip
import io
import json
import tempfile
import urllib.error
import warnings
import zlib
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from kit.errors import BodyError, ConfigurationError, LocalProtocolError, StateError
from kit.headers import Headers
from kit.messages import (
    BodyStream,
    Encoded,
    ErrorResponse,
    JsonResponse,
    Response,
    SerializableResponse,
    is_gzip_acceptable,
)
from kit.serializable import Serializable

TEXT = (b"Content-Type", b"text/plain; charset=utf-8")
OCTETS = (b"Content-Type", b"application/octet-stream")
VARY = (b"Vary", b"Accept-Encoding")
GZIP = (b"Content-Encoding", b"gzip")


class Note(Serializable, name="test.response.Note"):
    text: str


class Pieces:
    """An iterator that knows whether it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        piece = next(self.pieces)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


class OnlyRead:
    """The least that a file-like object is."""

    def __init__(self, *blocks: Any) -> None:
        self.blocks = iter(blocks)

    def read(self, size: int = -1) -> Any:
        return next(self.blocks, b"")


def drain(encoded: Encoded) -> bytes:
    assert isinstance(encoded.body, BodyStream)
    return b"".join(encoded.body)


class TestPayload:
    @pytest.mark.parametrize(
        ("payload", "body", "field"),
        [
            (b"hi", b"hi", OCTETS),
            (b"", b"", OCTETS),
            ("h\u00e9", b"h\xc3\xa9", TEXT),
            ("", b"", TEXT),
            (bytearray(b"hi"), b"hi", OCTETS),
            (memoryview(b"hi"), b"hi", OCTETS),
        ],
    )
    def test_bytes_and_text_become_bytes(
        self, payload: Any, body: bytes, field: tuple[bytes, bytes]
    ) -> None:
        response = Response(payload)
        assert response.payload == body
        assert type(response.payload) is bytes
        encoded = response.encode(accept_gzip=True)
        assert (encoded.status, encoded.body, encoded.length) == (200, body, len(body))
        assert encoded.raw_headers == [field]

    def test_no_payload_has_neither_body_nor_content_type(self) -> None:
        response = Response()
        assert response.payload is None
        encoded = response.encode()
        assert (encoded.body, encoded.length, encoded.raw_headers) == (b"", 0, [])

    @pytest.mark.parametrize(
        ("payload", "kind", "advice"),
        [
            ({"a": 1}, "dict", "wrap it in JsonResponse(...)"),
            (7, "int", "wrap it in JsonResponse(...) or SerializableResponse(...)"),
            (Note("x"), "Note", "wrap it in JsonResponse(...) or SerializableResponse(...)"),
            (
                [{"a": 1}],
                "list",
                "it holds more than bytes and str; wrap it in JsonResponse(...)",
            ),
        ],
    )
    def test_what_cannot_be_sent_is_refused_with_advice(
        self, payload: Any, kind: str, advice: str
    ) -> None:
        with pytest.raises(TypeError) as caught:
            Response(payload)
        assert str(caught.value) == (
            f"payload is {kind}, expected bytes, str, a file-like object or an iterable of bytes "
            f"or str: {advice}"
        )

    def test_an_async_generator_is_refused_with_advice(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"

        generator = pieces()
        with pytest.raises(TypeError, match="it can only be awaited; collect it in an async"):
            Response(generator)
        asyncio.run(generator.aclose())  # type: ignore[attr-defined]


class TestStatus:
    @pytest.mark.parametrize("status", [100, 201, 404, 599, HTTPStatus.IM_A_TEAPOT])
    def test_a_status_is_kept_as_int(self, status: int) -> None:
        response = Response(b"", status)
        assert response.status_code == int(status)
        assert type(response.status_code) is int
        assert response.encode().status == int(status)

    @pytest.mark.parametrize("status", [99, 600, 0, -1, "200", None, 200.5, True])
    def test_what_is_no_status_is_refused(self, status: Any) -> None:
        for make in (Response, JsonResponse):
            with pytest.raises(ConfigurationError) as caught:
                make("x", status)
            assert (
                str(caught.value) == f"status_code must be an int from 100 to 599, not {status!r}"
            )
            assert isinstance(caught.value, ValueError)

    def test_an_error_has_the_status_of_one(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            ErrorResponse("x", 302)
        assert str(caught.value) == "status_code must be an int from 400 to 599, not 302"

    @pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (299, "")])
    def test_the_reason_is_that_of_the_status(self, status: int, reason: str) -> None:
        assert Response(b"", status).reason == reason


class TestHeaders:
    def test_they_are_kept_in_order_behind_them_the_content_type(self) -> None:
        headers: Any = {"X-B": "1", b"X-A": ["2", b"3"]}
        response = Response("x", 200, headers)
        assert isinstance(response.headers, Headers)
        assert response.encode().raw_headers == [
            (b"X-B", b"1"),
            (b"X-A", b"2"),
            (b"X-A", b"3"),
            TEXT,
        ]

    @pytest.mark.parametrize("name", ["Content-Type", "content-type"])
    def test_a_content_type_that_was_given_stays(self, name: str) -> None:
        for response in (Response("x", 200, {name: "a/b"}), JsonResponse(1, 200, {name: "a/b"})):
            assert response.encode().raw_headers == [(name.encode(), b"a/b")]

    @pytest.mark.parametrize(
        ("headers", "text"),
        [
            (
                {"X-Bad": "a\r\nSet-Cookie: x"},
                (
                    "header X-Bad holds the control character b'\\r' at index 1 of its value; "
                    "only a tab is allowed"
                ),
            ),
            ({"X Bad": "a"}, "header name b'X Bad' is not a token (RFC 9110 section 5.6.2)"),
        ],
    )
    def test_those_that_would_break_the_wire_are_refused(
        self, headers: dict[str, str], text: str
    ) -> None:
        with pytest.raises(LocalProtocolError) as caught:
            Response("x", 200, headers).encode()
        assert str(caught.value) == text

    def test_encoding_leaves_the_response_as_it_was(self) -> None:
        response = Response("x", 200, {"X-A": "1"}, compress=True)
        first, second = response.encode(accept_gzip=True), response.encode(accept_gzip=True)
        assert first.raw_headers == second.raw_headers
        assert response.headers.raw == [(b"X-A", b"1")]
        assert first.raw_headers is not second.raw_headers


class TestStreams:
    def test_a_generator_is_streamed_as_utf_8(self) -> None:
        encoded = Response(piece for piece in (b"a", "\u00e9", "", b"", bytearray(b"c"))).encode()
        assert encoded.length is None
        assert encoded.raw_headers == [OCTETS]
        assert isinstance(encoded.body, BodyStream)
        assert list(encoded.body) == [b"a", b"\xc3\xa9", b"c"]

    def test_a_generator_is_run_only_as_far_as_it_is_read(self) -> None:
        ran: list[int] = []

        def pieces() -> Iterator[bytes]:
            for number in range(3):
                ran.append(number)
                yield b"x"

        encoded = Response(pieces()).encode()
        assert ran == []
        assert isinstance(encoded.body, BodyStream)
        next(encoded.body)
        assert ran == [0]
        encoded.body.close()
        assert ran == [0]
        assert list(encoded.body) == []

    def test_a_list_of_text_is_text(self) -> None:
        encoded = Response(["a", "b"]).encode()
        assert encoded.raw_headers == [TEXT]
        assert drain(encoded) == b"ab"

    def test_its_source_is_closed_at_the_end(self) -> None:
        source = Pieces(b"a")
        encoded = Response(source).encode()
        assert drain(encoded) == b"a"
        assert source.closed == 1

    def test_its_source_is_closed_when_nothing_was_read(self) -> None:
        source = Pieces(b"a")
        encoded = Response(source).encode()
        assert isinstance(encoded.body, BodyStream)
        encoded.body.close()
        encoded.body.close()
        assert source.closed == 1

    def test_its_source_is_closed_when_it_raises(self) -> None:
        source = Pieces(b"a", RuntimeError("broken"))
        encoded = Response(source).encode()
        with pytest.raises(RuntimeError, match="broken"):
            drain(encoded)
        assert source.closed == 1

    @pytest.mark.parametrize("compress", [False, True])
    def test_a_piece_of_another_type_is_named(self, compress: bool) -> None:
        encoded = Response(iter([b"a", 7]), compress=compress).encode(accept_gzip=True)
        with pytest.raises(LocalProtocolError) as caught:
            drain(encoded)
        assert str(caught.value) == "the payload's iterator gave int, expected bytes or str"

    def test_the_length_that_was_given_is_told(self) -> None:
        headers = {"Content-Length": "2"}
        assert Response(iter([b"ab"]), 200, headers).encode().length == 2
        assert Response(iter([b"ab"]), 200, {"Content-Length": "x"}).encode().length is None

    def test_the_payload_stays_the_object(self) -> None:
        source = Pieces(b"a")
        assert Response(source).payload is source

    def test_its_bytes_cannot_be_asked_for(self) -> None:
        with pytest.raises(StateError) as caught:
            _ = Response(Pieces(b"a")).body
        assert str(caught.value) == "the payload is streamed from Pieces, not held as bytes"


class TestFiles:
    def test_a_file_is_sent_in_blocks_and_closed(self, tmp_path: Path) -> None:
        data = bytes(range(256)) * 600
        path = tmp_path / "data"
        path.write_bytes(data)
        file = path.open("rb")
        encoded = Response(file).encode()
        assert encoded.length == len(data)
        assert isinstance(encoded.body, BodyStream)
        blocks = list(encoded.body)
        assert [len(block) for block in blocks] == [65536, 65536, len(data) - 131072]
        assert b"".join(blocks) == data
        assert file.closed

    def test_a_file_is_closed_when_nothing_was_read(self, tmp_path: Path) -> None:
        path = tmp_path / "data"
        path.write_bytes(b"x")
        file = path.open("rb")
        encoded = Response(file).encode()
        assert isinstance(encoded.body, BodyStream)
        encoded.body.close()
        assert file.closed

    def test_a_file_is_sent_from_where_it_stands(self) -> None:
        file = io.BytesIO(b"abcdef")
        file.seek(2)
        encoded = Response(file).encode()
        assert encoded.length == 4
        assert drain(encoded) == b"cdef"

    def test_a_file_that_grows_is_sent_as_long_as_was_told(self) -> None:
        file = io.BytesIO(b"abc")
        encoded = Response(file).encode()
        file.seek(0, 2)
        file.write(b"def")
        file.seek(0)
        assert encoded.length == 3
        assert drain(encoded) == b"abc"

    def test_a_spooled_file_is_sent_with_its_length(self) -> None:
        with tempfile.SpooledTemporaryFile() as file:
            file.write(b"abc")
            file.seek(0)
            encoded = Response(file).encode()
            assert encoded.length == 3
            assert drain(encoded) == b"abc"

    def test_a_text_file_is_sent_as_utf_8_of_unknown_length(self) -> None:
        encoded = Response(io.StringIO("h\u00e9")).encode()
        assert encoded.length is None
        assert encoded.raw_headers == [TEXT]
        assert drain(encoded) == b"h\xc3\xa9"

    def test_an_object_that_only_reads_is_streamed(self) -> None:
        encoded = Response(OnlyRead(b"a", "b")).encode()
        assert encoded.length is None
        assert drain(encoded) == b"ab"

    def test_a_read_of_another_type_is_named(self) -> None:
        with pytest.raises(LocalProtocolError) as caught:
            drain(Response(OnlyRead(7)).encode())
        assert str(caught.value) == "read() of the payload gave int, expected bytes or str"


class TestCompression:
    BIG = b"abc" * 1000

    def test_bytes_are_packed_when_the_client_accepts_it(self) -> None:
        encoded = Response(self.BIG, compress=True).encode(accept_gzip=True)
        assert isinstance(encoded.body, bytes)
        assert gzip.decompress(encoded.body) == self.BIG
        assert encoded.length == len(encoded.body) < len(self.BIG)
        assert encoded.raw_headers == [OCTETS, VARY, GZIP]

    def test_the_same_bytes_are_packed_to_the_same(self) -> None:
        first = Response(self.BIG, compress=True).encode(accept_gzip=True).body
        assert Response(self.BIG, compress=True).encode(accept_gzip=True).body == first

    def test_a_client_that_does_not_accept_it_is_told_that_others_may(self) -> None:
        encoded = Response(self.BIG, compress=True).encode(accept_gzip=False)
        assert encoded.body == self.BIG
        assert encoded.raw_headers == [OCTETS, VARY]

    def test_without_compress_nothing_is_packed(self) -> None:
        encoded = Response(self.BIG).encode(accept_gzip=True)
        assert encoded.body == self.BIG
        assert encoded.raw_headers == [OCTETS]

    @pytest.mark.parametrize(
        ("payload", "status", "headers"),
        [
            (b"", 200, {}),
            (None, 200, {}),
            (b"x", 204, {}),
            (b"x", 304, {}),
            (b"x", 206, {}),
            (b"x", 101, {}),
            (b"x", 200, {"Content-Encoding": "br"}),
        ],
    )
    def test_what_must_not_be_packed_is_not(
        self, payload: bytes | None, status: int, headers: dict[str, str]
    ) -> None:
        encoded = Response(payload, status, headers, compress=True).encode(accept_gzip=True)
        assert encoded.body == (payload or b"")
        assert GZIP not in encoded.raw_headers
        assert VARY in encoded.raw_headers

    @pytest.mark.parametrize(
        ("vary", "expected"),
        [
            ("*", [b"*"]),
            ("accept-encoding, Origin", [b"accept-encoding, Origin"]),
            ("Origin", [b"Origin", b"Accept-Encoding"]),
        ],
    )
    def test_vary_is_added_to_what_is_there(self, vary: str, expected: list[bytes]) -> None:
        encoded = Response(b"x", 200, {"Vary": vary}, compress=True).encode(accept_gzip=True)
        assert Headers.from_raw(encoded.raw_headers)["vary"] == expected

    def test_the_length_of_the_unpacked_payload_is_dropped(self) -> None:
        headers = {"content-length": "3000"}
        encoded = Response(self.BIG, 200, headers, compress=True).encode(accept_gzip=True)
        assert encoded.raw_headers == [OCTETS, VARY, GZIP]
        streamed = Response(iter([self.BIG]), 200, headers, compress=True).encode(accept_gzip=True)
        assert streamed.length is None
        assert streamed.raw_headers == [OCTETS, VARY, GZIP]

    def test_json_is_packed_too(self) -> None:
        encoded = JsonResponse([1] * 500, compress=True).encode(accept_gzip=True)
        assert isinstance(encoded.body, bytes)
        assert json.loads(gzip.decompress(encoded.body)) == [1] * 500

    def test_a_file_is_packed_piece_by_piece(self) -> None:
        file = io.BytesIO(self.BIG * 100)
        encoded = Response(file, compress=True).encode(accept_gzip=True)
        assert encoded.length is None
        assert gzip.decompress(drain(encoded)) == self.BIG * 100
        assert file.closed

    def test_each_piece_of_a_packed_stream_can_be_read_at_once(self) -> None:
        encoded = Response(iter(["one", "two"]), compress=True).encode(accept_gzip=True)
        assert isinstance(encoded.body, BodyStream)
        unpacker = zlib.decompressobj(31)
        assert unpacker.decompress(next(encoded.body)) == b"one"
        assert unpacker.decompress(next(encoded.body)) == b"two"
        assert unpacker.decompress(b"".join(encoded.body)) == b""
        assert unpacker.eof

    @pytest.mark.parametrize(
        ("value", "is_acceptable"),
        [
            (None, False),
            ("", False),
            ("gzip", True),
            ("GZIP", True),
            ("x-gzip", True),
            ("br, gzip", True),
            ("br", False),
            ("*", True),
            ("*;q=0", False),
            ("gzip;q=0", False),
            ("gzip;q=0.0", False),
            ("gzip;q=0.001", True),
            ("gzip; q=0.5", True),
            ("gzip;Q=0", False),
            ("gzip;q=0, *", False),
            ("*;q=0, gzip", True),
            ("identity", False),
            ("gzip;q=x", False),
            ("gzip;q=nan", False),
            ("gzip;q=2", False),
            ("gzip;level=9", True),
        ],
    )
    def test_accept_encoding_is_read_by_its_weights(
        self, value: str | None, is_acceptable: bool
    ) -> None:
        headers = Headers({} if value is None else {"Accept-Encoding": value})
        assert is_gzip_acceptable(headers) is is_acceptable


@dataclasses.dataclass
class Point:
    x: int


class TestJsonResponse:
    @pytest.mark.parametrize(
        ("obj", "body"),
        [
            ({"a": [1, None, True, 1.5, "\u00e9"]}, '{"a":[1,null,true,1.5,"\u00e9"]}'),
            (None, "null"),
            ("x", '"x"'),
            ((1, 2), "[1,2]"),
            ({1: "a"}, '{"1":"a"}'),
            ({None: 1, True: 2}, '{"null":1,"true":2}'),
            (10**30, "1" + "0" * 30),
            ("\ud800", '"\\ud800"'),
            (Point(1), '{"x":1}'),
            ({None: Point(1)}, '{"null":{"x":1}}'),
            (Note("hi"), '{"$type":"test.response.Note","text":"hi"}'),
            (float("nan"), "null"),
        ],
    )
    def test_an_object_is_sent_as_json(self, obj: object, body: str) -> None:
        response = JsonResponse(obj)
        assert response.payload is obj
        encoded = response.encode()
        assert encoded.body == body.encode()
        assert encoded.length == len(body.encode())
        assert encoded.raw_headers == [(b"Content-Type", b"application/json")]
        assert response.json() is obj
        assert response.text() == body

    def test_a_type_that_json_cannot_carry_is_named(self) -> None:
        with pytest.raises(LocalProtocolError) as caught:
            JsonResponse({"a": [1j]}).encode()
        assert str(caught.value) == (
            "cannot send dict as JSON: complex has no JSON form; convert it first"
        )

    def test_an_object_that_holds_itself_is_refused(self) -> None:
        loop: list[object] = []
        loop.append(loop)
        with pytest.raises(LocalProtocolError, match="cannot send list as JSON: "):
            JsonResponse(loop).encode()

    def test_an_object_nested_too_deeply_is_refused(self) -> None:
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(LocalProtocolError) as caught:
            JsonResponse(deep).encode()
        assert str(caught.value) == (
            "cannot send list as JSON: it is nested too deeply, or in itself"
        )

    def test_its_repr_shows_the_object(self) -> None:
        assert repr(JsonResponse({"a": 1}, 201)) == "<JsonResponse 201 application/json {'a': 1}>"


class TestSerializableResponse:
    def test_a_message_is_sent_as_messagepack(self) -> None:
        note = Note("hi")
        response = SerializableResponse(note, 201, {"X-A": "1"})
        assert response.payload is note
        encoded = response.encode()
        assert encoded.status == 201
        assert encoded.body == note.dumpb()
        assert encoded.raw_headers == [
            (b"X-A", b"1"),
            (b"Content-Type", b"application/vnd.msgpack"),
        ]

    def test_another_object_is_refused(self) -> None:
        with pytest.raises(TypeError) as caught:
            SerializableResponse({"a": 1})  # type: ignore[arg-type]
        assert str(caught.value) == "SerializableResponse takes a Serializable, not dict"


class TestErrorResponse:
    @pytest.mark.parametrize(
        ("obj", "payload", "body", "kind"),
        [
            ("no", b"no", b"no", TEXT[1]),
            (b"no", b"no", b"no", OCTETS[1]),
            ({"why": 1}, {"why": 1}, b'{"why":1}', b"application/json"),
            ([1], [1], b"[1]", b"application/json"),
            (ValueError("bad x"), b"bad x", b"bad x", TEXT[1]),
            (ValueError(), b"ValueError", b"ValueError", TEXT[1]),
        ],
    )
    def test_what_it_tells_is_sent(
        self, obj: object, payload: object, body: bytes, kind: bytes
    ) -> None:
        response = ErrorResponse(obj)
        assert response.payload == payload
        encoded = response.encode()
        assert (encoded.status, encoded.body) == (400, body)
        assert encoded.raw_headers == [(b"Content-Type", kind)]

    def test_an_exception_stays_in_it(self) -> None:
        error = ValueError("x")
        assert ErrorResponse(error, 500).exception is error
        assert ErrorResponse("x").exception is None

    def test_another_object_is_refused(self) -> None:
        with pytest.raises(TypeError) as caught:
            ErrorResponse(7)
        assert str(caught.value) == (
            "ErrorResponse takes str, bytes, a dict or list, or an exception, not int"
        )

    def test_its_repr_shows_what_it_tells(self) -> None:
        assert repr(ErrorResponse("no such user", 404)) == (
            "<ErrorResponse 404 text/plain 'no such user'>"
        )
        assert repr(ErrorResponse({"why": 1})) == "<ErrorResponse 400 application/json {'why': 1}>"


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (Response("hello, world"), "<Response 200 text/plain 12 bytes>"),
        (Response(b"x", 404, {"Content-Type": "a/b; c=d"}), "<Response 404 a/b 1 bytes>"),
        (Response(status_code=204), "<Response 204 0 bytes>"),
        (
            Response(Pieces()),
            "<Response 200 application/octet-stream streamed from Pieces>",
        ),
    ],
)
def test_the_repr_shows_status_type_and_size(response: Response, text: str) -> None:
    assert repr(response) == text


def test_text_and_json_are_read_from_the_payload() -> None:
    assert Response("h\u00e9").text() == "h\u00e9"
    assert Response(b'{"a": 1}').json() == {"a": 1}
    with pytest.raises(BodyError, match="the body is not JSON: "):
        Response("x").json()


def test_a_response_of_the_server_has_neither_url_nor_exception() -> None:
    assert Response().url == ""
    assert Response().exception is None


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = Response().nope  # type: ignore[attr-defined]
    assert str(caught.value) == "'Response' object has no attribute 'nope'"


def test_an_encoded_response_shows_its_length() -> None:
    assert repr(Response("abc").encode()) == "<Encoded 200 3 bytes>"
    assert repr(Response(iter([b""])).encode()) == "<Encoded 200 unknown length>"


def test_an_error_can_be_dropped_without_a_warning() -> None:
    from kit.messages import response_from_wire

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        response = response_from_wire(404, "Not Found", [], b"nix", "http://h/")
        assert isinstance(response.exception, urllib.error.HTTPError)
        del response
        gc.collect()
    assert caught == []
