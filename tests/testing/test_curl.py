from __future__ import annotations

import functools
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import Exchange, HTTPServer, Response
from kit.record import BodyRecord, ConnectionInfo
from kit.testing import format_curl
from kit.testing.curl import quote
from support.authority import authority
from support.deadlines import scaled
from support.exchanges import Head, make_exchange

RawHeaders = list[tuple[bytes, bytes]]

HOST = (b"Host", b"127.0.0.1:8080")
ACCEPT = (b"Accept", b"*/*")
AGENT = (b"User-Agent", b"curl/8.5.0")


@functools.cache
def find_curl() -> str:
    for tool in ("bash", "curl", "base64"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    shown = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    return shown.split()[1]


def make(
    method: str = "GET",
    target: str = "/",
    headers: RawHeaders | None = None,
    body: bytes = b"",
    *,
    http_version: str = "1.1",
    connection: ConnectionInfo | None = None,
) -> Exchange:
    fields = [HOST, AGENT, ACCEPT] if headers is None else headers
    if body and not any(name == b"Content-Length" for name, _ in fields):
        fields = [*fields, (b"Content-Length", b"%d" % len(body))]
    exchange = make_exchange(method, target, connection=connection)
    exchange.request_head = Head(method, target, http_version, fields)
    exchange.request_content = body
    return exchange


@pytest.mark.parametrize(
    ("exchange", "command"),
    [
        (make(), "curl http://127.0.0.1:8080/"),
        (make(target="/a?b=c&d"), "curl 'http://127.0.0.1:8080/a?b=c&d'"),
        (make(target="/a/../b"), "curl --path-as-is http://127.0.0.1:8080/a/../b"),
        (make(target="/a/%2E"), "curl --path-as-is http://127.0.0.1:8080/a/%2E"),
        (make(target="/a..b?x=/../"), "curl 'http://127.0.0.1:8080/a..b?x=/../'"),
        (make(target="/{a}[1]"), "curl --globoff 'http://127.0.0.1:8080/{a}[1]'"),
        (make(target="/it's"), r"curl 'http://127.0.0.1:8080/it'\''s'"),
        (make("HEAD"), "curl --head http://127.0.0.1:8080/"),
        (make("DELETE", "/x"), "curl -X DELETE http://127.0.0.1:8080/x"),
        (make("M'X"), r"curl -X 'M'\''X' http://127.0.0.1:8080/"),
        (make("OPTIONS", "*"), "curl -X OPTIONS --request-target '*' http://127.0.0.1:8080/"),
        (
            make(target="http://other/x"),
            "curl --request-target http://other/x http://127.0.0.1:8080/",
        ),
        (make(http_version="1.0"), "curl --http1.0 http://127.0.0.1:8080/"),
        (
            make(headers=[HOST]),
            "curl http://127.0.0.1:8080/ -H User-Agent: -H Accept:",
        ),
        (
            make(headers=[HOST, (b"accept", b"*/*"), (b"X-Empty", b""), (b"User-Agent", b"me")]),
            "curl http://127.0.0.1:8080/ -H 'accept: */*' -H 'X-Empty;' -H 'User-Agent: me'",
        ),
        (
            make(
                headers=[HOST, AGENT, ACCEPT, (b"A", b"1"), (b"B", b"\xff"), (b"A", "é".encode())]
            ),
            r"curl http://127.0.0.1:8080/ -H 'A: 1' -H $'B: \xff' -H 'A: é'",
        ),
        (make(headers=[AGENT, ACCEPT]), "curl http://127.0.0.1:8080/ -H Host:"),
        (
            make(headers=[(b"Host", b"shop.test"), AGENT, ACCEPT]),
            "curl --connect-to ::127.0.0.1:8080 http://shop.test/",
        ),
        (
            make(headers=[(b"Host", b"localhost:8080"), AGENT, ACCEPT]),
            "curl http://localhost:8080/",
        ),
        (
            make(headers=[(b"Host", b"Shop.Test:80"), AGENT, ACCEPT]),
            "curl http://127.0.0.1:8080/ -H 'Host: Shop.Test:80'",
        ),
        (
            make(headers=[(b"Host", b"shop.test:80"), AGENT, ACCEPT]),
            "curl --connect-to ::127.0.0.1:8080 http://shop.test/ -H 'Host: shop.test:80'",
        ),
        (
            make(headers=[(b"Host", b"0x7f.1"), AGENT, ACCEPT]),
            "curl http://127.0.0.1:8080/ -H 'Host: 0x7f.1'",
        ),
        (
            make(headers=[(b"Host", b""), AGENT, ACCEPT]),
            "curl http://127.0.0.1:8080/ -H 'Host;'",
        ),
        (
            make(
                "POST", body=b'{"a": 1}', headers=[HOST, AGENT, ACCEPT, (b"Content-Type", b"x/y")]
            ),
            """curl http://127.0.0.1:8080/ -H 'Content-Type: x/y' --data-raw '{"a": 1}'""",
        ),
        (
            make("POST", body=b"@it's\nme\x09"),
            r"curl http://127.0.0.1:8080/ -H Content-Type: --data-raw $'@it\'s\nme\t'",
        ),
        (
            make("POST", headers=[HOST, AGENT, ACCEPT, (b"Content-Length", b"0")]),
            "curl http://127.0.0.1:8080/ -H Content-Type: --data-raw ''",
        ),
        (make("POST"), "curl -X POST http://127.0.0.1:8080/"),
        (
            make("PUT", body=b"\x00\xff"),
            (
                "printf %s AP8= | base64 --decode | "
                "curl -X PUT http://127.0.0.1:8080/ -H Content-Type: --data-binary @-"
            ),
        ),
        (
            make("GET", body=b"\x1b[2J"),
            (
                "printf %s G1sySg== | base64 --decode | "
                "curl -X GET http://127.0.0.1:8080/ -H Content-Type: --data-binary @-"
            ),
        ),
    ],
)
def test_a_request_is_written_as_a_command(exchange: Exchange, command: str) -> None:
    assert format_curl(exchange) == command


def tls(sni: str | None, role: str = "server") -> ConnectionInfo:
    ends = ("127.0.0.1", 8443), ("127.0.0.1", 50000)
    local, peer = ends if role == "server" else ends[::-1]
    return ConnectionInfo(role, local, peer, tls_version="TLSv1.3", sni=sni)


@pytest.mark.parametrize(
    ("host", "sni", "command"),
    [
        ("127.0.0.1:8443", None, 'curl --cacert "$KIT_CA" https://127.0.0.1:8443/'),
        ("localhost:8443", "localhost", 'curl --cacert "$KIT_CA" https://localhost:8443/'),
        (
            "api.test",
            "api.test",
            'curl --cacert "$KIT_CA" --connect-to ::127.0.0.1:8443 https://api.test/',
        ),
        (
            "api.test",
            "other.test",
            (
                'curl --cacert "$KIT_CA" --connect-to ::127.0.0.1:8443 '
                "https://other.test:8443/ -H 'Host: api.test'"
            ),
        ),
        (
            "api.test",
            None,
            "curl --cacert \"$KIT_CA\" https://127.0.0.1:8443/ -H 'Host: api.test'",
        ),
    ],
)
@pytest.mark.parametrize("role", ["server", "client"])
def test_tls_needs_the_servers_name_and_a_trusted_authority(
    host: str, sni: str | None, command: str, role: str
) -> None:
    headers = [(b"Host", host.encode()), AGENT, ACCEPT]
    assert format_curl(make(headers=headers, connection=tls(sni, role))) == command


def test_whom_to_trust_can_be_told() -> None:
    exchange = make(headers=[(b"Host", b"127.0.0.1:8443"), AGENT, ACCEPT], connection=tls(None))
    assert format_curl(exchange, verify=False) == "curl -k https://127.0.0.1:8443/"
    assert format_curl(exchange, cafile=Path("my ca.pem")) == (
        "curl --cacert 'my ca.pem' https://127.0.0.1:8443/"
    )


def test_an_ipv6_address_stands_in_brackets() -> None:
    connection = ConnectionInfo("server", ("::1", 8080), ("::1", 50000))
    exchange = make(headers=[(b"Host", b"[::1]:8080"), AGENT, ACCEPT], connection=connection)
    assert format_curl(exchange) == "curl --globoff 'http://[::1]:8080/'"


def test_what_the_record_lacks_is_told_in_a_comment() -> None:
    exchange = make("POST", body=b"")
    exchange.request_content = BodyRecord(b"abc", 5000, "digest")
    exchange.request_trailers = [(b"A", b"1")]
    assert format_curl(exchange).splitlines() == [
        "# the body had 5000 bytes, only the first 3 were recorded",
        "# the body had trailer fields, which curl cannot send",
        "curl http://127.0.0.1:8080/ -H Content-Type: --data-raw abc",
    ]


def test_a_body_that_never_came_is_told_in_a_comment() -> None:
    exchange = make("POST", headers=[HOST, AGENT, ACCEPT, (b"Content-Length", b"99")])
    assert format_curl(exchange).splitlines()[0] == (
        "# the body was announced with 99 bytes, 0 of them were read"
    )


def test_a_long_text_goes_through_a_pipe() -> None:
    command = format_curl(make("POST", body=b"x" * 200_000))
    assert command.startswith("printf %s eHh4")
    assert command.endswith(
        " | base64 --decode | curl http://127.0.0.1:8080/ -H Content-Type: --data-binary @-"
    )


@given(st.binary(max_size=60).filter(lambda data: b"\0" not in data))
@settings(max_examples=60, deadline=None)
def test_a_quoted_argument_is_read_by_the_shell_as_it_was(data: bytes) -> None:
    find_curl()
    quoted = quote(data)
    assert quoted.isprintable()
    done = subprocess.run(
        ["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True, timeout=60
    )
    assert done.stdout == data


# Sent again


def echo(request: Any) -> Response:
    return Response(request.body)


def is_done(exchange: Exchange) -> bool:
    return exchange.is_done


def send_raw(server: HTTPServer, data: bytes) -> Exchange:
    """Send a request as bytes; return its exchange."""
    before = len(server.journal)
    address = (server.host, server.port)
    with socket.create_connection(address, timeout=scaled(10)) as sock:
        sock.sendall(data)
        assert sock.recv(65536)
        return server.journal.wait_for(is_done, count=before + 1, timeout=scaled(10))[before]


def send_again(server: HTTPServer, exchange: Exchange, **environment: str) -> Exchange:
    """Run the command for an exchange; return what it has become."""
    find_curl()
    script = f"set -o pipefail\n{format_curl(exchange)} --silent --show-error --max-time 30"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        timeout=scaled(60),
        check=False,
    )
    assert done.returncode == 0, (script, done.stderr)
    return server.journal.wait_for(
        lambda each: each.id > exchange.id, timeout=scaled(10), state="complete"
    )[0]


def compared(exchange: Exchange) -> tuple[object, ...]:
    """What of a request curl can be made to repeat: all but where it puts its own fields."""
    own = (b"host", b"content-length")
    fields = exchange.request_headers.raw
    ordered = [(name, value) for name, value in fields if name.lower() not in own]
    return (
        exchange.method,
        exchange.target,
        exchange.http_version,
        ordered,
        sorted(fields),
        exchange.request_body,
        exchange.connection.sni,
    )


def request(head: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([head, *fields, "", ""]).encode("utf-8", "surrogateescape") + body


@pytest.mark.parametrize(
    "data",
    [
        request("GET /a/../b?x=1&y=%2f HTTP/1.1", "Host: HOST"),
        request("GET /{a}[1-3]/%2e%2E/. HTTP/1.1", "Host: HOST", "X-B: 2", "x-a: 1", "X-B: 1"),
        request("GET //double//?a?b=c HTTP/1.1", "Host: HOST", "Accept: */*", "User-Agent: me"),
        request("GET / HTTP/1.1", "Host: shop.test", "Empty:", "Bytes: \udcff\udcc3", "E: é"),
        request("GET / HTTP/1.1", "Host: shop.test:80", "User-Agent: curl/CURL", "Accept: */*"),
        request("GET / HTTP/1.1", "Host:", "Connection: close"),
        request("GET / HTTP/1.0", "X: 1"),
        request("OPTIONS * HTTP/1.1", "Host: HOST"),
        request("GET http://other.test/x HTTP/1.1", "Host: other.test"),
        request("HEAD /head HTTP/1.1", "Host: HOST", "Accept: text/html"),
        request("DELETE /x HTTP/1.1", "Host: HOST", "Cookie: a='b'; c=\"d\""),
        request("POST /x HTTP/1.1", "Host: HOST", "Content-Length: 0"),
        request("POST /x HTTP/1.1", "Host: HOST"),
        request("POST /x HTTP/1.1", "Host: HOST", "Content-Length: 9", body=b"@a 'b'\r\n\t"),
        request("PUT /x HTTP/1.1", "Host: HOST", "Content-Length: 3", body=b"\x00\xff\n"),
        request("GET /x HTTP/1.1", "Host: HOST", "Content-Length: 2", "A: 1", body=b"{}"),
        request(
            "POST /x HTTP/1.1",
            "Host: HOST",
            "Content-Type: application/json",
            "Expect: 100-continue",
            "Content-Length: 7",
            body='{"é":1}'.encode()[:7],
        ),
        request(
            "POST /x HTTP/1.1",
            "Host: HOST",
            "Transfer-Encoding: chunked",
            "Content-Type: text/plain",
            body=b"3\r\nabc\r\n0\r\n\r\n",
        ),
    ],
)
def test_the_command_sends_the_same_request_again(serve: Any, data: bytes) -> None:
    methods = ("GET", "POST", "PUT", "DELETE")
    server = serve(*((method, "/:any*", echo) for method in methods))
    data = data.replace(b"HOST", f"127.0.0.1:{server.port}".encode())
    original = send_raw(server, data.replace(b"CURL", find_curl().encode()))
    assert compared(send_again(server, original)) == compared(original)


_target_text = st.text(
    st.sampled_from("".join(chr(number) for number in range(33, 127) if chr(number) != "#")),
    max_size=20,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    target=_target_text,
    body=st.binary(max_size=40),
    values=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF)), max_size=3),
)
def test_any_request_can_be_sent_again(
    serve: Any, target: str, body: bytes, values: list[str]
) -> None:
    server = serve(("POST", "/:any*", echo))
    fields = [f"X-{at}: {value.strip()}" for at, value in enumerate(values) if "\x7f" not in value]
    fields = [field for field in fields if field.isprintable()]
    host = f"Host: 127.0.0.1:{server.port}"
    head = f"POST /{target} HTTP/1.1"
    original = send_raw(
        server, request(head, host, *fields, f"Content-Length: {len(body)}", body=body)
    )
    assert compared(send_again(server, original)) == compared(original)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "api.shop.test"])
