"""What the fuzzer starts from where there is no corpus yet: one sample of each kind."""

from __future__ import annotations

from support.raw import make_request
from support.websocket_frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_payload, frame

_BODY = b"5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"
_HANDSHAKE = make_request(
    *("/", "GET", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    *("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",),
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)
_REQUESTS = [
    make_request(),
    make_request("http://a:80/?b"),
    make_request("*", "OPTIONS"),
    make_request("a:80", "CONNECT"),
    make_request("/", "POST", body=b"hello"),
    make_request("/", "POST", "Expect: 100-continue", body=b"hello"),
    make_request("/", "POST", "Transfer-Encoding: chunked") + _BODY,
    make_request("/", "GET", "Connection: close"),
    make_request() + make_request("/", "POST", body=b"hello") + make_request("/", "HEAD"),
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    _HANDSHAKE,
]
_SWITCH = (
    b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Accept: ACCEPT\r\n"
)
_RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _BODY,
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nrest",
    _SWITCH + b"\r\n",
    _SWITCH
    + b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    _SWITCH + b"Sec-WebSocket-Protocol: chat, chat\r\n\r\n",
    _SWITCH
    + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10;"
    + b' client_no_context_takeover, x; a="b\\""\r\n\r\n',
]
_FRAMES = [
    (TEXT, "grüße".encode(), True),
    (BINARY, b"\0\xff" * 100, True),
    (PING, b"hello", True),
    (PONG, b"", True),
    (CLOSE, close_payload(1000, "bye"), True),
    (TEXT, b"gr\xc3", False),
    (CONT, b"\xbc\xc3\x9fe", True),
]


def _frames(*, masked: bool) -> list[bytes]:
    single = [frame(opcode, data, fin=fin, masked=masked) for opcode, data, fin in _FRAMES]
    deflated = frame(TEXT, b"\xf2H\xcd\xc9\xc9\x07\x00", masked=masked, rsv=4)
    return [*single, b"".join(single[5:]), b"".join(single), deflated]


SEEDS: dict[str, list[bytes]] = {
    "http1_server": [b"\x01" + sample for sample in _REQUESTS],
    "http1_client": [
        b"\x01" + choice + sample for sample in _RESPONSES for choice in (b"\0", b"\x81")
    ],
    "websocket_server": [b"\x01\1" + sample for sample in _frames(masked=True)],
    "websocket_client": [b"\x01\1" + sample for sample in _frames(masked=False)],
}
