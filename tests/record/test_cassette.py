"""Cassettes: recorded from a second server, and played with that server gone."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

from kit import (
    Cassette,
    ConfigurationError,
    HTTPServer,
    RecordingError,
    Redaction,
    Request,
    Response,
    Upstream,
    har,
)
from kit.record.har.websockets import join_frames
from support.deadlines import scaled

T = scaled(10)


class Studio:
    """An upstream with routes, and servers that record it or play what was recorded."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.path = folder / "cassettes" / "test.har"
        self._stack = stack
        self.calls: list[str] = []
        self.upstream: HTTPServer | None = None

    def open_upstream(self, answer: Callable[[Request], Response] | None = None) -> HTTPServer:
        def handle(request: Request) -> Response:
            self.calls.append(f"{request.method} {request.target}")
            return echo(request) if answer is None else answer(request)

        server = HTTPServer(("127.0.0.1", 0))
        methods = ("GET", "POST", "PUT", "DELETE")
        server.registerRoutes([(method, "/:rest*", handle) for method in methods])
        self.upstream = self._stack.enter_context(server)
        return server

    @contextlib.contextmanager
    def insert(self, mode: str = "none", *, keep: bool = True, **options: Any) -> Iterator[Deck]:
        """Serve a cassette; with the upstream if that is open."""
        with contextlib.ExitStack() as stack:
            if self.upstream is not None and "upstream" not in options:
                source = Upstream(self.upstream.url, timeout_s=T)
                options["upstream"] = stack.enter_context(source)
            cassette = Cassette(self.path, mode=mode, **options)  # type: ignore[arg-type]
            with HTTPServer(("127.0.0.1", 0)) as server:
                server.fallback = cassette
                yield Deck(server, cassette)
            cassette.finish(keep=keep)

    def record(self, *asks: Any, mode: str = "once", **options: Any) -> None:
        if self.upstream is None:
            self.open_upstream()
        with self.insert(mode, **options) as deck:
            for each in asks:
                deck.ask(*each) if isinstance(each, tuple) else deck.ask("GET", each)

    def close_upstream(self) -> None:
        assert self.upstream is not None
        self.upstream.stop()
        self.upstream = None

    def load(self) -> har.Recording:
        return har.load(self.path)


class Deck:
    """A server with a cassette."""

    def __init__(self, server: HTTPServer, cassette: Cassette) -> None:
        self.server = server
        self.cassette = cassette

    def ask(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        fields = dict(headers or {})
        if isinstance(body, dict | list):
            body = json.dumps(body)
            fields["Content-Type"] = "application/json"
        connection = self.connect()
        try:
            connection.request(method, target, body, fields)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.server.host, self.server.port, timeout=T)

    def get(self, target: str) -> tuple[int, str]:
        return self.ask("GET", target)


def echo(request: Request) -> Response:
    return Response(f"{request.method} {request.target} {request.read().decode()}".rstrip())


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with contextlib.ExitStack() as stack:
        yield Studio(tmp_path, stack)


# Recording and playing


def test_what_was_recorded_is_played_without_the_upstream(studio: Studio) -> None:
    studio.record("/a?x=1", ("POST", "/b", {"n": 1}))
    studio.close_upstream()
    with studio.insert() as deck:
        assert deck.ask("POST", "/b", {"n": 1}) == (200, 'POST /b {"n": 1}')
        assert deck.get("/a?x=1") == (200, "GET /a?x=1")
        assert not deck.cassette.unused()


def test_a_status_headers_and_a_binary_body_are_played(studio: Studio) -> None:
    fields = {"Content-Type": "image/x", "X-Two": ["a", "b"]}
    studio.open_upstream(lambda _: Response(b"\x00\xff", 418, fields))
    studio.record("/")
    studio.close_upstream()
    with studio.insert() as deck:
        connection = http.client.HTTPConnection(deck.server.host, deck.server.port, timeout=T)
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, response.read()) == (418, b"\x00\xff")
        assert response.headers.get_all("X-Two") == ["a", "b"]
        assert response.headers.get_all("Content-Type") == ["image/x"]
        connection.close()


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_is_played(studio: Studio, status: int) -> None:
    studio.open_upstream(lambda _: Response(None, status))
    studio.record("/")
    with studio.insert() as deck:
        assert deck.get("/") == (status, "")