def test_the_command_works_over_tls(serve: Any, tmp_path: Path, name: str) -> None:
    names = ("localhost", "127.0.0.1", "::1", "api.shop.test")
    server = serve(("GET", "/:any*", echo), tls=True, names=names)
    raw = socket.create_connection((server.host, server.port), timeout=scaled(10))
    context = authority().client_context()
    with context.wrap_socket(raw, server_hostname=name) as sock:
        sock.sendall(request("GET /x HTTP/1.1", f"Host: {name}:{server.port}"))
        assert sock.recv(65536)
    (original,) = server.journal.wait_for(is_done, timeout=scaled(10))
    cafile = authority().write_pem(tmp_path / "ca.pem")
    again = send_again(server, original, KIT_CA=str(cafile))
    assert compared(again) == compared(original)


def test_a_request_that_does_not_parse_is_sent_by_netcat(serve: Any) -> None:
    server = serve()
    exchange = send_raw(server, b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n")
    note, command = format_curl(exchange).splitlines()
    assert note == "# the request does not parse, so that curl cannot send it"
    found = re.fullmatch(r"printf %s (\S+) \| base64 --decode \| nc 127\.0\.0\.1 (\d+)", command)
    assert found is not None
    assert int(found[2]) == server.port
    done = subprocess.run(
        ["bash", "-c", command.rpartition(" | ")[0]], capture_output=True, check=True, timeout=60
    )
    assert done.stdout == exchange.request_head.raw
    assert done.stdout.startswith(b"GET / a HTTP/1.1\r\n")


def test_over_tls_it_is_sent_by_openssl() -> None:
    exchange = make("", connection=tls(None))
    exchange.request_head = Head("", "", raw=b"GET / a HTTP/1.1\r\n\r\n")
    assert (
        format_curl(exchange)
        .splitlines()[1]
        .endswith(" | base64 --decode | openssl s_client -quiet -connect 127.0.0.1:8443")
    )
