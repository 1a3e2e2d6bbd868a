"""Cases of the client's role: status lines, fields, framing, chunked coding, connections."""

# ruff: noqa: E501 - a case is a row of a table
from __future__ import annotations

from conformance.client_role import SECOND, Case, bad, chunked, ok, response, sized

HELLO = b"5\r\nhello\r\n0\r\n\r\n"
EMPTY = "Content-Length: 0"


def length(value: str, body: bytes = b"hello") -> bytes:
    return response("HTTP/1.1 200 OK", f"Content-Length: {value}", body=body)


def coding(value: str, body: bytes = HELLO) -> bytes:
    return response("HTTP/1.1 200 OK", f"Transfer-Encoding: {value}", body=body)


STATUS_LINES = [
    ok("a status and a reason", "9112 4", sized(), b"hello"),
    ok("no reason", "9112 4", response("HTTP/1.1 200 ", EMPTY)),
    ok("a reason of several words", "9112 4", response("HTTP/1.1 200 all is\twell", EMPTY)),
    ok("a reason over 127", "9112 4", response("HTTP/1.1 200 \xe4\xff", EMPTY)),
    ok("a higher minor version", "9110 2.5", response("HTTP/1.2 200 OK", EMPTY)),
    ok("an unknown status of success", "9110 15", response("HTTP/1.1 299 ?", EMPTY), status=299),
    ok("an unknown client error", "9110 15", response("HTTP/1.1 499 ?", EMPTY), status=499),
    ok("an unknown server error", "9110 15", response("HTTP/1.1 599 ?", EMPTY), status=599),
    ok("a status that is no status", "9110 15", response("HTTP/1.1 999 ?", EMPTY), status=999),
    ok("an unknown redirect", "9110 15", response("HTTP/1.1 399 ?", EMPTY), status=399),
    bad("two digits", "9112 4", response("HTTP/1.1 20 OK", EMPTY)),
    bad("four digits", "9112 4", response("HTTP/1.1 2000 OK", EMPTY)),
    bad("a status with a sign", "9112 4", response("HTTP/1.1 -20 OK", EMPTY)),
    bad("a status of letters", "9112 4", response("HTTP/1.1 OK 200", EMPTY)),
    bad("two blanks before the status", "9112 4", response("HTTP/1.1  200 OK", EMPTY)),
    bad("a tab before the status", "9112 4", response("HTTP/1.1\t200 OK", EMPTY)),
    bad("no status", "9112 4", response("HTTP/1.1", EMPTY)),
    bad("a lower case version", "9112 2.3", response("http/1.1 200 OK", EMPTY)),
    bad("another major version", "9110 2.5", response("HTTP/2.0 200 OK", EMPTY)),
    bad("another protocol", "9112 2.3", response("ICY 200 OK", EMPTY)),
    bad("no status line", "9112 2.3", b"<html>hello</html>\r\n\r\n"),
    bad("an empty line before", "9112 2.2", b"\r\n" + sized()),
    bad("a NUL in a reason", "9112 4", response("HTTP/1.1 200 O\0K", EMPTY)),
    bad("a bare CR in a reason", "9112 2.2", response("HTTP/1.1 200 O\rK", EMPTY)),
    bad("a bare LF behind the line", "9112 2.2", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
    bad("an endless reason", "9112 2.3", response("HTTP/1.1 200 " + "a" * 9000, EMPTY)),
    bad("nothing at all", "9112 8", b"", ends=True),
    bad("a status line that ends early", "9112 8", b"HTTP/1.1 200", ends=True),
    bad("a head that ends early", "9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", ends=True),
]

FIELDS = [
    ok("blanks around a value", "9112 5.1", response("HTTP/1.1 200 OK", EMPTY, "A: \t b \t"), fields={"A": b"b"}),
    ok("no blank before a value", "9112 5.1", response("HTTP/1.1 200 OK", EMPTY, "A:b"), fields={"A": b"b"}),
    ok("an empty value", "9110 5.5", response("HTTP/1.1 200 OK", EMPTY, "A:"), fields={"A": b""}),
    ok("opaque bytes over 127", "9110 5.5", response("HTTP/1.1 200 OK", EMPTY, "A: \xe4\x80"), fields={"A": b"\xe4\x80"}),
    ok("a repeated field keeps its order", "9110 5.3", response("HTTP/1.1 200 OK", EMPTY, "A: 1", "B: x", "a: 2"), fields={"A": b"1|2"}),
    ok("two cookies are not joined", "9110 5.3", response("HTTP/1.1 200 OK", EMPTY, "Set-Cookie: a=1", "Set-Cookie: b=2, c"), fields={"Set-Cookie": b"a=1|b=2, c"}),
    bad("a blank before the colon", "9112 5.1", response("HTTP/1.1 200 OK", EMPTY, "A : b")),
    bad("no colon", "9112 5", response("HTTP/1.1 200 OK", EMPTY, "A")),
    bad("no name", "9112 5", response("HTTP/1.1 200 OK", EMPTY, ": b")),
    bad("a blank in a name", "9110 5.1", response("HTTP/1.1 200 OK", EMPTY, "A B: c")),
    bad("a folded line", "9112 5.2", response("HTTP/1.1 200 OK", EMPTY, "A: b", " c")),
    bad("a blank before the first field", "9112 2.2", response("HTTP/1.1 200 OK", " A: b", EMPTY)),
    bad("a NUL in a value", "9110 5.5", response("HTTP/1.1 200 OK", EMPTY, "A: b\0")),
    bad("a bare CR in a value", "9110 5.5", response("HTTP/1.1 200 OK", EMPTY, "A: b\rc")),
    bad("a bare LF in a value", "9112 2.2", response("HTTP/1.1 200 OK", EMPTY, "A: b\nc: d")),
    bad("too many fields", "9110 5.4", response("HTTP/1.1 200 OK", EMPTY, *["A: b"] * 30)),
    bad("a head too large", "9110 5.4", response("HTTP/1.1 200 OK", EMPTY, "A: " + "b" * 3000)),
]  # fmt: skip

FRAMING = [
    ok("no body", "9112 6.2", response("HTTP/1.1 200 OK", EMPTY)),
    ok("leading zeros in a length", "9110 8.6", length("0005"), b"hello"),
    ok("204 has no body", "9112 6.3", response("HTTP/1.1 204 No Content"), status=204),
    ok("304 has no body", "9112 6.3", response("HTTP/1.1 304 Not Modified", "Content-Length: 5"), status=304),
    ok("304 without a length", "9112 6.3", response("HTTP/1.1 304 Not Modified"), status=304),
    ok("HEAD has no body", "9112 6.3", response("HTTP/1.1 200 OK", "Content-Length: 5"), method="HEAD"),
    ok("HEAD of a chunked body", "9112 6.3", response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), method="HEAD"),
    ok("HEAD without a length", "9112 6.3", response(), method="HEAD"),
    ok("HEAD of an error", "9112 6.3", response("HTTP/1.1 404 Not Found", "Content-Length: 5"), method="HEAD", status=404),
    ok("205 with length 0", "9110 15.3.6", response("HTTP/1.1 205 Reset Content", EMPTY), status=205),
    ok("an error has a body", "9112 6.3", response("HTTP/1.1 404 Not Found", "Content-Length: 5", body=b"hello"), b"hello", status=404),
    ok("a body that looks like a response", "9112 6.2", sized(body=b"HTTP/1.1 200 OK\r\n\r\n"), b"HTTP/1.1 200 OK\r\n\r\n"),
    ok("a body until the end", "9112 6.3", response(body=b"hello"), b"hello", ends=True, reuses=False),
    ok("an empty body until the end", "9112 6.3", response(), ends=True, reuses=False),
    ok("a body until the end of a 1.0 server", "9112 6.3", response("HTTP/1.0 200 OK", body=b"hello"), b"hello", ends=True, reuses=False),
    bad("a body that ends early", "9112 8", length("6"), ends=True),
    bad("lengths that differ", "9112 6.3", response("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6", body=b"hello!")),
    bad("a list of lengths that differ", "9112 6.3", length("5, 6")),
    bad("an empty length", "9112 6.3", length("")),
    bad("a negative length", "9112 6.3", length("-1")),
    bad("a signed length", "9112 6.3", length("+5")),
    bad("a hexadecimal length", "9112 6.3", length("0x5")),
    bad("two numbers in a length", "9112 6.3", length("5 5")),
    bad("a length of letters", "9112 6.3", length("five")),
    bad("a length over 64 bits", "9110 8.6", length("18446744073709551617")),
    bad("a length and a coding", "9112 6.3", response("HTTP/1.1 200 OK", "Content-Length: 5", "Transfer-Encoding: chunked", body=HELLO)),
    bad("a coding from a 1.0 server", "9112 6.1", response("HTTP/1.0 200 OK", "Transfer-Encoding: chunked", body=HELLO)),
    bad("chunked twice", "9112 7.1", coding("chunked, chunked")),
    bad("an unknown coding before chunked", "9112 6.1", coding("x, chunked")),
    bad("a body over the limit", "9110 8.6", length("1001", b"a" * 1001)),
    bad("a body until the end over the limit", "9112 6.3", response(body=b"a" * 1001), ends=True),
]  # fmt: skip