def test_the_length_of_a_head_is_played(studio: Studio) -> None:
    studio.open_upstream(lambda _: Response(b"12345"))
    studio.record(("HEAD", "/"))
    with studio.insert() as deck:
        connection = http.client.HTTPConnection(deck.server.host, deck.server.port, timeout=T)
        connection.request("HEAD", "/")
        assert connection.getresponse().headers["Content-Length"] == "5"
        connection.close()


def test_a_path_of_the_upstream_url_is_in_the_file_and_not_in_the_requests(
    studio: Studio,
) -> None:
    upstream = studio.open_upstream()
    with Upstream(f"{upstream.url}/v1") as source:
        studio.record("/a", upstream=source)
    assert studio.load().entries[0].request.url == f"{upstream.url}/v1/a"
    with Upstream(f"{upstream.url}/v1") as source, studio.insert(upstream=source) as deck:
        assert deck.get("/a") == (200, "GET /v1/a")
    assert studio.calls == ["GET /v1/a"]


# Modes


def test_none_never_asks_the_upstream(studio: Studio) -> None:
    studio.open_upstream()
    with studio.insert() as deck:
        status, text = deck.get("/a")
    assert status == 404
    where = f"{studio.path}, which does not exist: record it with mode once"
    assert text == (
        f"no recording answers GET /a in {where}\n\nnot compared: scheme, host, headers\n"
    )
    assert not studio.calls
    assert not studio.path.exists()


def test_once_records_only_where_there_is_no_file(studio: Studio) -> None:
    studio.record("/a")
    with studio.insert("once") as deck:
        assert deck.get("/a")[0] == 200
        assert deck.get("/b")[0] == 404
    assert studio.calls == ["GET /a"]
    assert len(studio.load()) == 1


def test_new_episodes_adds_what_is_missing(studio: Studio) -> None:
    studio.record("/a")
    studio.record("/a", "/b", mode="new_episodes")
    assert studio.calls == ["GET /a", "GET /b"]
    assert [entry.request.path for entry in studio.load()] == ["/a", "/b"]


def test_all_puts_the_new_in_the_place_of_the_old(studio: Studio) -> None:
    answers = iter(["old a", "old b", "new a"])
    studio.open_upstream(lambda _: Response(next(answers)))
    studio.record("/a", "/b")
    studio.record("/a", mode="all")
    assert [entry.response.body for entry in studio.load()] == [b"new a", b"old b"]


def test_rewrite_keeps_nothing_of_the_old(studio: Studio) -> None:
    studio.record("/a", "/b")
    studio.record("/c", mode="rewrite")
    assert [entry.request.path for entry in studio.load()] == ["/c"]


def test_rewrite_takes_a_file_that_cannot_be_read(studio: Studio) -> None:
    studio.path.parent.mkdir()
    studio.path.write_text("{")
    studio.record("/c", mode="rewrite")
    assert len(studio.load()) == 1


def test_verify_is_content_when_upstream_still_answers_so(studio: Studio) -> None:
    studio.record("/a")
    before = studio.path.read_bytes()
    with studio.insert("verify") as deck:
        assert deck.get("/a") == (200, "GET /a")
        assert deck.cassette.verify() == []
    assert studio.calls == ["GET /a", "GET /a"]
    assert studio.path.read_bytes() == before


def test_verify_tells_what_upstream_answers_otherwise(studio: Studio) -> None:
    answers = iter([{"id": 1, "n": 1, "at": 5}, {"id": 1, "n": 2, "at": 6}])

    def answer(_: Request) -> Response:
        payload = json.dumps(next(answers))
        return Response(payload, 200, {"Content-Type": "application/json"})

    upstream = studio.open_upstream(answer)
    studio.record("/a")
    before = studio.path.read_bytes()
    with studio.insert("verify", ignore=["json:at"]) as deck:
        deck.get("/a")
        (text,) = deck.cassette.verify()
        assert text == (
            f"test.har entry 0: GET {upstream.url}/a is not answered as recorded\n"
            "  ✗ json: $.n: expected 1, got 2"
        )
        assert deck.cassette.ignored() == ["json:at"]
    assert studio.path.read_bytes() == before


