"""What a client refuses, when, and in which words."""

from __future__ import annotations

import io
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit import (
    ConfigurationError,
    HTTPClient,
    LocalProtocolError,
    StateError,
    TlsFileError,
)

ADDR = ("127.0.0.1", 9)


@pytest.mark.parametrize(
    "addr",
    [
        "127.0.0.1:80",
        ("127.0.0.1",),
        ("127.0.0.1", 80, 0),
        ("127.0.0.1", "80"),
        ("127.0.0.1", True),
        ("127.0.0.1", 0),
        ("127.0.0.1", 65536),
        ("127.0.0.1", -1),
        ("", 80),
        (b"127.0.0.1", 80),
        ("http://127.0.0.1", 80),
        ("user@host", 80),
        ("[::1]", 80),
        ("two words", 80),
        ("nul\0", 80),
        None,
    ],
)
def test_an_address_that_cannot_be_is_refused(addr: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPClient(addr)
    assert str(caught.value) == (
        f'addr must be (host, port) of the server, for example ("127.0.0.1", 8080), not {addr!r}'
    )


@pytest.mark.parametrize("protocol", ["ftp", "HTTP", "", None, ["http"], "ws"])
def test_a_protocol_that_is_not_spoken_is_refused(protocol: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPClient(ADDR, protocol)
    assert str(caught.value) == f'protocol must be "http" or "https", not {protocol!r}'


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout_s": 0}, "timeout_s must be a positive number, not 0"),
        ({"timeout_s": float("nan")}, "timeout_s must be a positive number, not nan"),
        ({"timeout_s": None}, "timeout_s must be a positive number, not None"),
        ({"timeout_s": True}, "timeout_s must be a positive number, not True"),
        (
            {"max_connections": 0},
            "max_connections must be a whole number of at least 1, not 0",
        ),
        (
            {"max_connections": 1.5},
            "max_connections must be a whole number of at least 1, not 1.5",
        ),
        ({"max_pending": 0}, "max_pending must be a whole number of at least 1, not 0"),
        ({"max_redirects": -1}, "max_redirects must be a whole number of at least 0, not -1"),
    ],
)
def test_a_bound_that_cannot_be_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPClient(ADDR, **options)
    assert str(caught.value) == text


def test_a_ca_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(TlsFileError, match="does not exist: check the path"):
        HTTPClient(ADDR, "https", cafile=missing)


def test_a_ca_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("hello")
    with pytest.raises(TlsFileError, match="is not PEM"):
        HTTPClient(ADDR, "https", cafile=file)


def test_a_ca_file_and_a_context_exclude_each_other(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    with pytest.raises(ConfigurationError, match="give either cafile or ssl_context, not both"):
        HTTPClient(ADDR, "https", cafile=tmp_path / "ca.pem", ssl_context=context)


@pytest.mark.parametrize("context", ["ca.pem", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)])
def test_a_context_that_is_not_a_clients_is_refused(context: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"must be an ssl\.SSLContext for clients"):
        HTTPClient(ADDR, "https", ssl_context=context)


