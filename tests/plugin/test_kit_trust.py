"""`kit_trust`: whoever asks the environment trusts the servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


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