def test_verify_tells_of_another_status_and_media_type(studio: Studio) -> None:
    answers = iter([Response("x", 200), Response(b"x", 500)])
    upstream = studio.open_upstream(lambda _: next(answers))
    studio.record("/a")
    with studio.insert("verify") as deck:
        deck.get("/a")
        (text,) = deck.cassette.verify()
        assert text == (
            f"test.har entry 0: GET {upstream.url}/a is not answered as recorded\n"
            "  ✗ status: expected 200, got 500\n"
            "  ✗ header Content-Type: expected text/plain; charset=utf-8, "
            "got application/octet-stream"
        )


def test_verify_tells_of_a_request_that_was_not_recorded(studio: Studio) -> None:
    upstream = studio.open_upstream()
    studio.record("/a")
    with studio.insert("verify") as deck:
        deck.get("/other")
        assert deck.cassette.verify() == [f"not recorded: GET {upstream.url}/other"]
        assert [entry.request.path for entry in deck.cassette.unused()] == ["/a"]


def test_verify_tells_of_an_upstream_that_does_not_answer(studio: Studio) -> None:
    upstream = studio.open_upstream()
    studio.record("/a", "/b")
    studio.close_upstream()
    with (
        Upstream(upstream.url, timeout_s=T) as gone,
        studio.insert("verify", upstream=gone) as deck,
    ):
        assert deck.get("/a")[0] == 502
        assert deck.cassette.verify() == [
            "upstream gave no whole answer to a request: there is nothing to compare"
        ]
        assert deck.get("/b")[0] == 502
        assert deck.get("/b")[0] == 502
        assert deck.cassette.verify()[1:] == [
            "upstream gave no whole answer to 2 requests: there is nothing to compare"
        ]
        deck.cassette.finish()
        assert len(deck.cassette.problems()) == 2


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite", "verify"])
def test_a_mode_that_asks_upstream_wants_one(studio: Studio, mode: str) -> None:
    with pytest.raises(ConfigurationError) as caught, studio.insert(mode):
        pass
    assert str(caught.value) == (
        f"cassette {str(studio.path)!r} in the mode {mode} asks upstream: "
        'give upstream=kit.Upstream("https://…")'
    )


# Writing


def test_nothing_is_written_of_what_is_not_to_be_kept(studio: Studio) -> None:
    studio.open_upstream()
    with studio.insert("once", keep=False) as deck:
        deck.get("/a")
    assert not studio.path.exists()


def test_a_block_that_raises_writes_nothing(studio: Studio) -> None:
    upstream = studio.open_upstream()
    with (
        pytest.raises(ZeroDivisionError),
        Upstream(upstream.url) as source,
        Cassette(studio.path, mode="once", upstream=source) as cassette,
        HTTPServer(("127.0.0.1", 0)) as server,
    ):
        server.fallback = cassette
        Deck(server, cassette).get("/a")
        raise ZeroDivisionError
    assert not studio.path.exists()


def test_nothing_is_written_where_nothing_was_asked(studio: Studio) -> None:
    studio.record()
    assert not studio.path.exists()


def test_finishing_twice_writes_once(studio: Studio) -> None:
    studio.open_upstream()
    with studio.insert("once") as deck:
        deck.get("/a")
        assert deck.cassette.finish()
        studio.path.unlink()
    assert not studio.path.exists()


def test_a_failed_exchange_is_not_recorded(studio: Studio) -> None:
    with HTTPServer(("127.0.0.1", 0)) as gone:
        url = gone.url
    with Upstream(url) as source, studio.insert("once", upstream=source) as deck:
        assert deck.get("/a")[0] == 502
        assert deck.cassette.not_recorded == 1
    assert not studio.path.exists()


TIMES = ("startedDateTime", "time", "timings", "offset_ms", "chunks")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(each) for name, each in value.items() if name not in TIMES}
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    return value


