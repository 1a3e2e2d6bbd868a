from __future__ import annotations

import email.message
import ssl
import urllib.error
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import BodyError, LimitError, RemoteProtocolError, SerializableError
from kit.messages import (
    ErrorResponse,
    JsonResponse,
    Response,
    SerializableResponse,
    decode_content,
    error_from_transport,
    response_from_wire,
)
from kit.serializable import Serializable

URL = "http://example.org/a"
MIB = 1024 * 1024


class Note(Serializable, name="test.received.Note"):
    text: str


def receive(status: int, content_type: str, body: bytes, reason: str = "OK") -> Response:
    raw = [(b"Content-Type", content_type.encode()), (b"X-A", b"1"), (b"X-A", b"2")]
    return response_from_wire(status, reason, raw, body, URL)


class TestByContentType:
    def test_bytes_are_a_plain_response(self) -> None:
        response = receive(201, "text/plain; charset=latin-1", b"h\xe9", "Created")
        assert type(response) is Response
        assert (response.status_code, response.reason, response.url) == (201, "Created", URL)
        assert response.payload == response.body == b"h\xe9"
        assert response.text() == "h\u00e9"
        assert response.headers["x-a"] == [b"1", b"2"]
        assert response.exception is None
        assert repr(response) == "<Response 201 text/plain 2 bytes>"

    @pytest.mark.parametrize(
        "kind", ["application/json", "Application/JSON; charset=utf-8", "application/hal+json"]
    )
    def test_json_is_a_json_response(self, kind: str) -> None:
        response = receive(200, kind, b'{"a": 1}')
        assert type(response) is JsonResponse
        assert response.payload == response.json() == {"a": 1}
        assert response.body == b'{"a": 1}'
        assert response.text() == '{"a": 1}'
        assert response.exception is None

    @pytest.mark.parametrize("body", [b"{", b"", b"\xff"])
    def test_json_that_does_not_parse_is_a_plain_response(self, body: bytes) -> None:
        response = receive(200, "application/json", body)
        assert type(response) is Response
        assert response.payload == body
        assert response.exception is None
        with pytest.raises(BodyError, match="the body is "):
            response.json()

    def test_messagepack_is_a_serializable_response(self) -> None:
        response = receive(200, "application/vnd.msgpack", Note("hi").dumpb())
        assert type(response) is SerializableResponse
        assert response.payload == Note("hi")
        assert response.body == Note("hi").dumpb()

    def test_a_message_that_is_not_known_is_an_error(self) -> None:
        response = receive(200, "application/vnd.msgpack", b"\x81\xa5$type\xa7no.Such")
        assert type(response) is ErrorResponse
        assert response.status_code == 200
        assert response.payload == b"\x81\xa5$type\xa7no.Such"
        assert isinstance(response.exception, SerializableError)
        assert str(response.exception) == (
            "unknown message type 'no.Such': no Serializable of that name is defined"
        )

    def test_no_content_type_is_a_plain_response(self) -> None:
        response = response_from_wire(200, "", [], b"x", URL)
        assert type(response) is Response
        assert repr(response) == "<Response 200 1 bytes>"


class TestErrors:
    @pytest.mark.parametrize("status", [400, 404, 500, 599])
    def test_a_status_of_an_error_is_an_error_response(self, status: int) -> None:
        response = receive(status, "text/plain", b"nix", "Because")
        assert type(response) is ErrorResponse
        assert (response.status_code, response.payload) == (status, b"nix")
        error = response.exception
        assert isinstance(error, urllib.error.HTTPError)
        assert response.exception is error
        assert (error.code, error.msg, error.url) == (status, "Because", URL)
        assert error.read() == b"nix"

    def test_the_fields_are_in_the_exception(self) -> None:
        error = receive(404, "text/plain", b"").exception
        assert isinstance(error, urllib.error.HTTPError)
        assert isinstance(error.headers, email.message.Message)
        assert error.headers["content-type"] == "text/plain"
        assert error.headers.get_all("x-a") == ["1", "2"]

    @pytest.mark.parametrize("status", [200, 204, 302, 304, 399])
    def test_a_lower_status_is_no_error(self, status: int) -> None:
        assert type(receive(status, "text/plain", b"")) is Response

    def test_json_in_an_error_is_its_payload(self) -> None:
        response = receive(422, "application/problem+json", b'{"why": 1}')
        assert type(response) is ErrorResponse
        assert response.payload == response.json() == {"why": 1}
        assert isinstance(response.exception, urllib.error.HTTPError)
        assert response.exception.read() == b'{"why": 1}'

    def test_json_in_an_error_that_does_not_parse_stays_bytes(self) -> None:
        assert receive(500, "application/json", b"{").payload == b"{"

    @pytest.mark.parametrize(
        "reason",
        [
            ConnectionRefusedError(111, "Connection refused"),
            TimeoutError("timed out"),
            ssl.SSLError(1, "certificate verify failed"),
            RemoteProtocolError("bad status line"),
        ],
    )
    def test_a_failed_transport_is_an_error_response(self, reason: Exception) -> None:
        response = error_from_transport(reason, URL)
        assert type(response) is ErrorResponse
        assert (response.status_code, response.url) == (0, URL)
        error = response.exception
        assert type(error) is urllib.error.URLError
        assert error.reason is reason
        assert error.__cause__ is reason
        assert error.filename == URL
        assert response.payload == str(reason).encode()
        assert response.reason == str(reason)
        assert repr(response) == f"<ErrorResponse 0 {error!r}>"

    def test_an_exception_of_urllib_is_kept(self) -> None:
        error = urllib.error.URLError("no route")
        assert error_from_transport(error, URL).exception is error

    def test_a_reason_without_text_is_told_by_its_type(self) -> None:
        assert error_from_transport(ConnectionResetError(), URL).reason == "ConnectionResetError"


