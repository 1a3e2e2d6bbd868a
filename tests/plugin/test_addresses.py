"""IPv4, IPv6, and names of your own."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest

from support.modules import ROOT

RunTests = Callable[..., pytest.RunResult]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def read_example() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Addresses and names\n")[2].partition("\n## ")[0]
    [example] = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return str(example)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_the_readmes_example_passes(run_tests: RunTests) -> None:
    run_tests(read_example()).assert_outcomes(passed=1)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_an_option_moves_all_servers_to_ipv6(run_tests: RunTests) -> None:
    result = run_tests(
        """
        def test_all(kit_server, kit_plain_server, kit_client):
            for server in (kit_server, kit_plain_server):
                assert server.host == "::1"
                assert "://[::1]:" in server.url
                server.registerRoutes([("GET", "/", lambda request: kit.Response("six"))])
            assert kit_client.get("/").wait(60).text() == "six"
            with urllib.request.urlopen(kit_plain_server.url, timeout=60) as response:
                assert response.read() == b"six"
        """,
        "--kit-host=::1",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_certificate_is_good_for_the_usual_names(run_tests: RunTests, name: str) -> None:
    result = run_tests(
        f"""
        def test_name(kit_server, kit_ca):
            kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("a"))])
            url = f"https://{name}:{{kit_server.port}}/"
            context = kit_ca.client_context()
            with urllib.request.urlopen(url, context=context, timeout=60) as response:
                assert response.read() == b"a"
        """
    )
    result.assert_outcomes(passed=1)


def test_another_name_is_not_trusted(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import socket, ssl

        def connect(server, context, name):
            with (
                socket.create_connection(server.addr, 60) as plain,
                context.wrap_socket(plain, server_hostname=name) as client,
            ):
                return client.version()

        def test_names(kit_server_factory, kit_ca):
            context = kit_ca.client_context()
            server = kit_server_factory(hostname=["api.example.com", "*.cdn.example.com"])
            assert connect(server, context, "api.example.com") == "TLSv1.3"
            assert connect(server, context, "a.cdn.example.com") == "TLSv1.3"
            assert connect(server, context, "localhost") == "TLSv1.3"
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                connect(server, context, "www.example.com")
        """
    )
    result.assert_outcomes(passed=1)
