from __future__ import annotations

import contextlib
import gzip
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit import ErrorResponse, Request, Response, path_join_safe
from kit.errors import ConfigurationError
from kit.testing import CanaryFiles, HostileName, assert_guarded, canary_files, load_corpus
from support.authority import authority
from support.deadlines import scaled
from support.failures import fail

Handler = Callable[[Request], Response]

MAX_BYTES = 100_000


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name is short enough to be shown whole."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@pytest.fixture
def files(short_path: Path) -> Iterator[CanaryFiles]:
    with canary_files(short_path) as files:
        yield files


def read(path: str) -> Response:
    try:
        with Path(path).open("rb") as file:
            return Response(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return ErrorResponse("there is no such file", 404)


def serve_safely(root: Path) -> Handler:
    def answer(request: Request) -> Response:
        try:
            return read(path_join_safe(str(root), request.matches["name"]))
        except ValueError:
            return ErrorResponse("refused", 400)

    return answer


def serve_blindly(root: Path) -> Handler:
    return lambda request: read(os.path.join(root, request.matches["name"]))  # noqa: PTH118


def unify(lines: list[str], files: CanaryFiles) -> list[str]:
    text = "\n".join(lines).replace(str(files.root.parent), "BASE")
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", text).splitlines()


def test_a_server_that_joins_safely_passes_with_the_whole_corpus(
    serve: Any, files: CanaryFiles
) -> None:
    server = serve(("GET", "/files/:name+", serve_safely(files.root)))
    assert_guarded(f"{server.url}/files/", canary=files)
    asked = [exchange.target for exchange in server.journal]
    assert len(asked) > 4 * len(load_corpus()) > 600
    assert {
        "/files/../canary.txt",
        "/files/..%2Fcanary.txt",
        "/files/%2e%2e%2f%63%61%6e%61%72%79%2e%74%78%74",
        "/files/%252e%252e%252f%2563%2561%256e%2561%2572%2579%252e%2574%2578%2574",
        "/files/%2e%2e%2fcanary.txt",
        "/files/..\\..\\canary.txt",
        "/files/..%5C..%5Ccanary.txt",
        "/files/..//canary.txt",
        "/files//etc/passwd",
        "/files../canary.txt",
        f"/files/{files.canary}",
    } <= set(asked)
    assert not any("dev" in target for target in asked if "zero" in target)


@pytest.mark.parametrize("tls", [False, True])
def test_every_leak_is_told_with_its_status_and_a_curl_line(
    serve: Any, files: CanaryFiles, tls: bool
) -> None:
    server = serve(("GET", "/files/:name+", serve_blindly(files.root)), tls=tls)
    context = authority().client_context() if tls else None
    lines = fail(
        assert_guarded,
        f"{server.url}/files/",
        canary=files,
        ssl_context=context,
        corpus=[HostileName("../canary.txt", "parent", "CWE-24"), "missing.txt", "{outside}"],
    )
    base, trust = ("https", ' --cacert "$KIT_CA"') if tls else ("http", "")
    lines = unify(lines, files)
    assert lines[:5] == [
        f"{base}://HOST/files/ lets 5 of 14 requests out, made from 3 hostile names:",
        (
            "  '../canary.txt' as /files/../canary.txt -> 200 with the canary in its body "
            "(parent; CWE-24)"
        ),
        f"    curl --path-as-is{trust} {base}://HOST/files/../canary.txt",
        (
            "  '../canary.txt' as /files/..%2Fcanary.txt -> 200 with the canary in its body "
            "(parent; CWE-24)"
        ),
        f"    curl{trust} {base}://HOST/files/..%2Fcanary.txt",
    ]
    assert lines[7].startswith("  'BASE/canary.txt' as /files/%2F")
    assert len(lines) == 1 + 5 * 2


def test_a_root_is_surrounded_with_files_that_do_not_stay(serve: Any, short_path: Path) -> None:
    root = short_path / "public"
    root.mkdir()
    server = serve(("GET", "/files/:name+", serve_blindly(root)))
    lines = fail(assert_guarded, f"{server.url}/files", root=root)
    told = "\n".join(lines)
    assert re.search(r"'\.\./canary-\w{8}\.txt' as /files/\.\./canary-\w{8}\.txt -> 200", told)
    assert re.search(r"'\.\./public-private/canary-\w{8}\.txt' as ", told)
    assert f"'{root}-private/canary-" in told
    assert list(short_path.rglob("*")) == [root]


def test_a_private_sibling_that_is_there_already_stays(serve: Any, tmp_path: Path) -> None:
    root, private = tmp_path / "public", tmp_path / "public-private"
    root.mkdir()
    private.mkdir()
    server = serve(("GET", "/files/:name+", serve_safely(root)))
    assert_guarded(f"{server.url}/files/", root=root, corpus=["../files-private/canary.txt"])
    assert sorted(tmp_path.rglob("*")) == [root, private]


def test_a_canary_of_ones_own_is_looked_for_by_its_name(serve: Any, tmp_path: Path) -> None:
    root, canary = tmp_path / "public", tmp_path / "secret.key"
    root.mkdir()
    canary.write_text("very secret indeed\n")
    server = serve(("GET", "/files/:name+", serve_blindly(root)))
    url = f"{server.url}/files/"
    lines = fail(assert_guarded, url, canary=canary, corpus=["../canary.txt", "{root}/x"])
    assert lines[0].endswith("/files/ lets 3 of 6 requests out, made from 1 hostile name:")
    assert "'../secret.key' as /files/../secret.key -> 200" in lines[1]


def test_the_content_of_a_canary_is_enough(serve: Any, files: CanaryFiles) -> None:
    server = serve(("GET", "/files/:name+", serve_blindly(files.root)))
    secret = files.canary.read_bytes()
    url = f"{server.url}/files/"
    lines = fail(assert_guarded, url, canary=secret, corpus=["../canary.txt", "{outside}"])
    assert lines[0].endswith("made from 1 hostile name:")


def test_a_place_in_the_query_can_be_named(serve: Any, files: CanaryFiles) -> None:
    def download(request: Request) -> Response:
        return read(f"{files.root}/{request.params['file'][0]}")

    server = serve(("GET", "/download", download))
    url = f"{server.url}/download?file={{name}}&inline=1"
    lines = unify(fail(assert_guarded, url, canary=files, corpus=["../canary.txt"]), files)
    assert lines[1:3] == [
        (
            "  '../canary.txt' as /download?file=../canary.txt&inline=1 -> 200 with the canary "
            "in its body (given by the test)"
        ),
        "    curl 'http://HOST/download?file=../canary.txt&inline=1'",
    ]


def test_a_system_file_is_a_leak_too(serve: Any, files: CanaryFiles) -> None:
    passwd = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\n"

    def answer(request: Request) -> Response:
        if request.matches["name"] == "inside.txt":
            return read(str(files.root / "inside.txt"))
        return Response(passwd)

    server = serve(("GET", "/files/:name+", answer))
    url = f"{server.url}/files/"
    lines = fail(assert_guarded, url, canary=files, corpus=["/etc/passwd", "../canary.txt"])
    assert lines[0].endswith("/files/ lets 4 of 11 requests out, made from 2 hostile names:")
    assert "'/etc/passwd' as /files/%2Fetc%2Fpasswd -> 200 with /etc/passwd in" in lines[1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[fonts]\r\n[extensions]\r\n", "with win.ini in"),
        (b"PATH=/usr/bin\0HOME=/root\0", "with the process's environment in"),
    ],
)
def test_other_system_files_are_told_by_what_they_hold(
    serve: Any, files: CanaryFiles, content: bytes, told: str
) -> None:
    def answer(request: Request) -> Response:
        is_ordinary = request.matches["name"] == "inside.txt"
        return read(str(files.root / "inside.txt")) if is_ordinary else Response(content)

    server = serve(("GET", "/files/:name+", answer))
    names = ["C:\\\\windows\\\\win.ini", "/proc/self/environ"]
    lines = fail(assert_guarded, f"{server.url}/files/", canary=files, corpus=names)
    assert any(told in line for line in lines)


