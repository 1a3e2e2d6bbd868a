from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ConfigurationError, HandshakeError, RemoteProtocolError
from kit.wire.websocket import Accepted, ClientHandshake, WebSocketProtocol, accept_handshake

Headers = list[tuple[bytes, bytes]]

# The sample of RFC 6455 section 1.3.
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = (b"Upgrade", b"websocket")
CONNECTION = (b"Connection", b"Upgrade")
VERSION = (b"Sec-WebSocket-Version", b"13")
REQUEST: Headers = [
    (b"Host", b"localhost"),
    UPGRADE,
    CONNECTION,
    (b"Sec-WebSocket-Key", KEY),
    VERSION,
]


def replaced(headers: Headers, name: bytes, *values: bytes) -> Headers:
    kept = [(field, value) for field, value in headers if field.lower() != name.lower()]
    return kept + [(name, value) for value in values]


def accept(
    headers: Headers,
    method: str = "GET",
    http_version: str = "1.1",
    *,
    subprotocols: list[str] | None = None,
    compress: bool = True,
) -> Accepted:
    return accept_handshake(
        method,
        http_version,
        headers,
        subprotocols=subprotocols or (),
        compress=compress,
        max_message_bytes=1000,
    )


def offer(*extensions: bytes) -> Headers:
    return REQUEST + [(b"Sec-WebSocket-Extensions", value) for value in extensions]


# The server's side


def test_the_sample_of_the_rfc_is_accepted() -> None:
    accepted = accept(REQUEST)
    assert accepted.headers == [UPGRADE, CONNECTION, (b"Sec-WebSocket-Accept", ACCEPT)]
    assert accepted.subprotocol is None
    assert accepted.protocol.role == "server"
    assert not accepted.protocol.is_compressed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"upgrade", b"WebSocket"),
        (b"Upgrade", b"h2c, websocket"),
        (b"connection", b"keep-alive, Upgrade"),
        (b"CONNECTION", b"upgrade"),
        (b"sec-websocket-version", b" 13 "),
    ],
)
def test_case_lists_and_blanks_do_not_matter(name: bytes, value: bytes) -> None:
    assert not accept(replaced(REQUEST, name, value)).protocol.is_closed


def test_several_connection_fields_are_one_list() -> None:
    headers = replaced(REQUEST, b"Connection", b"keep-alive", b"Upgrade")
    assert not accept(headers).protocol.is_closed


UPGRADE_HEADERS = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))


@pytest.mark.parametrize(
    ("headers", "status", "more", "text"),
    [
        (
            replaced(REQUEST, b"Upgrade"),
            426,
            UPGRADE_HEADERS,
            "this is a websocket: expected the header field Upgrade: websocket",
        ),
        (
            replaced(REQUEST, b"Upgrade", b"h2c"),
            426,
            UPGRADE_HEADERS,
            "this is a websocket: expected the header field Upgrade: websocket",
        ),
        (
            replaced(REQUEST, b"Connection", b"keep-alive"),
            426,
            UPGRADE_HEADERS,
            "this is a websocket: expected the header field Connection: Upgrade",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Version"),
            426,
            (*UPGRADE_HEADERS, VERSION),
            "Sec-WebSocket-Version is none, expected 13",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Version", b"8"),
            426,
            (*UPGRADE_HEADERS, VERSION),
            "Sec-WebSocket-Version is 8, expected 13",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Version", b"13", b"13"),
            426,
            (*UPGRADE_HEADERS, VERSION),
            "Sec-WebSocket-Version is 13, 13, expected 13",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Key"),
            400,
            (),
            "websocket handshake without Sec-WebSocket-Key",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Key", KEY, KEY),
            400,
            (),
            "websocket handshake with 2 Sec-WebSocket-Key fields, expected one",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Key", b"!"),
            400,
            (),
            "Sec-WebSocket-Key '!' is not base64",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Key", b"\xe9"),
            400,
            (),
            "Sec-WebSocket-Key 'é' is not base64",
        ),
        (
            replaced(REQUEST, b"Sec-WebSocket-Key", b"AAAA"),
            400,
            (),
            "Sec-WebSocket-Key 'AAAA' holds 3 bytes, expected 16",
        ),
        (
            [*REQUEST, (b"Sec-WebSocket-Protocol", b"a b")],
            400,
            (),
            (
                "malformed websocket handshake: invalid Sec-WebSocket-Protocol header: "
                "expected comma at 2 in a b"
            ),
        ),
        (
            offer(b"permessage-deflate; ="),
            400,
            (),
            (
                "malformed websocket handshake: invalid Sec-WebSocket-Extensions header: "
                "expected token at 20 in permessage-deflate; ="
            ),
        ),
    ],
)
def test_a_bad_handshake_is_refused(
    headers: Headers, status: int, more: tuple[tuple[bytes, bytes], ...], text: str
) -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(headers)
    assert str(caught.value) == text
    assert caught.value.status_code == status
    assert caught.value.headers == more


