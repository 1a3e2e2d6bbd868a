"""`kit_cassette`, `--kit-record-mode`, `--kit-unused`, and `upstream=` of the factory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from kit import HTTPServer, Request, Response

RunTests = Callable[..., pytest.RunResult]

ASK = """
    def ask(server, path):
        with urllib.request.urlopen(server.url + path, timeout=20) as response:
            return response.read().decode()
"""


class Upstream:
    """A server outside of the inner pytest, which may go away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = "upstream"
        self._server = HTTPServer(("127.0.0.1", 0))
        self._server.registerRoutes([("GET", "/:rest*", self._handle)])

    def _handle(self, request: Request) -> Response:
        self.asked.append(request.target)
        return Response(f"{self.answer} {request.target}")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


def find_files(pytester: pytest.Pytester) -> list[str]:
    return sorted(
        path.relative_to(pytester.path).as_posix() for path in pytester.path.rglob("*.har")
    )


def marked(upstream: Upstream, arguments: str = "", body: str = "") -> str:
    more = f", {arguments}" if arguments else ""
    lines = body or 'assert ask(kit_plain_server, "/a") == "upstream /a"'
    return f"""
        {ASK}
        @pytest.mark.kit_cassette(upstream={upstream.url!r}{more})
        def test_it(kit_plain_server):
            {lines}
        """.replace(f"\n        {ASK}", "\n" + ASK.replace("\n    ", "\n        "))


# Recording and playing


def test_a_recording_is_made_beside_the_test_and_played_without_upstream(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = marked(upstream)
    result = run_tests(source, "--kit-record-mode=once")
    result.assert_outcomes(passed=1)
    assert find_files(pytester) == ["cassettes/test_inner/test_it.har"]
    upstream.stop()
    result = run_tests(source)
    result.assert_outcomes(passed=1)
    assert upstream.asked == ["/a"]


def test_without_an_option_there_is_no_network_and_the_miss_is_told(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    body = """
            try:
                ask(kit_plain_server, "/a")
            except urllib.error.HTTPError as error:
                assert error.code == 404
    """.strip()
    result = run_tests(marked(upstream, body=body))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*1 unmatched: *GET /a*",
            "*no recording answers GET /a in *test_it.har, which does not exist: record it *",
        ]
    )
    assert not upstream.asked
    assert not find_files(pytester)