def test_a_leak_is_found_in_a_header_and_in_a_packed_body(serve: Any, files: CanaryFiles) -> None:
    secret = files.canary.read_bytes()

    def answer(request: Request) -> Response:
        name = request.matches["name"]
        if name == "../head":
            return Response("", 302, {"Location": secret.decode().strip()})
        if name == "../body":
            return Response(gzip.compress(secret), 200, {"Content-Encoding": "gzip"})
        return read(str(files.root / name))

    server = serve(("GET", "/files/:name+", answer))
    url = f"{server.url}/files/"
    lines = fail(assert_guarded, url, canary=files, corpus=["../head", "../body"])
    assert "'../head' as /files/../head -> 302 with the canary in its head" in lines[1]
    assert any("/files/../body -> 200 with the canary in its body" in line for line in lines)


def test_header_fields_are_sent_and_shown(serve: Any, files: CanaryFiles) -> None:
    def answer(request: Request) -> Response:
        if request.headers.text("authorization") != "Bearer it's me":
            return ErrorResponse("who?", 401)
        return serve_blindly(files.root)(request)

    server = serve(("GET", "/files/:name+", answer))
    url = f"{server.url}/files/"
    lines = fail(
        assert_guarded,
        url,
        canary=files,
        corpus=["../canary.txt"],
        headers={"Authorization": "Bearer it's me"},
    )
    assert lines[2].endswith(r"/files/../canary.txt -H 'Authorization: Bearer it'\''s me'")