def test_a_handshake_by_another_method_gets_400() -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(REQUEST, "POST")
    assert str(caught.value) == "websocket handshake by POST, expected GET"
    assert caught.value.status_code == 400


def test_a_handshake_over_http_1_0_gets_426() -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(REQUEST, http_version="1.0")
    assert str(caught.value) == "websocket handshake over HTTP/1.0, expected HTTP/1.1"
    assert caught.value.status_code == 426


@pytest.mark.parametrize(
    ("offered", "ours", "chosen"),
    [
        ([b"a, b"], ["b", "a"], "b"),
        ([b"a", b"b"], ["c", "b"], "b"),
        ([b"a"], ["b"], None),
        ([b"A"], ["a"], None),
        ([b"a"], [], None),
        ([], ["a"], None),
    ],
)
def test_the_first_subprotocol_of_the_server_that_was_offered_is_chosen(
    offered: list[bytes], ours: list[str], chosen: str | None
) -> None:
    headers = REQUEST + [(b"Sec-WebSocket-Protocol", value) for value in offered]
    accepted = accept(headers, subprotocols=ours)
    assert accepted.subprotocol == chosen
    assert accepted.protocol.subprotocol == chosen
    answers = [value for name, value in accepted.headers if name == b"Sec-WebSocket-Protocol"]
    assert answers == ([chosen.encode()] if chosen else [])


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        (
            [b"permessage-deflate; client_max_window_bits"],
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        ([b"permessage-deflate"], b"permessage-deflate; server_max_window_bits=12"),
        (
            [b"x-unknown, permessage-deflate; server_no_context_takeover"],
            b"permessage-deflate; server_no_context_takeover; server_max_window_bits=12",
        ),
        (
            [b"permessage-deflate; bad=1", b"permessage-deflate; server_max_window_bits=10"],
            b"permessage-deflate; server_max_window_bits=10",
        ),
        (
            [b"permessage-deflate, permessage-deflate"],
            b"permessage-deflate; server_max_window_bits=12",
        ),
    ],
)
def test_an_offer_of_permessage_deflate_is_answered(offers: list[bytes], answer: bytes) -> None:
    accepted = accept(offer(*offers))
    assert (b"Sec-WebSocket-Extensions", answer) in accepted.headers
    assert accepted.protocol.is_compressed


@pytest.mark.parametrize(
    "offers",
    [
        [b"x-unknown"],
        [b"permessage-deflate; server_max_window_bits=8"],
        [b"permessage-deflate; server_max_window_bits=16"],
        [b"permessage-deflate; client_max_window_bits; client_max_window_bits"],
        [],
    ],
)
def test_an_offer_that_cannot_be_met_is_declined(offers: list[bytes]) -> None:
    accepted = accept(offer(*offers))
    assert b"Sec-WebSocket-Extensions" not in dict(accepted.headers)
    assert not accepted.protocol.is_compressed