CHUNKED = [
    ok("one chunk", "9112 7.1", chunked(HELLO), b"hello"),
    ok("no chunk", "9112 7.1", chunked(b"0\r\n\r\n")),
    ok("two chunks", "9112 7.1", chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), b"hello"),
    ok("an upper case size with zeros", "9112 7.1", chunked(b"000A\r\n0123456789\r\n000\r\n\r\n"), b"0123456789"),
    ok("line ends in the data", "9112 7.1", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), b"\r\n0\r\n\r\n"),
    ok("chunked has no case", "9112 7", coding("Chunked"), b"hello"),
    ok("extensions", "9112 7.1.1", chunked(b'5;a;b=c;d="e;f"\r\nhello\r\n0;g\r\n\r\n'), b"hello"),
    ok("a blank before an extension", "9112 7.1.1", chunked(b"5 ;a=b\r\nhello\r\n0\r\n\r\n"), b"hello"),
    ok("trailers are not merged", "9110 6.5.1", chunked(b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"), b"hello", fields={"A": b""}),
    bad("no size", "9112 7.1", chunked(b"\r\nhello\r\n0\r\n\r\n")),
    bad("a negative size", "9112 7.1", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    bad("a size with 0x", "9112 7.1", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    bad("a size that is no number", "9112 7.1", chunked(b"five\r\nhello\r\n0\r\n\r\n")),
    bad("a size over 64 bits", "9112 7.1", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    bad("an LF behind a size", "9112 7.1", chunked(b"5\nhello\n0\n\n")),
    bad("a NUL in an extension", "9112 7.1.1", chunked(b"5;a\0\r\nhello\r\n0\r\n\r\n")),
    bad("data longer than its size", "9112 7.1", chunked(b"5\r\nhello!\r\n0\r\n\r\n")),
    bad("a malformed trailer", "9112 7.1.2", chunked(b"5\r\nhello\r\n0\r\nA b\r\n\r\n")),
    bad("an end within the data", "9112 8", chunked(b"5\r\nhel"), ends=True),
    bad("an end before the last chunk", "9112 8", chunked(b"5\r\nhello\r\n"), ends=True),
    bad("an end before the last CRLF", "9112 8", chunked(b"5\r\nhello\r\n0\r\n"), ends=True),
    bad("chunks over the limit", "9112 7.1", chunked(b"258\r\n" + b"a" * 600 + b"\r\n258\r\n" + b"a" * 600 + b"\r\n0\r\n\r\n")),
]  # fmt: skip

CONNECTIONS = [
    ok("1.1 persists", "9112 9.3", sized(), b"hello"),
    ok("close closes", "9112 9.6", sized("Connection: close"), b"hello", reuses=False),
    ok("close has no case", "9110 7.6.1", sized("Connection: x, CLOSE"), b"hello", reuses=False),
    ok("close in a second field", "9110 7.6.1", sized("Connection: x", "Connection: close"), b"hello", reuses=False),
    ok("close behind chunks", "9112 9.6", chunked(HELLO, "Connection: close"), b"hello", reuses=False),
    ok("close without a body", "9112 9.6", response("HTTP/1.1 204 No Content", "Connection: close"), status=204, reuses=False),
    ok("1.0 closes", "9112 9.3", response("HTTP/1.0 200 OK", "Content-Length: 5", body=b"hello"), b"hello", reuses=False),
    ok("1.0 with keep-alive", "9112 9.3", response("HTTP/1.0 200 OK", "Content-Length: 5", "Connection: keep-alive", body=b"hello"), b"hello"),
    ok("a close that is not announced", "9112 9.3.1", sized(), b"hello", ends=True, reuses=False),
    ok("more bytes than belong to it", "9112 6.3", sized() + sized(body=b"evil"), b"hello", reuses=False),
    ok("bytes behind 204", "9112 6.3", response("HTTP/1.1 204 No Content", body=b"evil"), status=204, reuses=False),
    ok("bytes behind HEAD", "9112 6.3", sized(body=b"evil"), method="HEAD", reuses=False),
    ok("bytes behind the last chunk", "9112 6.3", chunked(HELLO + b"evil"), b"hello", reuses=False),
    ok("an interim response", "9110 15.2", response("HTTP/1.1 100 Continue") + sized(), b"hello"),
    ok("interim responses with fields", "9110 15.2", response("HTTP/1.1 103 Early Hints", "A: b") * 3 + sized(), b"hello", fields={"A": b""}),
    ok("an unknown interim response", "9110 15.2", response("HTTP/1.1 199 ?") + sized(), b"hello"),
    bad("endless interim responses", "9110 15.2", response("HTTP/1.1 102 Processing") * 100),
    bad("an interim response and the end", "9112 8", response("HTTP/1.1 100 Continue"), ends=True),
    bad("a switch that nobody asked for", "9110 15.2.2", response("HTTP/1.1 101 Switching Protocols", "Upgrade: x", "Connection: upgrade")),
    ok("a body in the place of an upgrade", "9110 7.8", sized("Upgrade: x", "Connection: upgrade"), b"hello"),
]  # fmt: skip

CASES: list[Case] = [*STATUS_LINES, *FIELDS, *FRAMING, *CHUNKED, *CONNECTIONS]
assert SECOND not in [case.body for case in CASES]
