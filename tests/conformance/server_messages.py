"""Cases of the server's role: framing, chunked coding, connections, Expect, HEAD, Upgrade."""

# ruff: noqa: E501 - a case is a row of a table
from __future__ import annotations

from conformance.server_role import Case, bad, chunked, ok, post, request

HELLO = b"5\r\nhello\r\n0\r\n\r\n"
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")
VERSION = "Sec-WebSocket-Version: 13"
EXPECT = "Expect: 100-continue"


def length(value: str, body: bytes = b"hello") -> bytes:
    return post(f"Content-Length: {value}", body=body)


def coding(value: str, body: bytes = HELLO) -> bytes:
    return post(f"Transfer-Encoding: {value}", body=body)


FRAMING = [
    ok("a body of a length", "9112 6.2", length("5"), body=b"hello"),
    ok("a body of length 0", "9112 6.2", length("0", b""), body=b""),
    ok("leading zeros in a length", "9110 8.6", length("0005"), body=b"hello"),
    ok("blanks around a length", "9112 5", length(" \t5\t "), body=b"hello"),
    ok("no length, no body", "9112 6.3", post(), body=b""),
    ok("a GET with a body", "9110 9.3.1", request("GET / HTTP/1.1", "Content-Length: 5", body=b"hello"), body=b"hello"),
    ok("a DELETE with a body", "9110 9.3.5", request("DELETE / HTTP/1.1", "Content-Length: 5", body=b"hello"), body=b"hello"),
    ok("a body that looks like a request", "9112 6.2", length("32", b"GET /evil HTTP/1.1\r\nHost: evil\r\n"), body=b"GET /evil HTTP/1.1\r\nHost: evil\r\n"),
    ok("a field that is not Content-Length", "9110 5.1", post("Content_Length: 5")),
    bad("lengths that differ", "9112 6.3", post("Content-Length: 5", "Content-Length: 6", body=b"hello!")),
    bad("a list of lengths that differ", "9112 6.3", length("5, 6")),
    bad("an empty length", "9112 6.3", length("")),
    bad("a negative length", "9112 6.3", length("-5")),
    bad("a signed length", "9112 6.3", length("+5")),
    bad("a hexadecimal length", "9112 6.3", length("0x5")),
    bad("a length with a fraction", "9112 6.3", length("5.0")),
    bad("a length in other digits", "9112 6.3", length("\xb2")),
    bad("a length with an underscore", "9112 6.3", length("1_0")),
    bad("two numbers in a length", "9112 6.3", length("5 5")),
    bad("a quoted length", "9112 6.3", length('"5"')),
    bad("a length of letters", "9112 6.3", length("five")),
    bad("a length over 64 bits", "9110 8.6", length("18446744073709551617"), (400, 413)),
    bad("a length with a vertical tab", "9112 6.3", length("\x0b5")),
    bad("a blank before the colon of Content-Length", "9112 5.1", post("Content-Length : 5", body=b"hello")),
    bad("a length and a coding", "9112 6.3", post("Content-Length: 5", "Transfer-Encoding: chunked", body=HELLO)),
    bad("a coding and a length", "9112 6.3", post("Transfer-Encoding: chunked", "Content-Length: 5", body=HELLO)),
    bad("a coding and length 0", "9112 6.3", post("Content-Length: 0", "Transfer-Encoding: chunked", body=HELLO)),
    bad("a coding that is not the last and a length", "9112 6.3", post("Content-Length: 5", "Transfer-Encoding: x", body=b"hello")),
    bad("a coding in a 1.0 request", "9112 6.1", request("POST / HTTP/1.0", "Transfer-Encoding: chunked", body=HELLO)),
    bad("chunked twice", "9112 7.1", coding("chunked, chunked")),
    bad("chunked in two fields", "9112 7.1", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=HELLO)),
    bad("chunked is not the last", "9112 6.3", coding("chunked, gzip")),
    bad("chunked, then identity", "9112 6.3", post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=HELLO)),
    bad("identity", "9112 6.3", coding("identity"), (400, 501)),
    bad("an unknown coding", "9112 6.1", coding("xchunked"), (400, 501)),
    bad("an unknown coding before chunked", "9112 6.1", coding("x, chunked"), (400, 501)),
    bad("gzip before chunked", "9112 6.1", coding("gzip, chunked"), (400, 501)),
    bad("gzip alone", "9112 6.3", coding("gzip"), (400, 501)),
    bad("a quoted coding", "9112 6.1", coding('"chunked"'), (400, 501)),
    bad("a coding with a parameter", "9112 7", coding("chunked;a=b"), (400, 501)),
    bad("a coding behind a vertical tab", "9110 5.5", coding("\x0bchunked")),
    bad("a coding behind a NUL", "9110 5.5", coding("chunked\0")),
    bad("a folded coding", "9112 5.2", post("Transfer-Encoding:", " chunked", body=HELLO)),
    bad("a blank before the colon of Transfer-Encoding", "9112 5.1", post("Transfer-Encoding : chunked", body=HELLO)),
    bad("an empty coding", "9112 6.1", coding("")),
    Case("an underscore makes another field", "9112 6.3", post("Transfer_Encoding: chunked", body=HELLO), (200, 400), closes=True),
    bad("a body that ends early", "9112 8", length("6"), ends=True),
]  # fmt: skip