def test_two_runs_write_the_same_but_for_times_whoever_comes_first(studio: Studio) -> None:
    upstream = studio.open_upstream(
        lambda request: Response(request.target, 200, {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    )
    documents = []
    for order in (range(8), reversed(range(8))):
        with studio.insert("rewrite") as deck:
            threads = [threading.Thread(target=deck.get, args=(f"/{number}",)) for number in order]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(T)
        documents.append(_without_times(json.loads(studio.path.read_bytes())))
    assert upstream.is_running
    assert documents[0] == documents[1]
    paths = [entry.request.path for entry in studio.load()]
    assert paths == [f"/{number}" for number in range(8)]


def _multipart(boundary: str) -> tuple[str, str, str, dict[str, str]]:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    kind = f"multipart/form-data; boundary={boundary}"
    return "POST", "/form", f"{head}1\r\n--{boundary}--\r\n", {"Content-Type": kind}


def test_two_runs_write_the_same_whatever_the_boundary_of_a_form_is(studio: Studio) -> None:
    documents = []
    for boundary in ("d1b0", "another-1234567"):
        studio.open_upstream(lambda _: Response("ok", 200, {"Date": "x"}))
        assert studio.upstream is not None
        studio.record(_multipart(boundary), mode="rewrite")
        written = studio.path.read_text("utf-8").replace(studio.upstream.url[7:], "upstream")
        documents.append(_without_times(json.loads(written)))
    assert documents[0] == documents[1]
    studio.close_upstream()
    with studio.insert(match_on=["method", "path", "header:Content-Type", "body"]) as deck:
        assert deck.ask(*_multipart("a-third")) == (200, "ok")


def test_a_compressed_request_of_any_size_is_played(studio: Studio) -> None:
    studio.open_upstream(lambda _: Response("ok"))
    document = json.dumps({"n": "x" * (5 << 20)}).encode()
    fields = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    asks = [("POST", "/", gzip.compress(document, mtime=when), fields) for when in (1, 2)]
    studio.record(asks[0])
    studio.close_upstream()
    with studio.insert() as deck:
        assert deck.ask(*asks[1]) == (200, "ok")


def test_trailers_are_played(studio: Studio) -> None:
    studio.open_upstream(
        lambda _: Response(iter([b"a", b"b"]), trailers={"X-Sum": "ab", "X-Other": "1"})
    )
    studio.record("/")
    studio.close_upstream()
    with studio.insert() as deck:
        with socket.create_connection((deck.server.host, deck.server.port), T) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        assert answer.endswith(b"\r\n0\r\nX-Sum: ab\r\nX-Other: 1\r\n\r\n")


def test_a_recording_that_would_be_too_large_to_be_read_is_cut_and_told(studio: Studio) -> None:
    studio.open_upstream(
        lambda request: Response(bytes(range(256)) * (12 if "2" in request.target else 3))
    )
    limits = har.HarLimits(file_bytes=6_000)
    with studio.insert("once", limits=limits) as deck:
        for number in range(3):
            deck.get(f"/{number}")
    assert [entry.request.path for entry in har.load(studio.path, limits=limits)] == ["/0", "/1"]
    assert deck.cassette.not_recorded == 1
    told = "1 went beyond the bounds of a recording"
    assert deck.cassette.explain_not_recorded() == told


def test_an_exchange_that_could_not_be_read_back_is_left_out_and_told(studio: Studio) -> None:
    studio.open_upstream(lambda request: Response("x" * (2000 if "2" in request.target else 3)))
    with studio.insert("once", limits=har.HarLimits(body_bytes=1000)) as deck:
        deck.get("/1")
        deck.get("/2")
    assert [entry.request.path for entry in studio.load()] == ["/1"]
    assert deck.cassette.explain_not_recorded() == (
        "1 could not be read back (content.text has 2000 bytes: the limit body_bytes is 1000)"
    )


def test_what_had_no_response_is_told_as_that(studio: Studio) -> None:
    with HTTPServer(("127.0.0.1", 0)) as gone:
        url = gone.url
    with Upstream(url) as source, studio.insert("once", upstream=source) as deck:
        deck.get("/a")
        assert deck.cassette.explain_not_recorded() == "1 had no whole response"


def test_rewriting_where_nothing_was_asked_leaves_the_file(studio: Studio) -> None:
    studio.record("/a")
    before = studio.path.read_bytes()
    with studio.insert("rewrite") as deck:
        assert not deck.cassette.has_recorded
    assert studio.path.read_bytes() == before


def test_verifying_where_nothing_was_asked_is_a_problem(studio: Studio) -> None:
    studio.record("/a", "/b")
    with studio.insert("verify") as deck:
        assert deck.cassette.problems() == []
    assert deck.cassette.problems() == [
        f"nothing was asked: 2 recordings of {studio.path} compared with nothing"
    ]


def test_requests_that_match_alike_keep_their_order(studio: Studio) -> None:
    answers = iter("123")
    studio.open_upstream(lambda _: Response(next(answers)))
    studio.record("/b", "/a", "/b")
    assert [(e.request.path, e.response.body) for e in studio.load()] == [
        ("/a", b"2"),
        ("/b", b"1"),
        ("/b", b"3"),
    ]


# Reuse


@pytest.mark.parametrize(
    ("reuse", "told"),
    [
        ("once", ["1", "2", 404, 404]),
        ("repeat_last", ["1", "2", "2", "2"]),
        ("cycle", ["1", "2", "1", "2"]),
    ],
)
def test_a_recording_is_used_again_as_the_policy_says(
    studio: Studio, reuse: str, told: list[Any]
) -> None:
    answers = iter("12")
    studio.open_upstream(lambda _: Response(next(answers)))
    studio.record("/a", "/a")
    with studio.insert(reuse=reuse) as deck:
        got = [deck.get("/a") for _ in range(4)]
    assert [text if status == 200 else status for status, text in got] == told


def test_a_recording_that_is_used_up_is_told(studio: Studio) -> None:
    upstream = studio.open_upstream()
    studio.record("/a")
    with studio.insert() as deck:
        deck.get("/a")
        assert deck.get("/a")[1] == (
            f"no recording answers GET /a in {studio.path}\n"
            "\n"
            "the recording is\n"
            "\n"
            f"entry 0: GET {upstream.url}/a -> 200\n"
            "  ✓ method GET\n"
            "  ✓ path /a\n"
            "  ✓ query\n"
            "  ✓ body\n"
            '  ✗ used already: reuse="repeat_last" or "cycle" would use it again\n'
            "\n"
            "not compared: scheme, host, headers\n"
        )


def test_unused_recordings_are_listed(studio: Studio) -> None:
    studio.record("/a", "/b")
    with studio.insert() as deck:
        deck.get("/b")
        assert [entry.request.path for entry in deck.cassette.unused()] == ["/a"]


# Misses


def test_a_miss_tells_what_came_nearest_and_why_not(studio: Studio) -> None:
    upstream = studio.open_upstream()
    studio.record("/other", ("POST", "/items?page=1", {"name": "x", "n": [1, 2]}))
    with studio.insert(ignore=["query:ts"]) as deck:
        status, text = deck.ask("POST", "/items?page=2&ts=5", {"name": "y", "n": [1, 2]})
    assert status == 404
    assert text == (
        f"no recording answers POST /items?page=2&ts=5 in {studio.path}\n"
        "\n"
        'its body, 26 bytes, application/json: {"name": "y", "n": [1, 2]}\n'
        "\n"
        "of 2 recordings the nearest are\n"
        "\n"
        f"entry 0: POST {upstream.url}/items?page=1 -> 200\n"
        "  ✓ method POST\n"
        "  ✓ path /items\n"
        '  ✗ query: $.page: expected "1", got "2"\n'
        '  ✗ json: $.name: expected "x", got "y"\n'
        "\n"
        f"entry 1: GET {upstream.url}/other -> 200\n"
        "  ✗ method: expected GET, got POST\n"
        "  ✗ path: expected /other, got /items\n"
        '  ✗ query: $.page: unexpected, got "2"\n'
        "  ✗ body: expected 0 bytes of no stated type, got 26 bytes of application/json\n"
        "\n"
        "not compared: scheme, host, headers\n"
        "ignored: query:ts\n"
    )


# Redaction


def test_secrets_reach_no_file_and_requests_match_all_the_same(studio: Studio) -> None:
    secret, other = "s3cr3t-canary-1234", "an0ther-s3cr3t-5678"

    def answer(request: Request) -> Response:
        fields = {"Set-Cookie": f"sid={secret}; Path=/"}
        return Response(json.dumps({"token": secret, "ok": True}), 200, fields)

    studio.open_upstream(answer)
    headers = {"Authorization": f"Bearer {secret}"}
    studio.record(("POST", f"/login?api_key={secret}", {"password": secret}, headers))
    assert secret.encode() not in studio.path.read_bytes()
    studio.close_upstream()
    with studio.insert() as deck:
        headers = {"Authorization": f"Bearer {other}"}
        status, _ = deck.ask("POST", f"/login?api_key={other}", {"password": other}, headers)
    assert status == 200


def test_verify_takes_what_was_recorded_without_redaction_as_what_is_compared(
    studio: Studio,
) -> None:
    studio.open_upstream(lambda _: Response(json.dumps({"token": "abc", "at": "/?sid=abcdef-12"})))
    studio.record("/a", redaction=None)
    assert b"abcdef-12" in studio.path.read_bytes()
    with studio.insert("verify") as deck:
        deck.get("/a")
        assert deck.cassette.verify() == []


def test_rules_of_the_user_are_kept_to(studio: Studio) -> None:
    redaction = Redaction(names=["badge"])
    studio.record("/a?badge=one", redaction=redaction)
    assert b"badge=one" not in studio.path.read_bytes()
    with studio.insert(redaction=redaction) as deck:
        assert deck.get("/a?badge=two")[0] == 200


def test_without_redaction_all_is_written(studio: Studio) -> None:
    studio.record("/a?token=abcdefgh", redaction=None)
    assert b"token=abcdefgh" in studio.path.read_bytes()
    with studio.insert(redaction=None) as deck:
        assert deck.get("/a?token=other")[0] == 404


# Arguments

MODES = '"none", "once", "new_episodes", "all", "rewrite", "verify"'


def test_a_file_that_is_no_recording_is_named(studio: Studio) -> None:
    studio.path.parent.mkdir()
    studio.path.write_text("[]")
    with pytest.raises(RecordingError) as caught, studio.insert():
        pass
    assert str(caught.value).startswith(f"recording {str(studio.path)!r}: ")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"mode": "some"},
            f"mode is one of {MODES}, not 'some'",
        ),
        ({"reuse": "twice"}, 'reuse is one of "once", "repeat_last", "cycle", not \'twice\''),
        ({"pace": "slow"}, 'pace is one of "causal", "timed", "fast", not \'slow\''),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    tmp_path: Path, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cassette(tmp_path / "x.har", **options)
    assert str(caught.value) == text


