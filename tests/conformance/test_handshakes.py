"""The client's opening handshake against RFC 6455 section 4.1, over real sockets."""

# ruff: noqa: E501 - a case is a row of a table
from __future__ import annotations

import base64
import hashlib

import pytest

from conformance.client_role import WAIT_S, split_head
from kit import HTTPClient, WebSocketOpCode
from support.deadlines import scaled
from support.scripted import Line, ScriptedServer

SWITCH = "101 Switching Protocols"
UPGRADE, CONNECTION = "Upgrade: websocket", "Connection: Upgrade"
ACCEPT = "Sec-WebSocket-Accept: {accept}"

# Name, section, status, fields, and whether the websocket opens.
CASES: list[tuple[str, str, str, tuple[str, ...], bool]] = [
    ("all that is needed", "4.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT), True),
    ("tokens have no case", "4.1", SWITCH, ("upgrade: WebSocket", "CONNECTION: x, UPGRADE", ACCEPT), True),
    ("other fields", "4.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "A: b", "Server: c"), True),
    ("another reason", "4.1", "101 Yes", (UPGRADE, CONNECTION, ACCEPT), True),
    ("a subprotocol that was offered", "4.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "Sec-WebSocket-Protocol: one"), True),
    ("an extension that was offered", "9.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "Sec-WebSocket-Extensions: permessage-deflate"), True),
    ("no Upgrade", "4.1", SWITCH, (CONNECTION, ACCEPT), False),
    ("another Upgrade", "4.1", SWITCH, ("Upgrade: h2c", CONNECTION, ACCEPT), False),
    ("no Connection", "4.1", SWITCH, (UPGRADE, ACCEPT), False),
    ("another Connection", "4.1", SWITCH, (UPGRADE, "Connection: keep-alive", ACCEPT), False),
    ("no accept", "4.1", SWITCH, (UPGRADE, CONNECTION), False),
    ("a wrong accept", "4.1", SWITCH, (UPGRADE, CONNECTION, "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="), False),
    ("the key as the accept", "4.1", SWITCH, (UPGRADE, CONNECTION, "Sec-WebSocket-Accept: {key}"), False),
    ("two accepts", "11.3.3", SWITCH, (UPGRADE, CONNECTION, ACCEPT, ACCEPT), False),
    ("a subprotocol that was not offered", "4.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "Sec-WebSocket-Protocol: two"), False),
    ("an extension that was not offered", "4.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "Sec-WebSocket-Extensions: x"), False),
    ("an extension twice", "9.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"), False),
    ("a parameter that was not offered", "7692 7.1", SWITCH, (UPGRADE, CONNECTION, ACCEPT, "Sec-WebSocket-Extensions: permessage-deflate; x=1"), False),
    ("another status of success", "4.1", "200 OK", ("Content-Length: 0", UPGRADE, CONNECTION, ACCEPT), False),
    ("an error", "4.1", "403 Forbidden", ("Content-Length: 0",), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "fields", "opens"),
    [pytest.param(*case[2:], id=f"{case[1]}: {case[0]}") for case in CASES],
)
def test_a_websocket_opens_only_by_a_valid_handshake(
    status: str, fields: tuple[str, ...], opens: bool
) -> None:
    def play(line: Line) -> None:
        key = dict(split_head(line.read_head())[1])["sec-websocket-key"]
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        text = "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""])
        line.send(text.format(accept=base64.b64encode(digest).decode(), key=key).encode())
        if opens:
            line.send(b"\x81\x05hello")
        line.await_end()

    with ScriptedServer(play) as server, HTTPClient(server.addr) as client:
        handle = client.websocket("/", subprotocols=["one"])
        opcode, _ = handle.receive(scaled(WAIT_S))
        if opens:
            assert opcode is WebSocketOpCode.Open
            assert handle.receive(scaled(WAIT_S)) == (WebSocketOpCode.Text, "hello")
        else:
            assert opcode is WebSocketOpCode.Close
            assert handle.close_code == 1006


def test_what_the_client_sends_is_a_valid_handshake() -> None:
    heads: list[bytes] = []

    def play(line: Line) -> None:
        heads.append(line.read_head())
        line.answer(b"", "403 Forbidden")
        line.await_end()

    with ScriptedServer(play) as server, HTTPClient(server.addr) as client:
        handle = client.websocket("/chat?a=b", subprotocols=["one", "two"])
        assert handle.receive(scaled(WAIT_S))[0] is WebSocketOpCode.Close
    line, fields = split_head(heads[0])
    sent = dict(fields)
    assert line == "GET /chat?a=b HTTP/1.1"
    assert sent["host"] == f"{server.addr[0]}:{server.addr[1]}"
    assert sent["upgrade"] == "websocket"
    assert sent["connection"] == "Upgrade"
    assert sent["sec-websocket-version"] == "13"
    assert sent["sec-websocket-protocol"] == "one, two"
    assert len(base64.b64decode(sent["sec-websocket-key"], validate=True)) == 16
    assert "content-length" not in sent