CHUNKED = [
    ok("one chunk", "9112 7.1", chunked(HELLO), body=b"hello"),
    ok("no chunk", "9112 7.1", chunked(b"0\r\n\r\n"), body=b""),
    ok("two chunks", "9112 7.1", chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), body=b"hello"),
    ok("an upper case size", "9112 7.1", chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), body=b"0123456789"),
    ok("a lower case size", "9112 7.1", chunked(b"a\r\n0123456789\r\n0\r\n\r\n"), body=b"0123456789"),
    ok("zeros before a size", "9112 7.1", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), body=b"hello"),
    ok("line ends in the data", "9112 7.1", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), body=b"\r\n0\r\n\r\n"),
    ok("chunked has no case", "9110 10.1.4", coding("CHUNKED"), body=b"hello"),
    ok("blanks around chunked", "9112 5", coding(" \tchunked \t"), body=b"hello"),
    ok("an extension", "9112 7.1.1", chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"), body=b"hello"),
    ok("an extension without a value", "9112 7.1.1", chunked(b"5;a\r\nhello\r\n0;b\r\n\r\n"), body=b"hello"),
    ok("a quoted extension", "9112 7.1.1", chunked(b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n'), body=b"hello"),
    ok("several extensions", "9112 7.1.1", chunked(b"5;a=b;c=d;e\r\nhello\r\n0\r\n\r\n"), body=b"hello"),
    ok("a blank before an extension", "9112 7.1.1", chunked(b"5 ;a=b\r\nhello\r\n0\r\n\r\n"), body=b"hello"),
    ok("a blank within an extension", "9112 7.1.1", chunked(b"5; a = b\r\nhello\r\n0\r\n\r\n"), body=b"hello"),
    ok("trailers", "9112 7.1.2", chunked(b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), body=b"hello"),
    ok("a trailer is not merged", "9110 6.5.1", chunked(b"0\r\nA: b\r\n\r\n"), fields={"Seen-A": ""}),
    bad("no size", "9112 7.1", chunked(b"\r\nhello\r\n0\r\n\r\n")),
    bad("a negative size", "9112 7.1", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    bad("a signed size", "9112 7.1", chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    bad("a size with 0x", "9112 7.1", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    bad("a size with an underscore", "9112 7.1", chunked(b"0_5\r\nhello\r\n0\r\n\r\n")),
    bad("a size that is no number", "9112 7.1", chunked(b"five\r\nhello\r\n0\r\n\r\n")),
    bad("a blank before a size", "9112 7.1", chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    bad("a blank behind a size", "9112 7.1", chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    bad("a size over 64 bits", "9112 7.1", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    bad("a size of 64 bits", "9112 7.1", chunked(b"FFFFFFFFFFFFFFFF\r\nhello\r\n"), (400, 413)),
    bad("an LF behind a size", "9112 7.1", chunked(b"5\nhello\r\n0\r\n\r\n")),
    bad("a CR behind a size", "9112 7.1", chunked(b"5\rhello\r\n0\r\n\r\n")),
    bad("an LF in an extension", "9112 7.1.1", chunked(b"5;a\nhello\r\n0\r\n\r\n")),
    bad("a NUL in an extension", "9112 7.1.1", chunked(b"5;a\0\r\nhello\r\n0\r\n\r\n")),
    bad("data longer than its size", "9112 7.1", chunked(b"5\r\nhello!\r\n0\r\n\r\n")),
    bad("data shorter than its size", "9112 7.1", chunked(b"6\r\nhello\r\n0\r\n\r\n")),
    bad("an LF behind the data", "9112 7.1", chunked(b"5\r\nhello\n0\r\n\r\n")),
    bad("a malformed trailer", "9112 7.1.2", chunked(b"0\r\nA b\r\n\r\n")),
    bad("a folded trailer", "9112 5.2", chunked(b"0\r\nA: b\r\n c\r\n\r\n")),
    bad("an LF behind the last chunk", "9112 7.1", chunked(b"0\n\n")),
    bad("endless extensions", "9112 7.1.1", chunked(b"5;" + b"a" * 5000)),
    bad("too many trailers", "9112 7.1.2", chunked(b"0\r\n" + b"A: b\r\n" * 30 + b"\r\n"), (400, 431)),
    bad("an end within a size", "9112 8", chunked(b"5"), ends=True),
    bad("an end within the data", "9112 8", chunked(b"5\r\nhel"), ends=True),
    bad("an end before the last chunk", "9112 8", chunked(b"5\r\nhello\r\n"), ends=True),
    bad("an end before the last CRLF", "9112 8", chunked(b"5\r\nhello\r\n0\r\n"), ends=True),
]  # fmt: skip

GET = request()
CLOSE = request("GET / HTTP/1.1", "Connection: close")

CONNECTIONS = [
    ok("1.1 persists", "9112 9.3", GET, fields={"Connection": None}),
    ok("close closes", "9112 9.6", CLOSE, closes=True),
    ok("close has no case", "9110 7.6.1", request("GET / HTTP/1.1", "Connection: CLOSE"), closes=True),
    ok("close in a list", "9110 7.6.1", request("GET / HTTP/1.1", "Connection: x , close,y"), closes=True),
    ok("close in a second field", "9110 7.6.1", request("GET / HTTP/1.1", "Connection: x", "Connection: close"), closes=True),
    ok("close outdoes keep-alive", "9112 9.3", request("GET / HTTP/1.1", "Connection: keep-alive, close"), closes=True),
    ok("an option that is no close", "9110 7.6.1", request("GET / HTTP/1.1", "Connection: closed")),
    ok("keep-alive in 1.1", "9112 9.3", request("GET / HTTP/1.1", "Connection: keep-alive")),
    ok("1.0 closes", "9112 9.3", request("GET / HTTP/1.0"), closes=True),
    ok("1.0 with keep-alive", "9112 C.2.2", request("GET / HTTP/1.0", "Connection: Keep-Alive"), fields={"Connection": "keep-alive"}),
    ok("1.0 with keep-alive and close", "9112 9.3", request("GET / HTTP/1.0", "Connection: keep-alive, close"), closes=True),
    ok("nothing is read behind close", "9112 9.6", CLOSE + request("GET /evil HTTP/1.1"), closes=True),
    ok("a stream to a 1.0 client ends with the connection", "9112 6.1", request("GET /stream HTTP/1.0"), closes=True, body=b"onetwo", fields={"Transfer-Encoding": None, "Content-Length": None}),
    ok("a stream to a 1.1 client", "9112 7.1", request("GET /stream HTTP/1.1"), body=b"onetwo"),
    ok("a half-closed client is answered", "9112 9.6", CLOSE, closes=True, ends=True),
    Case("one after another", "9112 9.3", [GET, length("5"), GET], (200, 200, 200)),
    Case("three at once", "9112 9.3.2", GET * 3, (200, 200, 200)),
    Case("in their order", "9112 9.3.2", request("GET /none HTTP/1.1") + GET + request("GET /fail HTTP/1.1"), (404, 200, 400)),
    Case("bodies between them", "9112 9.3.2", length("5") + chunked(HELLO) + length("3", b"end"), (200, 200, 200), body=b"end"),
    Case("HEAD between them", "9112 9.3.2", GET + request("HEAD / HTTP/1.1") + GET, (200, 200, 200), methods=("GET", "HEAD", "GET")),
    Case("a stream between them", "9112 9.3.2", GET + request("GET /stream HTTP/1.1") + GET, (200, 200, 200)),
    Case("close between them", "9112 9.6", GET + CLOSE + GET, (200, 200), closes=True),
    Case("a mistake between them", "9112 9.3.2", GET + request("GET HTTP/1.1") + GET, (200, 400), closes=True),
    Case("a body too short before the next", "9112 6.3", length("4") + GET, (200, (405, 501))),
    Case("empty lines between them", "9112 2.2", GET + b"\r\n" + GET, (200, 200)),
    Case("1.0 and 1.1 on one connection", "9112 9.3", GET + request("GET / HTTP/1.0"), (200, 200), closes=True),
]  # fmt: skip

EXPECTATIONS = [
    Case("the body is asked for", "9110 10.1.1", [post("Content-Length: 5", EXPECT), b"hello"], (100, 200), body=b"hello"),
    Case("a chunked body is asked for", "9110 10.1.1", [post("Transfer-Encoding: chunked", EXPECT), HELLO], (100, 200), body=b"hello"),
    Case("the expectation has no case", "9110 10.1.1", [post("Content-Length: 5", "Expect: 100-Continue"), b"hello"], (100, 200), body=b"hello"),
    ok("the body does not wait", "9110 10.1.1", post("Content-Length: 5", EXPECT, body=b"hello"), body=b"hello"),
    ok("there is no body", "9110 10.1.1", request("GET / HTTP/1.1", EXPECT)),
    ok("1.0 cannot expect", "9110 10.1.1", request("POST / HTTP/1.0", "Content-Length: 5", EXPECT, body=b"hello"), closes=True, body=b"hello"),
    Case("a body too large is not asked for", "9110 10.1.1", post("Content-Length: 11", EXPECT, target="/small"), (413,), closes=True),
    Case("a body for nobody is not asked for", "9110 10.1.1", post("Content-Length: 5", EXPECT, target="/none"), (404,), closes=True),
    Case("a body for another method is not asked for", "9110 10.1.1", post("Content-Length: 5", EXPECT, target="/only-get"), (405,), closes=True),
    bad("an unknown expectation", "9110 10.1.1", post("Content-Length: 5", "Expect: x", body=b"hello"), 417),
]  # fmt: skip

CONTENT = [
    ok("a body as large as may be", "9110 15.5.14", post("Content-Length: 10", body=b"0123456789", target="/small"), body=b"0123456789"),
    Case("a body too large", "9110 15.5.14", post("Content-Length: 11", body=b"0123456789x", target="/small"), (413,), closes=True),
    Case("a body too large by far", "9110 15.5.14", post("Content-Length: 99999999", body=b"x", target="/small"), (413,), closes=True),
    Case("a chunked body too large", "9110 15.5.14", chunked(b"b\r\n0123456789x\r\n0\r\n\r\n", "/small"), (413,), closes=True),
    Case("chunks too large together", "9110 15.5.14", chunked(b"6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n", "/small"), (413,), closes=True),
    ok("HEAD has no body", "9110 9.3.2", request("HEAD / HTTP/1.1", "Content-Length: 5", body=b"hello"), methods=("HEAD",), fields={"Content-Length": "5"}),
    ok("HEAD of a stream", "9110 9.3.2", request("HEAD /stream HTTP/1.1"), methods=("HEAD",)),
    Case("HEAD of nothing", "9110 9.3.2", request("HEAD /none HTTP/1.1"), (404,), methods=("HEAD",)),
    Case("204 has no body", "9110 15.3.5", request("GET /status/204 HTTP/1.1"), (204,), body=b""),
    Case("205 has no body", "9110 15.3.6", request("GET /status/205 HTTP/1.1"), (205,), body=b"", fields={"Content-Length": "0"}),
    Case("304 has no body", "9110 15.4.5", request("GET /status/304 HTTP/1.1"), (304,), body=b""),
    Case("201 without a body", "9110 8.6", request("GET /status/201 HTTP/1.1"), (201,), body=b"", fields={"Content-Length": "0"}),
]  # fmt: skip

UPGRADES = [
    Case("a websocket", "6455 4.2.2", request("GET /ws HTTP/1.1", *UPGRADE, KEY, VERSION), (101,), fields={"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": "ICX+Yqv66kxgM0FcWaLWlFLwTAI="}),
    Case("names have no case", "6455 4.2.1", request("GET /ws HTTP/1.1", "UPGRADE: WebSocket", "connection: keep-alive, UPGRADE", KEY, VERSION), (101,)),
    Case("no key", "6455 4.2.1", request("GET /ws HTTP/1.1", *UPGRADE, VERSION), (400,)),
    Case("a key too short", "6455 4.2.1", request("GET /ws HTTP/1.1", *UPGRADE, "Sec-WebSocket-Key: AAAA", VERSION), (400,)),
    Case("two keys", "6455 11.3.1", request("GET /ws HTTP/1.1", *UPGRADE, KEY, KEY, VERSION), (400,)),
    Case("another version", "6455 4.4", request("GET /ws HTTP/1.1", *UPGRADE, KEY, "Sec-WebSocket-Version: 8"), (426,), fields={"Sec-WebSocket-Version": "13"}),
    Case("no version", "6455 4.2.1", request("GET /ws HTTP/1.1", *UPGRADE, KEY), ((400, 426),)),
    Case("no upgrade at all", "9110 15.5.22", request("GET /ws HTTP/1.1"), (426,)),
    Case("an upgrade in a 1.0 request is ignored", "9110 7.8", request("GET /ws HTTP/1.0", *UPGRADE, KEY, VERSION), ((400, 404, 426),), closes=True),
    Case("an upgrade of another method", "6455 4.1", request("POST /ws HTTP/1.1", *UPGRADE, KEY, VERSION), ((400, 404, 405),)),
    ok("an unknown protocol is ignored", "9110 7.8", request("GET / HTTP/1.1", "Upgrade: x/1", "Connection: upgrade")),
    ok("h2c is ignored", "9110 7.8", request("GET / HTTP/1.1", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")),
    ok("an upgrade that Connection does not name", "9110 7.8", request("GET / HTTP/1.1", "Upgrade: websocket", KEY, VERSION)),
    ok("a websocket where there is none", "9110 7.8", request("GET / HTTP/1.1", *UPGRADE, KEY, VERSION)),
]  # fmt: skip

CASES = [*FRAMING, *CHUNKED, *CONNECTIONS, *EXPECTATIONS, *CONTENT, *UPGRADES]
