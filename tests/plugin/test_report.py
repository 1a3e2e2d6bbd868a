"""What the report of a failed test tells of its exchanges, and what JUnit gets to know."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

RunTests = Callable[..., pytest.RunResult]

SOURCE = """
def hello(request):
    return kit.Response("hello")

ROUTES = [("GET", "/:name", hello)]

def ask(server, path):
    urllib.request.urlopen(server.url_for(path), timeout=20).close()

@pytest.fixture(scope="session")
def shared(kit_session_server_factory):
    return kit_session_server_factory(ROUTES, tls=False)

def test_earlier(shared):
    ask(shared, "/of-another-test")

@pytest.mark.kit_server(routes=ROUTES)
def test_fails(kit_plain_server, shared):
    ask(kit_plain_server, "/first")
    ask(shared, "/second")
    assert 1 + 1 == 3, "own error"

@pytest.mark.kit_server(routes=ROUTES)
def test_many(kit_plain_server):
    for number in range(30):
        ask(kit_plain_server, f"/number-{number}-")
    assert 1 + 1 == 3, "own error"

def test_without_exchanges(kit_plain_server):
    assert 1 + 1 == 3, "own error"

def test_without_a_server():
    pass
"""


def read_properties(pytester: pytest.Pytester) -> dict[str, dict[str, str]]:
    """Return the properties of each test in the JUnit report."""
    cases = ET.parse(pytester.path / "junit.xml").iter("testcase")
    return {
        case.attrib["name"]: {
            one.attrib["name"]: one.attrib["value"] for one in case.iter("property")
        }
        for case in cases
    }


def test_a_failed_test_shows_its_exchanges(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    result = run_tests(SOURCE, "--junit-xml=junit.xml")
    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_fails _*",
            "*- kit exchanges -*",
            "+0.0 ms*opened by 127.0.0.1:*",
            "*GET /first -> 200, route /:name, *ms",
            "    curl *http://127.0.0.1:*/first*",
            "*GET /second -> 200, route /:name, *ms",
            "*_ test_many _*",
            "*- kit exchanges -*",
            "(10 earlier exchanges left out: 10 complete)",
            "*GET /number-10- -> 200*",
            "*GET /number-29- -> 200*",
        ]
    )
    told = result.stdout.str()
    assert "/of-another-test" not in told
    assert "/number-9-" not in told
    assert told.count("kit exchanges") == 2
    properties = read_properties(pytester)
    assert properties["test_fails"] == {
        "kit_exchanges": "2",
        "kit_connections": "2",
        "kit_paths": "/first /second",
    }
    assert properties["test_without_exchanges"]["kit_exchanges"] == "0"
    assert properties["test_without_a_server"] == {}


PHASES = """
def hello(request):
    return kit.Response("hello")

def ask(server, path):
    urllib.request.urlopen(server.url_for(path), timeout=60).close()

@pytest.fixture(scope="session")
def shared(kit_session_server_factory):
    return kit_session_server_factory([("GET", "/:name", hello)], tls=False)

@pytest.fixture
def app(kit_server_factory, shared):
    server = kit_server_factory([("GET", "/:name", hello)], tls=False)
    ask(server, "/setup")
    yield server
    ask(server, "/teardown")
    ask(shared, "/shared-teardown")

@pytest.fixture
def broken(app):
    yield app
    raise OSError("teardown error")

@pytest.fixture
def stuck(app):
    raise OSError("setup error")

def test_passes(app):
    ask(app, "/call")

def test_fails(app):
    ask(app, "/call")
    raise OSError("own error")

def test_is_stuck(stuck):
    pass

def test_skips(app):
    pytest.skip("not today")

def test_breaks(broken):
    pass