def test_the_curl_line_gets_the_canary(serve: Any, files: CanaryFiles, tmp_path: Path) -> None:
    import shutil

    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("curl or bash is not installed")
    server = serve(("GET", "/files/:name+", serve_blindly(files.root)), tls=True)
    cafile = authority().write_pem(tmp_path / "it's the ca.pem")
    url = f"{server.url}/files/"
    lines = fail(
        assert_guarded, url, canary=files, cafile=cafile, corpus=["folder/../../canary.txt"]
    )
    commands = [line for line in lines if line.startswith("    curl")]
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=True)
        assert done.stdout == files.canary.read_bytes()


# What would prove nothing


def test_a_server_that_does_not_serve_an_ordinary_name_proves_nothing(
    serve: Any, files: CanaryFiles
) -> None:
    server = serve(("GET", "/files/:name+", lambda request: Response("index")))
    assert unify(fail(assert_guarded, f"{server.url}/wrong/", canary=files), files) == [
        (
            "http://HOST/wrong/ does not serve even the ordinary name 'inside.txt': "
            "GET /wrong/inside.txt -> 404, expected 200 and the file's content"
        )
    ]
    assert unify(fail(assert_guarded, f"{server.url}/files/", canary=files), files) == [
        (
            "http://HOST/files/ does not serve even the ordinary name 'inside.txt': "
            "GET /files/inside.txt -> 200 with something else, expected 200 and the file's content"
        )
    ]
    options = {"canary": files.canary, "ordinary": "a b.txt"}
    assert unify(fail(assert_guarded, f"{server.url}/no/", **options), files) == [
        (
            "http://HOST/no/ does not serve even the ordinary name 'a b.txt': "
            "GET /no/a%20b.txt -> 404, expected 200"
        )
    ]


def test_a_canary_that_is_in_every_answer_proves_nothing(serve: Any) -> None:
    server = serve(("GET", "/:name*", lambda request: Response("the usual answer")))
    (line,) = fail(assert_guarded, server.url, canary=b"usual answer")
    assert line == (
        f"{server.url} answers GET /kit-there-is-no-such-file with the canary's content, "
        "so that it tells nothing"
    )


def test_a_server_that_is_not_there_is_told_of() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/files/"
        (line,) = fail(assert_guarded, url, canary=b"a canary")
    assert line.startswith(
        f"{url} gives no answer to GET /files/kit-there-is-no-such-file: ConnectionRefusedError: "
    )


def test_a_certificate_that_is_not_trusted_is_told_of(serve: Any) -> None:
    server = serve(tls=True)
    (line,) = fail(assert_guarded, server.url, canary=b"a canary")
    assert "gives no answer to GET /kit-there-is-no-such-file: SSLCertVerificationError: " in line


