"""Each fixture in use: a server per test, certificates, clients, trust."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_each_test_has_a_server_with_tls_of_its_own(run_tests: RunTests) -> None:
    result = run_tests(
        """
        seen = []

        @pytest.mark.parametrize("number", range(3))
        def test_server(kit_server, number):
            assert kit_server.is_running
            assert kit_server.url == f"https://127.0.0.1:{kit_server.port}"
            assert kit_server.routes() == []
            assert not kit_server.journal
            assert not any(server.is_running for server in seen)
            assert kit_server not in seen
            seen.append(kit_server)
        """
    )
    result.assert_outcomes(passed=3)


def test_the_threads_are_kept_from_test_to_test_and_end_with_the_session(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import threading

        def pytest_unconfigure():
            left = [thread.name for thread in threading.enumerate()]
            print("left:", *left)
        """
    )
    result = run_tests(
        """
        import threading

        kept = []

        def test_first(kit_server):
            kept.extend(threading.enumerate())
            assert len(kept) > 1

        def test_without():
            assert threading.enumerate() == kept

        def test_second(kit_server_factory):
            kit_server_factory(tls=False)
            assert threading.enumerate() == kept
        """,
        "-s",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["left: MainThread"])


def test_a_factory_starts_as_many_servers_as_a_test_likes(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import socket, ssl

        class Names(kit.Resource):
            @kit.get("/name")
            def name(self, request):
                return kit.Response(request.scheme)

        def read(url, context=None):
            with urllib.request.urlopen(url, context=context, timeout=20) as response:
                return response.read().decode()

        def test_plain_and_tls_at_once(kit_server, kit_server_factory, kit_ca):
            plain, other = kit_server_factory(Names(), tls=False), kit_server_factory(Names())
            context = kit_ca.client_context()
            assert len({kit_server.port, plain.port, other.port}) == 3
            assert read(plain.url_for("/name")) == "http"
            assert read(other.url_for("/name"), context) == "https"
            assert [len(server.journal) for server in (kit_server, plain, other)] == [0, 1, 1]

        def test_several_routes(kit_server_factory):
            extra = [("GET", "/extra", lambda request: kit.Response("extra"))]
            server = kit_server_factory(Names(), extra, tls=False)
            assert read(server.url_for("/name")) + read(server.url_for("/extra")) == "httpextra"

        @pytest.mark.parametrize("host", ["localhost", "0.0.0.0", ""])
        def test_the_certificate_is_good_for_the_host(kit_server_factory, kit_ca, host):
            server = kit_server_factory(Names(), host=host)
            assert read(server.url_for("/name"), kit_ca.client_context()) == "https"

        def test_the_certificate_is_good_for_an_unusual_host(kit_server_factory, kit_ca):
            try:
                server = kit_server_factory(Names(), host="127.0.0.2")
            except kit.AddressError:
                pytest.skip("this machine has no 127.0.0.2")
            assert read(server.url_for("/name"), kit_ca.client_context()) == "https"

        def test_the_limits_are_taken(kit_server_factory):
            limits = kit.Limits(target_bytes=100)
            server = kit_server_factory(Names(), tls=False, limits=limits)
            with pytest.raises(urllib.error.HTTPError, match="414"):
                read(server.url_for("/name?" + 200 * "x"))

        def test_the_same_routes_on_two_servers(kit_server_factory):
            names = Names()
            servers = [kit_server_factory(names, tls=False) for _ in range(2)]
            assert [read(server.url_for("/name")) for server in servers] == ["http", "http"]

        def test_a_host_that_is_not_there(kit_server_factory):
            with pytest.raises(kit.AddressError, match="192.0.2.1"):
                kit_server_factory(host="192.0.2.1", tls=False)

        def test_a_factory_is_of_a_type_that_can_be_named(kit_server_factory):
            import pytest_plugin

            assert isinstance(kit_server_factory, pytest_plugin.ServerFactory)
        """,
        "-W",
        "error",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] + outcomes.get("skipped", 0) == 10
    assert outcomes.keys() <= {"passed", "skipped"}


def test_a_client_trusts_the_server_and_is_stopped_before_it(run_tests: RunTests) -> None:
    result = run_tests(
        """
        clients = []

        def test_client(kit_server, kit_client):
            kit_server.registerRoutes([("GET", "/", lambda request: kit.JsonResponse([1]))])
            got = []
            handle = kit_client.get("/", callback=got.append)
            assert handle.wait(20).payload == [1]
            assert got == []
            kit_client.update()
            assert [response.payload for response in got] == [[1]]
            clients.append(kit_client)

        def test_that_one_is_stopped(kit_client):
            assert kit_client is not clients[0]
            with pytest.raises(kit.StateError, match="stopped"):
                clients[0].get("/")

        def test_what_is_pending_is_cancelled(kit_server, kit_client):
            import threading
            began, end = threading.Event(), threading.Event()
            def slow(request):
                began.set()
                end.wait(20)
                return kit.Response("late")
            kit_server.registerRoutes([("GET", "/", slow)])
            kit_client.get("/", callback=lambda response: pytest.fail("called"))
            assert began.wait(20)
            threading.Timer(0.1, end.set).start()
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=3)