def test_its_repr_tells_the_mode_and_the_size(studio: Studio) -> None:
    studio.record("/a")
    assert repr(Cassette(studio.path)) == f"<Cassette {studio.path} none, 1 entry>"


# Recordings of other tools

FOREIGN = sorted((Path(__file__).parents[2] / "fixtures" / "har").rglob("*.har"))


@pytest.mark.parametrize("path", FOREIGN, ids=[path.stem for path in FOREIGN])
def test_what_another_tool_has_recorded_is_played(path: Path) -> None:
    with Cassette(path) as cassette, HTTPServer(("127.0.0.1", 0)) as server:
        server.fallback = cassette
        for entry in cassette.entries:
            if not entry.is_websocket:
                play_request(server, entry)
        assert all(entry.is_websocket for entry in cassette.unused())


def play_request(server: HTTPServer, entry: har.Entry) -> None:
    request = entry.request
    fields = {"Content-Type": request.content_type} if request.body else {}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=T)
    connection.request(request.method, request.target, request.body or None, fields)
    response = connection.getresponse()
    assert (response.status, response.read()) == (entry.response.status, entry.response.body)
    connection.close()


@pytest.mark.parametrize("path", FOREIGN, ids=[path.stem for path in FOREIGN])
def test_a_websocket_that_another_tool_has_recorded_is_played(path: Path) -> None:
    with Cassette(path) as cassette, HTTPServer(("127.0.0.1", 0)) as server:
        server.fallback = cassette
        for entry in cassette.entries:
            if entry.frames is not None:
                url = server.ws_url_for(entry.request.path)
                options: Any = {"open_timeout": T, "close_timeout": T}
                with websockets.sync.client.connect(url, **options) as peer:
                    for message in join_frames(entry.frames):
                        play_message(peer, message)
        assert cassette.problems() == []