def test_the_factory_takes_an_upstream_per_server(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = f"""
        def ask(server, path):
            with urllib.request.urlopen(server.url + path, timeout=20) as response:
                return response.read().decode()

        def test_two(kit_server_factory):
            one = kit_server_factory(upstream={upstream.url!r}, tls=False)
            two = kit_server_factory(upstream=kit.Upstream({upstream.url!r} + "/v2"), tls=False)
            bare = kit_server_factory(tls=False)
            assert ask(one, "/a") == "upstream /a"
            assert ask(two, "/b") == "upstream /v2/b"
            assert bare.fallback is None
        """
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    folder = "cassettes/test_inner"
    assert find_files(pytester) == [f"{folder}/test_two-2.har", f"{folder}/test_two.har"]
    upstream.stop()
    run_tests(source).assert_outcomes(passed=1)


def test_each_test_has_a_file_of_its_own(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = f"""
        def ask(server, path):
            with urllib.request.urlopen(server.url + path, timeout=20) as response:
                return response.read().decode()

        pytestmark = pytest.mark.kit_cassette(upstream={upstream.url!r})

        @pytest.mark.parametrize("name", ["a", "../../b", "ä/ö", "a b", "a?b", "x" * 300])
        def test_it(kit_plain_server, name):
            assert ask(kit_plain_server, "/a")

        class TestIt:
            def test_it(self, kit_plain_server):
                assert ask(kit_plain_server, "/a")
        """
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=7)
    files = find_files(pytester)
    assert len(files) == 7
    assert all(Path(name).parent.as_posix() == "cassettes/test_inner" for name in files)
    assert "cassettes/test_inner/TestIt.test_it.har" in files
    upstream.stop()
    run_tests(source).assert_outcomes(passed=7)


def test_a_failed_test_writes_nothing(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    body = 'ask(kit_plain_server, "/a"); assert False'
    result = run_tests(marked(upstream, body=body), "--kit-record-mode=rewrite")
    result.assert_outcomes(failed=1)
    assert upstream.asked == ["/a"]
    assert not find_files(pytester)


def test_websockets_are_recorded_and_played(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    source = """
        import os, websockets.sync.client

        class Chat(kit.Resource):
            @kit.websocket("/ws")
            def chat(self, request, opcode, payload):
                if opcode == kit.WebSocketOpCode.Text:
                    request.send(payload.upper())

        def test_chat(kit_server_factory):
            real = kit_server_factory(Chat, tls=False)
            url = real.url if "RECORD" in os.environ else "http://127.0.0.1:9"
            server = kit_server_factory(upstream=url, tls=False)
            with websockets.sync.client.connect(server.ws_url_for("/ws")) as peer:
                peer.send("hello")
                assert peer.recv(20) == "HELLO"
        """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECORD", "1")
        run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    (name,) = find_files(pytester)
    document = json.loads((pytester.path / name).read_text())
    messages = document["log"]["entries"][0]["_webSocketMessages"]
    assert [(one["type"], one["data"]) for one in messages][:2] == [
        ("send", "hello"),
        ("receive", "HELLO"),
    ]
    run_tests(source).assert_outcomes(passed=1)


# Modes


def test_the_option_goes_before_the_marker_and_that_before_the_ini_file(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    pytester.makeini("[pytest]\nkit_record_mode = rewrite\n")
    run_tests(marked(upstream)).assert_outcomes(passed=1)
    assert upstream.asked == ["/a"]
    run_tests(marked(upstream, "mode='none'")).assert_outcomes(passed=1)
    assert upstream.asked == ["/a"]
    source = marked(upstream, "mode='none'")
    run_tests(source, "--kit-record-mode=all").assert_outcomes(passed=1)
    assert upstream.asked == ["/a", "/a"]


def test_verify_fails_a_test_whose_upstream_answers_otherwise(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    body = 'ask(kit_plain_server, "/a")'
    source = marked(upstream, body=body)
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    run_tests(source, "--kit-record-mode=verify").assert_outcomes(passed=1)
    upstream.answer = "changed"
    (name,) = find_files(pytester)
    before = (pytester.path / name).read_bytes()
    result = run_tests(source, "--kit-record-mode=verify")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "not as recorded:",
            "test_it.har entry 0: GET http://127.0.0.1:*/a is not answered as recorded",
            "  ✗ body: expected 'upstream /a', got 'changed /a'",
        ]
    )
    assert (pytester.path / name).read_bytes() == before


def test_tests_that_share_a_file_add_to_it(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = f"""
        def ask(server, path):
            with urllib.request.urlopen(server.url + path, timeout=20) as response:
                return response.read().decode()

        pytestmark = pytest.mark.kit_cassette("shared.har", upstream={upstream.url!r})

        def test_a(kit_plain_server):
            ask(kit_plain_server, "/a")

        def test_b(kit_plain_server):
            ask(kit_plain_server, "/b")
        """
    for mode in ("once", "rewrite"):
        run_tests(source, f"--kit-record-mode={mode}").assert_outcomes(passed=2)
        assert find_files(pytester) == ["shared.har"]
        entries = json.loads((pytester.path / "shared.har").read_text())["log"]["entries"]
        assert [entry["request"]["url"][-2:] for entry in entries] == ["/a", "/b"]
    result = run_tests(source, "--kit-unused=error")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result = run_tests(source, "-n", "2", "-p", "xdist", "--kit-unused=error")
    result.assert_outcomes(passed=2)
    assert result.ret == 0


# Unused recordings


def _record_two(run_tests: RunTests, upstream: Upstream) -> str:
    both = 'ask(kit_plain_server, "/a"); ask(kit_plain_server, "/b")'
    run_tests(marked(upstream, body=both), "--kit-record-mode=once").assert_outcomes(passed=1)
    return marked(upstream, body='ask(kit_plain_server, "/a")')


UNUSED = [
    "*= kit cassettes =*",
    "cassettes/test_inner/test_it.har has recordings that no test uses:",
    "  entry 1: GET http://127.0.0.1:*/b",
]


def test_unused_recordings_are_told_at_the_end(run_tests: RunTests, upstream: Upstream) -> None:
    source = _record_two(run_tests, upstream)
    result = run_tests(source)
    assert result.ret == 0
    result.stdout.fnmatch_lines(UNUSED)
    result = run_tests(source, "--kit-unused=ignore")
    result.stdout.no_fnmatch_line("*kit cassettes*")


@pytest.mark.parametrize("arguments", [[], ["-n", "2", "-p", "xdist"]])
def test_unused_recordings_can_fail_the_run_also_over_workers(
    run_tests: RunTests, upstream: Upstream, arguments: list[str]
) -> None:
    source = _record_two(run_tests, upstream)
    result = run_tests(source, "--kit-unused=error", *arguments)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([*UNUSED, "FAIL: --kit-unused=error allows no unused recording"])


def test_what_a_failed_test_did_not_use_is_not_told(
    run_tests: RunTests, upstream: Upstream
) -> None:
    _record_two(run_tests, upstream)
    result = run_tests(marked(upstream, body="assert False"), "--kit-unused=error")
    result.stdout.no_fnmatch_line("*kit cassettes*")


def test_an_exchange_that_could_not_be_recorded_is_told(run_tests: RunTests) -> None:
    with Upstream() as gone:
        pass
    body = """
            try:
                ask(kit_plain_server, "/a")
            except urllib.error.HTTPError as error:
                assert error.code == 502
    """.strip()
    result = run_tests(marked(gone, body=body), "--kit-record-mode=once")
    result.assert_outcomes(passed=1)
    line = (
        "test_inner.py::test_it: 1 exchange was not recorded in "
        "cassettes/test_inner/test_it.har, broken or too large"
    )
    result.stdout.fnmatch_lines([line])


# Arguments


WRONG = [
    ("modes='all'", "has no argument 'modes': did you mean mode?"),
    ("mode='some'", "mode must be one of none, once, new_episodes, all, *, not 'some'"),
    ("path=3", "path must be a path, relative to the test's file, not 3"),
    ("reuse='x'", 'reuse is one of "once", "repeat_last", "cycle", not \'x\''),
    ("match_on=['smell']", "match_on takes method, scheme, *, not 'smell'"),
    ("mode='all'", "cassette * in the mode all asks upstream: give upstream=*"),
    ("upstream='nonsense'", "an upstream is told by its base URL, *, not 'nonsense'"),
    ("'a', 'b'", "takes a path, and others by name, not 'a', 'b'"),
]


def test_arguments_that_cannot_be_fail_the_test(run_tests: RunTests) -> None:
    source = "".join(
        f"""
        @pytest.mark.kit_cassette({arguments})
        def test_{number}(kit_plain_server):
            pass
        """
        for number, (arguments, _) in enumerate(WRONG)
    )
    result = run_tests(source)
    result.assert_outcomes(errors=len(WRONG))
    for _, text in WRONG:
        result.stdout.fnmatch_lines([f"*@pytest.mark.kit_cassette*{text}"])


MODES = "none, once, new_episodes, all, rewrite"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (
            "--kit-record-mode=some",
            f"--kit-record-mode (ini: kit_record_mode) is {MODES} or verify, not 'some'",
        ),
        (
            "--kit-unused=some",
            "--kit-unused (ini: kit_unused) is ignore, warn or error, not 'some'",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(run_tests: RunTests, option: str, text: str) -> None:
    result = run_tests("", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {text}"])


def test_a_fixture_gives_the_options_of_every_test(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    pytester.makeconftest(
        f"""
        import pytest

        @pytest.fixture
        def kit_cassette_options():
            return {{"upstream": {upstream.url!r}, "ignore": ["query:ts"], "redact": ["badge"]}}
        """
    )
    source = """
        import time

        def ask(server, path):
            with urllib.request.urlopen(server.url + path, timeout=20) as response:
                return response.read().decode()

        def test_it(kit_plain_server):
            assert ask(kit_plain_server, f"/a?ts={time.time_ns()}&badge={time.time_ns()}")
        """
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    run_tests(source).assert_outcomes(passed=1)
    assert len(upstream.asked) == 1


def test_a_server_of_the_session_has_no_upstream(run_tests: RunTests) -> None:
    source = """
        def test_it(kit_session_server_factory):
            with pytest.raises(kit.ConfigurationError) as caught:
                kit_session_server_factory(upstream="http://127.0.0.1:9")
            assert str(caught.value) == (
                "upstream= is for kit_server_factory: a recording belongs to one test"
            )
        """
    run_tests(source).assert_outcomes(passed=1)


def test_the_header_tells_of_a_mode_that_the_command_line_asks_for(run_tests: RunTests) -> None:
    result = run_tests("def test_it(): pass", "--kit-record-mode=once")
    result.stdout.fnmatch_lines(["kit record mode: once"])