def test_compression_can_be_declined() -> None:
    accepted = accept(offer(b"permessage-deflate"), compress=False)
    assert b"Sec-WebSocket-Extensions" not in dict(accepted.headers)
    assert not accepted.protocol.is_compressed


@pytest.mark.parametrize(
    ("subprotocols", "text"),
    [
        ("chat", "subprotocols must be a sequence of names, not the str 'chat'"),
        (["a", "a"], "subprotocol 'a' is given twice"),
        (
            ["a\r\nX: y"],
            "subprotocol 'a\\r\\nX: y' is not a token (RFC 9110 section 5.6.2), such as 'chat.v1'",
        ),
        ([""], "subprotocol '' is not a token (RFC 9110 section 5.6.2), such as 'chat.v1'"),
        ([1], "subprotocol 1 is not a token (RFC 9110 section 5.6.2), such as 'chat.v1'"),
    ],
)
def test_subprotocols_that_cannot_be_sent_are_refused(subprotocols: list[str], text: str) -> None:
    with pytest.raises(ConfigurationError) as server_side:
        accept(REQUEST, subprotocols=subprotocols)
    with pytest.raises(ConfigurationError) as client_side:
        ClientHandshake(subprotocols, max_message_bytes=1000)
    assert str(server_side.value) == str(client_side.value) == text


FIELD_NAMES = st.sampled_from(
    [
        b"Upgrade",
        b"Connection",
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Version",
        b"Sec-WebSocket-Protocol",
        b"Sec-WebSocket-Extensions",
    ]
)
FIELD_VALUES = st.one_of(
    st.binary(max_size=30),
    st.text(alphabet='abpermsg-dflt;,="\\ 1_\t', max_size=40).map(str.encode),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=4), st.booleans())
def test_hostile_fields_raise_the_documented_error_alone(
    fields: Headers, on_top_of_good_ones: bool
) -> None:
    try:
        outcome: object = accept([*REQUEST, *fields] if on_top_of_good_ones else fields).headers[0]
    except HandshakeError as error:
        outcome = error.status_code
    assert outcome in (UPGRADE, 400, 426)


# The client's side


def handshake(*subprotocols: str, compress: bool = True) -> ClientHandshake:
    return ClientHandshake(subprotocols, compress=compress, max_message_bytes=1000)


def answer(client: ClientHandshake, *more: tuple[bytes, bytes]) -> Headers:
    plain = [pair for pair in client.headers if not pair[0].startswith(b"Sec-WebSocket-Pro")]
    return accept(replaced(plain, b"Sec-WebSocket-Extensions")).headers + list(more)


def test_a_client_sends_the_fields_of_a_handshake() -> None:
    client = handshake("chat", "superchat")
    headers = dict(client.headers)
    assert len(headers.pop(b"Sec-WebSocket-Key")) == 24
    assert headers == {
        b"Upgrade": b"websocket",
        b"Connection": b"Upgrade",
        b"Sec-WebSocket-Version": b"13",
        b"Sec-WebSocket-Extensions": b"permessage-deflate; client_max_window_bits",
        b"Sec-WebSocket-Protocol": b"chat, superchat",
    }


def test_a_client_without_wishes_offers_nothing() -> None:
    names = [name for name, _ in handshake(compress=False).headers]
    assert b"Sec-WebSocket-Extensions" not in names
    assert b"Sec-WebSocket-Protocol" not in names


def test_every_handshake_has_a_key_of_its_own() -> None:
    keys = {dict(handshake().headers)[b"Sec-WebSocket-Key"] for _ in range(10)}
    assert len(keys) == 10


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("subprotocol", ["chat", None])
def test_both_sides_agree(compress: bool, subprotocol: str | None) -> None:
    client = handshake("chat")
    accepted = accept(
        client.headers,
        subprotocols=[subprotocol] if subprotocol else [],
        compress=compress,
    )
    protocol = client.finish(101, accepted.headers)
    assert protocol.role == "client"
    assert protocol.subprotocol == accepted.subprotocol == subprotocol
    assert protocol.is_compressed == accepted.protocol.is_compressed == compress


