"""The fixture `kit_tls_fault`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_plugin.tls_faults import NAMES

RunTests = Callable[..., pytest.RunResult]

SOURCE = """
import ssl, urllib.error

def check(server, timeout=20):
    with pytest.raises(urllib.error.URLError) as caught:
        urllib.request.urlopen(server.url, context=server.client_context(), timeout=timeout)
    reason = caught.value.reason
    assert getattr(reason, "reason", None) == server.fault.reason
    return reason
"""


def test_a_test_runs_once_for_each_fault(run_tests: RunTests) -> None:
    result = run_tests(
        SOURCE
        + """
def test_client(kit_tls_fault):
    check(kit_tls_fault, 20 if kit_tls_fault.fault.reason else 0.2)
""",
        "-v",
        "-W",
        "error",
    )
    result.assert_outcomes(passed=len(NAMES))
    result.stdout.fnmatch_lines([f"*::test_client[[]{name}] PASSED*" for name in NAMES])


def test_a_test_may_choose_faults(run_tests: RunTests) -> None:
    result = run_tests(
        SOURCE
        + """
@pytest.mark.parametrize("kit_tls_fault", ["expired", "wrong-host"], indirect=True)
def test_client(kit_tls_fault, kit_ca):
    assert kit_tls_fault.authority is kit_ca
    assert isinstance(check(kit_tls_fault), ssl.SSLCertVerificationError)
"""
    )
    result.assert_outcomes(passed=2)


def test_a_fault_that_there_is_not_fails_the_test_at_its_setup(run_tests: RunTests) -> None:
    result = run_tests(
        """
        @pytest.mark.parametrize("kit_tls_fault", ["expire"], indirect=True)
        def test_client(kit_tls_fault):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["kit_tls_fault: there is no TLS fault 'expire': expected one of expired, *"]
    )