def test_a_project_puts_its_own_server_in_place(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import kit, pytest

        @pytest.fixture
        def kit_server(kit_server_factory):
            routes = [("GET", "/", lambda request: kit.Response(request.scheme))]
            return kit_server_factory(routes, tls=False, host="localhost")
        """
    )
    result = run_tests(
        """
        def test_client(kit_client):
            assert kit_client.get("/").wait(20).text() == "http"
        """
    )
    result.assert_outcomes(passed=1)


TRUST = """
import os, subprocess, sys

@pytest.fixture
def url(kit_server):
    kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("hello"))])
    return kit_server.url
"""


def test_libraries_trust_the_server_by_the_environment(run_tests: RunTests) -> None:
    result = run_tests(
        TRUST
        + """
        import httpx, requests, urllib3

        names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]
        before = {name: os.environ.get(name) for name in names}

        def test_nobody_else_trusts_it(url):
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                urllib.request.urlopen(url, timeout=20)
            with pytest.raises(requests.exceptions.SSLError):
                requests.get(url, timeout=20)

        def test_urllib(url, kit_trust):
            with urllib.request.urlopen(url, timeout=20) as response:
                assert response.read() == b"hello"

        def test_requests(url, kit_trust):
            assert requests.get(url, timeout=20).text == "hello"

        def test_httpx(url, kit_trust):
            assert httpx.get(url, timeout=20).text == "hello"

        def test_urllib3_is_told_the_path(url, kit_trust):
            with urllib3.PoolManager(ca_certs=str(kit_trust)) as pool:
                assert pool.request("GET", url).data == b"hello"

        def test_node_is_told_the_path(kit_trust):
            assert os.environ["NODE_EXTRA_CA_CERTS"] == str(kit_trust)

        def test_the_environment_is_as_before():
            assert {name: os.environ.get(name) for name in before} == before
        """.replace("\n        ", "\n")
    )
    result.assert_outcomes(passed=7)


def test_a_child_process_trusts_the_server_by_the_environment(run_tests: RunTests) -> None:
    result = run_tests(
        TRUST
        + """
        def run(*command):
            return subprocess.run(command, capture_output=True, text=True, timeout=60)

        def test_python(url, kit_trust):
            code = f"import urllib.request as u; print(u.urlopen({url!r}).read())"
            assert run(sys.executable, "-c", code).stdout.strip() == "b'hello'"

        @pytest.mark.skipif(os.system("curl --version >/dev/null 2>&1") != 0, reason="no curl")
        def test_curl(url, kit_trust):
            ran = run("curl", "--silent", "--show-error", "--noproxy", "*", url)
            assert (ran.stdout, ran.stderr) == ("hello", "")

        @pytest.mark.skipif(os.system("curl --version >/dev/null 2>&1") != 0, reason="no curl")
        def test_curl_without_trust(url):
            assert run("curl", "--silent", "--noproxy", "*", url).returncode == 60
        """.replace("\n        ", "\n")
    )
    if shutil.which("curl"):
        result.assert_outcomes(passed=3)
    else:
        result.assert_outcomes(passed=1, skipped=2)