def play_message(peer: Any, message: Any) -> None:
    data = message.data.decode() if message.opcode == 1 else message.data
    if message.opcode < 8 and message.direction == "send":
        peer.send(data)
    elif message.opcode < 8:
        assert peer.recv(T) == data


def digest(place: str, name: str, value: str) -> str | None:
    return hashlib.sha256(value.encode()).hexdigest() if name in ("user", "X-User") else None


def test_a_function_that_makes_digests_sees_each_value_once(studio: Studio) -> None:
    redaction = Redaction(functions=[digest])
    once = digest("query", "user", "ada")
    studio.open_upstream(lambda _: Response("hello", 200, {"X-User": "ada"}))
    studio.record("/a?user=ada", redaction=redaction)
    studio.record("/b?user=ada", mode="new_episodes", redaction=redaction)
    for entry in studio.load().entries:
        assert entry.request.url.endswith(f"?user={once}")
        assert entry.response.fields.text(b"x-user", "") == once
    with studio.insert("verify", redaction=redaction) as deck:
        assert deck.ask("GET", "/a?user=ada")[0] == 200
        assert deck.cassette.verify() == []
    studio.close_upstream()
    with studio.insert(redaction=redaction) as deck:
        assert deck.ask("GET", "/a?user=ada")[0] == 200
        assert deck.ask("GET", "/b?user=ada")[0] == 200