CALLS: list[Callable[[HTTPClient], object]] = [
    lambda client: client.get("/"),
    lambda client: client.delete("/"),
    lambda client: client.post("/", b""),
    lambda client: client.put("/", b""),
    lambda client: client.request("PATCH", "/"),
    lambda client: client.websocket("/"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_request_before_the_start_is_refused(call: Callable[[HTTPClient], object]) -> None:
    with pytest.raises(StateError) as caught:
        call(HTTPClient(ADDR))
    assert str(caught.value) == "the client is not started: call start() first, or use `with`"


@pytest.mark.parametrize("call", CALLS)
def test_a_request_after_the_stop_is_refused(call: Callable[[HTTPClient], object]) -> None:
    client = HTTPClient(ADDR).start()
    client.stop()
    with pytest.raises(StateError) as caught:
        call(client)
    assert str(caught.value) == "the client has been stopped: make a new HTTPClient"
    assert client.pending() == 0


def test_a_second_start_is_refused() -> None:
    with (
        HTTPClient(ADDR) as client,
        pytest.raises(StateError, match="the client is started already: make a new HTTPClient"),
    ):
        client.start()


def test_a_start_after_the_stop_is_refused() -> None:
    client = HTTPClient(ADDR).start()
    client.stop()
    with pytest.raises(StateError, match="the client is stopped already: make a new HTTPClient"):
        client.start()


def test_a_stop_before_the_start_and_a_second_one_do_nothing() -> None:
    client = HTTPClient(ADDR)
    client.stop()
    client.stop()
    assert repr(client) == "<HTTPClient http://127.0.0.1:9 stopped, 0 pending>"


@pytest.mark.parametrize("path", ["", "user", "http://127.0.0.1/", "?a=1", None, b"/"])
def test_a_path_without_a_slash_is_refused(path: Any) -> None:
    with HTTPClient(ADDR) as client:
        with pytest.raises(ConfigurationError) as caught:
            client.get(path)
        assert str(caught.value) == f'path must begin with "/", not {path!r}'
        assert client.pending() == 0


@pytest.mark.parametrize("method", ["", "GET /", "G\r\nX: y", None, b"GET", "ÄÖ"])
def test_a_method_that_is_no_token_is_refused(method: Any) -> None:
    with HTTPClient(ADDR) as client, pytest.raises(ConfigurationError, match="method must be"):
        client.request(method, "/")


def test_connect_is_refused() -> None:
    with HTTPClient(ADDR) as client, pytest.raises(ConfigurationError, match="asks for a tunnel"):
        client.request("CONNECT", "/")


@pytest.mark.parametrize("payload", [1, 2.0, {1, 2}, object(), (1, 2)])
def test_a_payload_that_cannot_be_sent_is_a_type_error(payload: Any) -> None:
    with HTTPClient(ADDR) as client:
        with pytest.raises(TypeError) as caught:
            client.post("/", payload)
        assert str(caught.value) == (
            f"payload is {type(payload).__name__}, expected bytes, str, dict, list, "
            "a Serializable, a binary file or None"
        )
        assert client.pending() == 0


def test_a_text_file_as_payload_is_a_type_error() -> None:
    with HTTPClient(ADDR) as client, pytest.raises(TypeError, match="open it in binary mode"):
        client.post("/", io.StringIO("text"))  # type: ignore[arg-type]


def test_a_dict_that_json_cannot_carry_is_refused_at_the_call() -> None:
    with HTTPClient(ADDR) as client, pytest.raises(LocalProtocolError, match="as JSON"):
        client.post("/", {"x": object()})


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"X": "a\r\nEvil: 1"}, LocalProtocolError),
        ({"X y": "1"}, LocalProtocolError),
        ({"X": "\u20ac"}, LocalProtocolError),
        ({"X": 1}, TypeError),
        ("X: 1", TypeError),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_at_the_call(
    headers: Any, kind: type[Exception]
) -> None:
    with HTTPClient(ADDR) as client:
        with pytest.raises(kind):
            client.get("/", headers=headers)
        with pytest.raises(kind):
            client.websocket("/", headers=headers)
        assert client.pending() == 0


def test_a_subprotocol_that_is_no_token_is_refused_at_the_call() -> None:
    with HTTPClient(ADDR) as client, pytest.raises(ConfigurationError, match="is not a token"):
        client.websocket("/", subprotocols=["a b"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"limits": 5}, "limits must be a kit.Limits, such as Limits(), not 5"),
        ({"cafile": 5}, "must be the path of a PEM file, not 5"),
    ],
)
def test_a_client_names_the_argument_that_cannot_work(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPClient(("127.0.0.1", 80), "https", **arguments)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"callback": 5}, TypeError, "callback must be a function or None, not 5"),
        ({"sink": 5}, TypeError, "sink must be a file open for writing in binary mode, not 5"),
        ({"query": 5}, ConfigurationError, "query must be a dict, a list of pairs or a str, not 5"),
        ({"path": "/\ud800"}, LocalProtocolError, "lone surrogates"),
    ],
)
def test_a_request_names_the_argument_that_cannot_work(
    arguments: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with HTTPClient(("127.0.0.1", 9)) as client:
        with pytest.raises(kind) as caught:
            client.get(**{"path": "/", **arguments})
        assert text in str(caught.value)
        assert client.pending() == 0


def test_a_websockets_callback_must_be_callable() -> None:
    text = "callback must be a function or None, not 5"
    with HTTPClient(("127.0.0.1", 9)) as client, pytest.raises(TypeError, match=text):
        client.websocket("/", callback=5)  # type: ignore[arg-type]


def test_a_text_with_lone_surrogates_is_refused() -> None:
    with HTTPClient(("127.0.0.1", 9)) as client:
        with pytest.raises(LocalProtocolError, match="which has no lone surrogates"):
            client.post("/", "\ud800")
        assert client.pending() == 0