def pack_gzip(data: bytes) -> bytes:
    # Without a time in it, which would make test ids differ between workers.
    return zlib.compress(data, wbits=31)


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def coded(coding: str | list[str]) -> list[tuple[bytes, bytes]]:
    names = [coding] if isinstance(coding, str) else coding
    return [(b"content-Encoding", name.encode()) for name in names]


class TestDecodeContent:
    DATA = b"hello " * 100

    @pytest.mark.parametrize(
        ("coding", "body"),
        [
            ("gzip", pack_gzip(DATA)),
            ("GZIP", pack_gzip(DATA)),
            ("x-gzip", pack_gzip(DATA)),
            ("deflate", zlib.compress(DATA)),
            ("deflate", bare_deflate(DATA)),
            ("identity", DATA),
            ("", DATA),
            ("gzip", pack_gzip(DATA[:100]) + pack_gzip(DATA[100:])),
            ("gzip", pack_gzip(DATA) + b"\0" * 7),
            ("deflate, gzip", pack_gzip(zlib.compress(DATA))),
            (["deflate", "gzip"], pack_gzip(zlib.compress(DATA))),
            ("gzip, identity", pack_gzip(DATA)),
        ],
    )
    def test_the_codings_are_undone(self, coding: str | list[str], body: bytes) -> None:
        assert decode_content(coded(coding), body, MIB) == self.DATA

    def test_a_body_without_a_coding_is_given_as_it_is(self) -> None:
        body = b"x"
        assert decode_content([(b"Content-Type", b"gzip")], body, 0) is body

    def test_an_empty_body_needs_no_undoing(self) -> None:
        assert decode_content(coded("gzip"), b"", MIB) == b""

    @pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
    def test_an_unknown_coding_is_left(self, coding: str) -> None:
        assert decode_content(coded(coding), b"whatever", MIB) == b"whatever"

    @pytest.mark.parametrize(
        ("coding", "body", "error"),
        [
            (
                "gzip",
                b"no gzip",
                (
                    "the body is not gzip, as its Content-Encoding says: "
                    "Error -3 while decompressing data: incorrect header check"
                ),
            ),
            ("gzip", pack_gzip(b"x" * 50)[:-4], "the body's gzip data is cut off after 20 bytes"),
            (
                "gzip",
                pack_gzip(b"x") + b"junk",
                (
                    "the body is not gzip, as its Content-Encoding says: "
                    "Error -3 while decompressing data: incorrect header check"
                ),
            ),
            (
                "deflate",
                zlib.compress(b"x")[:-1],
                "the body's deflate data is cut off after 8 bytes",
            ),
            (
                "deflate",
                zlib.compress(b"x") + b"junk",
                "the body has 4 bytes behind its deflate data",
            ),
            (
                "gzip, gzip, gzip, gzip, gzip",
                b"x",
                "the body has 5 content codings, at most 4 are undone",
            ),
        ],
    )
    def test_a_body_that_is_not_in_its_coding_says_so(
        self, coding: str, body: bytes, error: str
    ) -> None:
        with pytest.raises(BodyError) as caught:
            decode_content(coded(coding), body, MIB)
        assert str(caught.value) == error

    @pytest.mark.parametrize(
        ("coding", "pack"),
        [("gzip", pack_gzip), ("deflate", zlib.compress), ("deflate", bare_deflate)],
    )
    def test_a_bomb_is_stopped_at_the_limit(
        self, coding: str, pack: Callable[[bytes], bytes]
    ) -> None:
        bomb = pack(b"\0" * 1000)
        assert decode_content(coded(coding), bomb, 1000) == b"\0" * 1000
        with pytest.raises(LimitError) as caught:
            decode_content(coded(coding), bomb, 999)
        assert caught.value.name == "response_bytes"
        assert str(caught.value) == (
            f"the {coding} body unpacks to more: the limit response_bytes is 999"
        )

    def test_a_bomb_of_many_members_is_stopped_at_the_limit(self) -> None:
        with pytest.raises(LimitError, match="the limit response_bytes is 1000"):
            decode_content(coded("gzip"), pack_gzip(b"\0" * 600) * 2, 1000)

    def test_a_bomb_inside_a_bomb_is_stopped_at_the_limit(self) -> None:
        inner = pack_gzip(b"\0" * 50_000_000)
        with pytest.raises(LimitError, match="the limit response_bytes is 100000"):
            decode_content(coded("gzip, gzip"), pack_gzip(inner), 100_000)

    def test_endless_members_are_refused(self) -> None:
        with pytest.raises(BodyError) as caught:
            decode_content(coded("gzip"), pack_gzip(b"") * 2000, MIB)
        assert str(caught.value) == "the body is gzip of more than 1024 members"

    @settings(max_examples=60)
    @given(st.binary(max_size=3000))
    def test_any_data_comes_back(self, data: bytes) -> None:
        assert decode_content(coded("gzip"), pack_gzip(data), 3000) == data
        assert decode_content(coded("deflate"), zlib.compress(data), 3000) == data
        assert decode_content(coded("deflate"), bare_deflate(data), 3000) == data

    @settings(max_examples=100)
    @given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate", "gzip, deflate"]))
    def test_random_bytes_raise_the_documented_errors_only(self, noise: bytes, coding: str) -> None:
        for body in (noise, pack_gzip(b"x" * 100)[:12] + noise, zlib.compress(noise)[:-3]):
            try:
                data = decode_content(coded(coding), body, 50)
            except (BodyError, LimitError):
                continue
            assert len(data) <= 50