def test_functions_see_what_another_tool_has_written(studio: Studio) -> None:
    redaction = Redaction(functions=[digest])
    studio.record("/a?user=ada", redaction=None)
    document = json.loads(studio.path.read_bytes())
    document["log"]["creator"]["name"] = "another"
    studio.path.write_text(json.dumps(document), encoding="utf-8")
    with studio.insert("new_episodes", redaction=redaction) as deck:
        assert deck.ask("GET", "/a?user=ada")[0] == 200
        assert deck.ask("GET", "/b")[0] == 200
    once = digest("query", "user", "ada")
    played, fresh = studio.load().entries
    assert played.request.url.endswith(f"/a?user={once}")
    assert fresh.request.url.endswith("/b")


def test_a_secret_of_a_new_recording_is_taken_out_of_the_old_ones(studio: Studio) -> None:
    studio.record("/a/tok3n-abcdef")
    studio.record("/b?token=tok3n-abcdef", mode="new_episodes")
    assert b"tok3n-abcdef" not in studio.path.read_bytes()


def test_codings_that_are_not_asked_for_are_not_compared(studio: Studio) -> None:
    asking: dict[str, Any] = {"match_on": ["method", "path", "header:Accept-Encoding"]}
    ask = ("GET", "/a", b"", {"Accept-Encoding": "br, gzip"})
    studio.record(ask, **asking)
    studio.close_upstream()
    with studio.insert(**asking) as deck:
        assert deck.ask(*ask)[0] == 200


def test_pieces_of_a_stream_beyond_the_bound_are_counted(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.proxy.passage.KEPT_PIECES", 2)
    gates = [threading.Event() for _ in range(5)]

    def stream() -> Iterator[bytes]:
        for number, gate in enumerate(gates):
            yield b"data: %d\n\n" % number
            assert gate.wait(T)

    studio.open_upstream(lambda _: Response(stream(), 200, {"Content-Type": "text/event-stream"}))
    with studio.insert("once") as deck, contextlib.closing(deck.connect()) as client:
        client.request("GET", "/a")
        response = client.getresponse()
        for number, gate in enumerate(gates):
            assert response.readline() == b"data: %d\n" % number
            response.readline()
            gate.set()
        response.read()
    [entry] = studio.load().entries
    assert len(entry.response.marks) == 2
    told = "3 further pieces of streams are joined to the last that is told apart"
    assert deck.cassette.explain_not_recorded() == told


def test_secrets_beyond_the_bound_are_told(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.record.sensitive._MAX_LEARNED", 1)
    studio.open_upstream()
    with studio.insert("once") as deck:
        deck.ask("GET", "/a?token=tok3n-abcdef")
        deck.ask("GET", "/a?token=tok3n-ghijkl")
    told = "2 finds of secrets beyond the bound are not searched in other places"
    assert deck.cassette.explain_not_recorded() == told