def test_a_context_that_verifies_nothing_makes_curl_do_the_same(
    serve: Any, files: CanaryFiles
) -> None:
    server = serve(("GET", "/:name+", serve_blindly(files.root)), tls=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    options = {"ssl_context": context, "corpus": ["../canary.txt"]}
    assert (
        "curl --path-as-is -k https://"
        in fail(assert_guarded, server.url, canary=files, **options)[2]
    )


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Serve one request per connection by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                peer, _ = listener.accept()
                with peer:
                    head = b""
                    while not head.endswith(b"\r\n\r\n") and (data := peer.recv(65536)):
                        head += data
                    if not head:
                        return
                    answer(peer, head)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/files/"
        finally:
            # A connection without a request ends it.
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def test_a_server_that_closes_after_each_answer_is_asked_again() -> None:
    asked = []

    def answer(peer: socket.socket, head: bytes) -> None:
        asked.append(head.split(b" ")[1])
        # It says nothing of closing, so that the next request finds out.
        peer.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    with raw_server(answer) as url:
        assert_guarded(url, canary=b"a canary", corpus=["../canary.txt"])
    assert len(asked) == len(set(asked)) == 1 + 6


def test_requests_that_get_no_answer_count_as_refused_unless_all_do() -> None:
    def answer(peer: socket.socket, head: bytes) -> None:
        if b"kit-there" in head or b"/../" in head:
            peer.sendall(b"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n")

    with raw_server(answer) as url:
        assert_guarded(url, canary=b"a canary", corpus=["../canary.txt"])
        (line,) = fail(assert_guarded, url, canary=b"a canary", corpus=["x"])
    assert line == f"{url} answered none of 3 requests: nothing is proved"


def test_one_connection_is_enough(serve: Any, files: CanaryFiles) -> None:
    server = serve(("GET", "/files/:name+", serve_safely(files.root)))
    assert_guarded(f"{server.url}/files/", canary=files, corpus=["../canary.txt", "a"])
    assert {exchange.connection.id for exchange in server.journal} == {
        server.journal[0].connection.id
    }


def test_an_answer_that_is_broken_or_cut_off_is_searched_as_it_came(files: CanaryFiles) -> None:
    secret = files.canary.read_bytes()

    def answer(peer: socket.socket, head: bytes) -> None:
        fields = b"Content-Length: 1000\r\nContent-Encoding: gzip\r\n\r\n"
        if b"kit-there" in head:
            peer.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        else:
            peer.sendall(b"HTTP/1.1 200 OK\r\n" + fields + secret)

    with raw_server(answer) as url:
        lines = fail(assert_guarded, url, canary=files.canary, corpus=["x"])
    assert "lets 3 of 3 requests out" in lines[0]


def test_a_server_that_does_not_answer_at_all_is_told_of() -> None:
    patience = scaled(0.2)

    def answer(peer: socket.socket, head: bytes) -> None:
        peer.recv(1)  # until the other side gives up

    with raw_server(answer) as url:
        (line,) = fail(assert_guarded, url, canary=b"a canary", timeout=patience)
    assert line == (
        f"{url} gives no answer to GET /files/kit-there-is-no-such-file: "
        f"none came within {patience:g} s"
    )


def test_a_server_that_never_ends_an_answer_is_told_of_and_left_alone() -> None:
    def answer(peer: socket.socket, head: bytes) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        if b"kit-there" in head:
            peer.sendall(b"ten bytes!")
        else:
            peer.recv(1)  # until the other side gives up

    patience = scaled(0.5)
    with raw_server(answer) as url:
        lines = fail(assert_guarded, url, canary=b"a canary", corpus=["..", "a"], timeout=patience)
    assert lines == [
        f"{url} did not answer all of 7 requests, made from 2 hostile names:",
        *(
            f"  '..' as /files/{form} -> no whole answer within {patience:g} s (given by the test)"
            for form in ("..", "%2e%2e", "%252e%252e")
        ),
        "  and the rest was not tried",
    ]


def test_a_body_without_end_is_read_only_so_far(files: CanaryFiles) -> None:
    def answer(peer: socket.socket, head: bytes) -> None:
        if b"kit-there" in head:
            peer.sendall(b"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n")
            return
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(OSError):
            peer.sendall(files.canary.read_bytes())
            while True:
                peer.sendall(b"\0" * 65536)

    with raw_server(answer) as url:
        lines = fail(assert_guarded, url, canary=files.canary, corpus=["x"])
    assert "lets 3 of 3 requests out" in lines[0]


@pytest.mark.parametrize(
    ("target", "options", "told"),
    [
        ("ftp://host/", {}, "expected a function or an http(s) URL, not 'ftp://host/'"),
        ("/files", {}, "expected a function or an http(s) URL, not '/files'"),
        (
            "http://host/a b/",
            {},
            "the URL 'http://host/a b/' has characters that must be percent-encoded",
        ),
        (
            "http://host/?file=",
            {},
            "the URL 'http://host/?file=' has a query: write {name} where the name belongs",
        ),
        (
            "http://host/",
            {"canary": None},
            (
                "a URL needs a canary to look for: give canary=, a file beside the directory that "
                "is served (or its content as bytes), or root=, that directory, or use "
                "canary_files()"
            ),
        ),
        (
            "http://host/",
            {"canary": b" short \n"},
            "canary must have at least 8 bytes that are found nowhere else, not b' short \\n'",
        ),
        (
            "http://host/",
            {"canary": "/no/such/canary"},
            "canary '/no/such/canary' cannot be read: No such file or directory: make it before",
        ),
        (
            "http://host/",
            {"canary": None, "root": "/no/such"},
            "root '/no/such' is not a directory",
        ),
        (
            "http://host/",
            {"corpus": ["{outside}"]},
            "no name can be tried: {outside} and {root} need canary= or root= as a path",
        ),
        (
            "https://host/",
            {"cafile": "a.pem", "ssl_context": ssl.create_default_context()},
            "give either cafile or ssl_context, not both",
        ),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    target: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_guarded(target, **{"canary": b"a canary", **options})
    assert str(caught.value) == told
