"""`--kit-host` and the ini key `kit_host`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


SOURCE = """
def test_host(kit_server, kit_plain_server, kit_server_factory):
    servers = [kit_server, kit_plain_server, kit_server_factory(tls=False)]
    print("hosts:", *[server.host for server in servers])
    assert kit_server_factory(tls=False, host="127.0.0.1").host == "127.0.0.1"
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "host"),
    [
        ("", [], "127.0.0.1"),
        ("", ["--kit-host=0.0.0.0"], "0.0.0.0"),
        ("kit_host = 0.0.0.0", [], "0.0.0.0"),
        ("kit_host = 0.0.0.0", ["--kit-host=127.0.0.1"], "127.0.0.1"),
    ],
)
def test_servers_listen_where_it_says(
    run_tests: RunTests, pytester: pytest.Pytester, ini: str, arguments: list[str], host: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run_tests(SOURCE, "-s", *arguments)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*hosts: {host} {host} {host}*"])
