"""The marker `kit_cassette`, and `upstream=` of the factory."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from support.upstreams import Upstream, find_files, marked

RunTests = Callable[..., pytest.RunResult]


# Recording and playing


def test_a_recording_is_made_beside_the_test_and_played_without_upstream(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = marked(upstream)
    result = run_tests(source, "--kit-record-mode=once")
    result.assert_outcomes(passed=1)
    assert find_files(pytester.path) == ["cassettes/test_inner/test_it.har"]
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
    assert not find_files(pytester.path)


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
    assert find_files(pytester.path) == [f"{folder}/test_two-2.har", f"{folder}/test_two.har"]
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
    files = find_files(pytester.path)
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
    assert not find_files(pytester.path)


def test_a_test_that_passed_and_must_not_writes_nothing(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = marked(upstream).replace(
        "def test_it", "@pytest.mark.xfail(strict=True)\n        def test_it"
    )
    result = run_tests(source, "--kit-record-mode=once")
    result.assert_outcomes(failed=1)
    assert upstream.asked == ["/a"]
    assert not find_files(pytester.path)


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="pytest 9 has subtests")
def test_a_test_of_which_a_part_failed_writes_nothing(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = f"""
        @pytest.mark.kit_cassette(upstream={upstream.url!r})
        def test_it(kit_plain_server, subtests):
            urllib.request.urlopen(kit_plain_server.url + "/a", timeout=20).close()
            with subtests.test("a part"):
                assert 1 == 2
            with subtests.test("another part"):
                assert 1 == 1
        """
    result = run_tests(source, "--kit-record-mode=once")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert upstream.asked == ["/a"]
    assert not find_files(pytester.path)


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
    (name,) = find_files(pytester.path)
    document = json.loads((pytester.path / name).read_text())
    messages = document["log"]["entries"][0]["_webSocketMessages"]
    assert [(one["type"], one["data"]) for one in messages][:2] == [
        ("send", "hello"),
        ("receive", "HELLO"),
    ]
    run_tests(source).assert_outcomes(passed=1)


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
        assert find_files(pytester.path) == ["shared.har"]
        entries = json.loads((pytester.path / "shared.har").read_text())["log"]["entries"]
        assert [entry["request"]["url"][-2:] for entry in entries] == ["/a", "/b"]
    result = run_tests(source, "--kit-unused=error")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result = run_tests(source, "-n", "2", "-p", "xdist", "--kit-unused=error")
    result.assert_outcomes(passed=2)
    assert result.ret == 0


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
        "cassettes/test_inner/test_it.har: 1 had no whole response"
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


OUTER = """
    @pytest.fixture(scope="module")
    def outer():
        yield
        raise ValueError("outer")

    @pytest.fixture
    def inner(kit_plain_server):
        yield
        raise ValueError("inner")

    @pytest.fixture
    def early():
        yield
        raise ValueError("early")
"""


@pytest.mark.parametrize("fixture", ["outer", "early", "inner"])
def test_nothing_is_written_where_the_teardown_of_another_fixture_fails(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, fixture: str
) -> None:
    source = marked(upstream).replace(
        "test_it(kit_plain_server)", f"test_it({fixture}, kit_plain_server)"
    )
    result = run_tests(textwrap.dedent(OUTER) + textwrap.dedent(source), "--kit-record-mode=once")
    result.assert_outcomes(passed=1, errors=1)
    assert find_files(pytester.path) == []


def test_a_recording_that_cannot_be_written_fails_the_teardown(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    pytester.path.joinpath("cassettes").write_text("in the way", encoding="utf-8")
    result = run_tests(marked(upstream), "--kit-record-mode=once")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            "a recording of the test could not be ended:",
            "*/cassettes/test_inner/test_it.har is not written: *Error: *",
        ]
    )


RULE = """
    calls = []

    def digest(place, name, value):
        {rule}

    @pytest.mark.kit_cassette(
        upstream={url!r}, redact=kit.Redaction(functions=[digest], names=["X-Name"])
    )
    def test_it(kit_plain_server):
        urllib.request.urlopen(kit_plain_server.url + "/x", timeout=20).close()
        calls.append(1)
    """


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("return 3 if calls else None", "ConfigurationError: a redaction's function returned int*"),
        ("return {}[name] if calls else None", "KeyError: *"),
        ("return pytest.fail('no rule') if calls else None", "Failed: no rule"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--kit-har=run.har",)], ids=["alone", "har"])
def test_a_rule_that_raises_at_the_end_fails_the_teardown(
    run_tests: RunTests,
    pytester: pytest.Pytester,
    upstream: Upstream,
    rule: str,
    told: str,
    arguments: tuple[str, ...],
) -> None:
    source = RULE.format(rule=rule, url=upstream.url)
    result = run_tests(source, "--kit-record-mode=once", *arguments)
    result.assert_outcomes(passed=1, errors=1)
    where = "*/cassettes/test_inner/test_it.har is not written"
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", f"{where}: {told}"])
    assert find_files(pytester.path) == ([] if not arguments else ["run.har"])
    if arguments:
        log = json.loads(pytester.path.joinpath("run.har").read_bytes())["log"]
        assert (log["entries"], log["_kit"]) == ([], {"dropped": 1})


IGNORING = """
    @pytest.mark.kit_cassette(upstream={url!r}, ignore=["query:nonce", "query:never"])
    def test_it(kit_plain_server):
        url = kit_plain_server.url + "/a?page=1&nonce={nonce}"
        urllib.request.urlopen(url, timeout=20).close()
        {last}
    """


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_what_was_ignored_is_told_where_much_is_to_be_told(
    run_tests: RunTests, upstream: Upstream, workers: tuple[str, ...]
) -> None:
    run_tests(IGNORING.format(url=upstream.url, nonce=1, last=""), "--kit-record-mode=once")
    source = IGNORING.format(url=upstream.url, nonce=2, last="")
    result = run_tests(source, "-v", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*= kit cassettes =*", "cassettes/test_inner/test_it.har: ignored query:nonce"]
    )
    run_tests(source, *workers).stdout.no_fnmatch_line("*kit cassettes*")


def test_what_was_ignored_is_in_the_report_of_a_failed_test(
    run_tests: RunTests, upstream: Upstream
) -> None:
    run_tests(IGNORING.format(url=upstream.url, nonce=1, last=""), "--kit-record-mode=once")
    result = run_tests(IGNORING.format(url=upstream.url, nonce=2, last="assert False"))
    result.stdout.fnmatch_lines(
        ["*- kit cassettes -*", "*/cassettes/test_inner/test_it.har: ignored query:nonce"]
    )