@pytest.mark.parametrize("status", [200, 404, 426, 503])
def test_a_status_other_than_101_fails_the_handshake(status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        handshake().finish(status, [])
    assert str(caught.value) == (
        f"server answered {status} to the websocket handshake, expected 101"
    )
    assert caught.value.status_code == status


def bad_answer(client: ClientHandshake, name: bytes, *values: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        client.finish(101, replaced(answer(client), name, *values))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (b"Upgrade", b"h2c", "server's 101 response lacks the field Upgrade: websocket"),
        (b"Connection", b"close", "server's 101 response lacks the field Connection: Upgrade"),
        (
            b"Sec-WebSocket-Protocol",
            b"b",
            "server chose the subprotocol b, offered were: chat",
        ),
        (
            b"Sec-WebSocket-Protocol",
            b"chat, b",
            "server chose 2 subprotocols, expected one: chat, b",
        ),
        (
            b"Sec-WebSocket-Protocol",
            b";",
            (
                "malformed websocket handshake: invalid Sec-WebSocket-Protocol header: "
                "expected token at 0 in ;"
            ),
        ),
        (
            b"Sec-WebSocket-Extensions",
            b"x-y",
            "server chose the extension x-y, which was not offered",
        ),
        (
            b"Sec-WebSocket-Extensions",
            b"permessage-deflate; z",
            (
                "server's answer to permessage-deflate does not fit the offer: "
                "invalid parameter name: z"
            ),
        ),
        (
            b"Sec-WebSocket-Extensions",
            b"permessage-deflate, permessage-deflate",
            (
                "server's answer to permessage-deflate does not fit the offer: "
                "received duplicate permessage-deflate"
            ),
        ),
    ],
)
def test_a_bad_answer_fails_the_handshake(name: bytes, value: bytes, text: str) -> None:
    assert bad_answer(handshake("chat"), name, value) == text


def test_a_subprotocol_that_nobody_offered_fails_the_handshake() -> None:
    assert bad_answer(handshake(), b"Sec-WebSocket-Protocol", b"b") == (
        "server chose the subprotocol b, offered were: none"
    )


def test_an_extension_that_was_not_offered_fails_the_handshake() -> None:
    client = handshake(compress=False)
    assert bad_answer(client, b"Sec-WebSocket-Extensions", b"permessage-deflate") == (
        "server chose the extension permessage-deflate, which was not offered"
    )


@pytest.mark.parametrize(
    ("values", "got"),
    [((), "none"), ((ACCEPT,), ACCEPT.decode()), ((ACCEPT, ACCEPT), f"{ACCEPT.decode()}, " * 2)],
)
def test_a_wrong_accept_value_fails_the_handshake(values: tuple[bytes, ...], got: str) -> None:
    client = handshake()
    expected = dict(answer(client))[b"Sec-WebSocket-Accept"].decode()
    text = bad_answer(client, b"Sec-WebSocket-Accept", *values)
    assert text == (
        f"server's Sec-WebSocket-Accept is {got.removesuffix(', ')}, expected {expected}"
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=4))
def test_hostile_answers_raise_the_documented_error_alone(fields: Headers) -> None:
    client = handshake("a")
    try:
        protocol = client.finish(101, [*answer(client), *fields])
    except RemoteProtocolError:
        return
    assert isinstance(protocol, WebSocketProtocol)


# Cost


def test_the_websockets_package_is_loaded_with_the_first_handshake() -> None:
    code = (
        "import sys\n"
        "import kit.wire.websocket as w\n"
        "assert 'websockets' not in sys.modules, 'loaded too early'\n"
        "w.ClientHandshake(max_message_bytes=1)\n"
        "assert 'websockets' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_name_that_the_package_lacks_is_told() -> None:
    import kit.wire.websocket

    with pytest.raises(AttributeError) as caught:
        _ = kit.wire.websocket.Frame  # type: ignore[attr-defined]
    assert str(caught.value) == "module 'kit.wire.websocket' has no attribute 'Frame'"