"""
FOUND = {
    "test_passes": ("4", "/setup /call /teardown /shared-teardown"),
    "test_fails": ("4", "/setup /call /teardown /shared-teardown"),
    "test_is_stuck": ("3", "/setup /teardown /shared-teardown"),
    "test_skips": ("3", "/setup /teardown /shared-teardown"),
    "test_breaks": ("3", "/setup /teardown /shared-teardown"),
}


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "workers"])
def test_the_numbers_are_of_all_phases(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    result = run_tests(PHASES, "--junit-xml=junit.xml", *arguments)
    result.assert_outcomes(passed=2, failed=1, skipped=1, errors=2)
    properties = read_properties(pytester)
    assert {
        name: (one["kit_exchanges"], one["kit_paths"]) for name, one in properties.items()
    } == FOUND


def test_a_call_and_a_teardown_that_both_fail_have_numbers_each(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    source = PHASES.replace(
        "def test_breaks(broken):\n    pass",
        """def test_breaks(broken):
    raise OSError("own error")""",
    )
    result = run_tests(source, "--junit-xml=junit.xml", "-k", "breaks")
    result.assert_outcomes(failed=1, errors=1)
    text = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    found = re.findall(r'name="kit_paths" value="([^"]*)"', text)
    assert found == ["/setup", "/setup /teardown /shared-teardown"]


def test_the_report_of_a_failed_setup_shows_its_exchanges(run_tests: RunTests) -> None:
    result = run_tests(PHASES, "-k", "stuck")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_is_stuck*",
            "E       OSError: setup error",
            "*- kit exchanges -*",
            "*GET /setup -> 200, route /:name, *ms",
        ]
    )


def test_how_a_connection_has_ended_is_shown_where_it_matters(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import http.client

        @pytest.mark.kit_server(
            routes=[("GET", "/", lambda request: kit.Response("hello"))],
            limits=kit.Limits(idle_s=0.1),
        )
        def test_fails(kit_plain_server):
            connection = http.client.HTTPConnection(*kit_plain_server.addr, timeout=60)
            connection.request("GET", "/")
            connection.getresponse().read()
            assert connection.sock.recv(1) == b""
            connection.close()
            raise OSError("own error")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- kit exchanges -*",
            "*GET / -> 200, route /, *ms",
            "*connection * closed as it was idle for 0.1 s (limit idle_s)",
        ]
    )


def test_the_number_of_exchanges_is_an_option(run_tests: RunTests) -> None:
    result = run_tests(SOURCE, "--kit-show-exchanges=1", "-k", "many")
    result.stdout.fnmatch_lines(["(29 earlier exchanges left out: 29 complete)"])
    result = run_tests(SOURCE, "--kit-show-exchanges=0")
    result.assert_outcomes(failed=3, passed=2)
    result.stdout.no_fnmatch_line("*kit exchanges*")


def test_workers_of_xdist_report_it_too(run_tests: RunTests) -> None:
    result = run_tests(SOURCE, "-n", "1", autoload=True)
    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(["*- kit exchanges -*", "*GET /first -> 200, route /:name, *ms"])


HINT = "(to send these again over TLS: kit_ca.write_pem(path) in the test, KIT_CA=path in the *)"


def test_how_to_trust_the_authority_is_told_where_a_command_needs_it(run_tests: RunTests) -> None:
    result = run_tests(
        """
        def ask(server, **options):
            url = server.url_for("/nope")
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(url, timeout=60, **options)
            assert 0

        def test_tls(kit_server, kit_ca):
            ask(kit_server, context=kit_ca.client_context())

        def test_plain(kit_plain_server):
            ask(kit_plain_server)
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*- kit exchanges -*", HINT, '*curl --cacert "$KIT_CA" https://*'])
    assert str(result.stdout).count("(to send these again over TLS") == 1


def test_paths_that_are_left_out_are_counted(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    run_tests(SOURCE, "-k", "test_many", "--junitxml=junit.xml")
    paths = read_properties(pytester)["test_many"]["kit_paths"]
    assert paths.endswith("/number-19- and 10 more")


UNTRUSTING = """
import http.client, ssl, time

@pytest.fixture(scope="session")
def shared(kit_session_server_factory):
    return kit_session_server_factory(tls=True)

def ask(server, text, context):
    client = http.client.HTTPSConnection(*server.addr, timeout=60, context=context)
    with pytest.raises(OSError, match=text):
        client.request("GET", "/")
    client.close()

def test_own(kit_server):
    ask(kit_server, "CERTIFICATE_VERIFY_FAILED", ssl.create_default_context())
    assert 0

def test_of_the_session(shared):
    ask(shared, "CERTIFICATE_VERIFY_FAILED", ssl.create_default_context())
    assert 0

def test_of_the_session_later(shared):
    assert 0

def test_that_passes(kit_server):
    ask(kit_server, "CERTIFICATE_VERIFY_FAILED", ssl.create_default_context())
"""


def test_a_failed_test_tells_of_handshakes_that_failed(run_tests: RunTests) -> None:
    result = run_tests(UNTRUSTING)
    result.assert_outcomes(passed=1, failed=3)
    told = (
        "https://127.0.0.1:*: TLS handshake failed: 127.0.0.1:*: SSLError: *unknown ca* "
        "(does the client trust kit_ca[?])"
    )
    result.stdout.fnmatch_lines(
        [
            "*_ test_own _*",
            "*- kit exchanges -*",
            told,
            "*_ test_of_the_session _*",
            "*- kit exchanges -*",
            told,
            "*_ test_of_the_session_later _*",
        ]
    )
    assert str(result.stdout).count("TLS handshake failed") == 2
