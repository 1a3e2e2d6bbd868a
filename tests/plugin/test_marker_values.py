"""Values that an argument of the marker `kit_server`, or of the factory, cannot have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

TRUTH = "must be True or False"
ROUTES = "must be a Resource, its class, or a list of routes"
HOSTNAME = "must be a name, or a list of names"
LINT = "must be a list of missing-host, repeated-host, bare-lf, *, new-connection"
FAULTS = "must be a list of faults, or of (fault, method, pattern)"

WRONG = [
    ("allow_unmatched=1", f"allow_unmatched {TRUTH}, not 1"),
    ("allow_handler_errors='no'", f"allow_handler_errors {TRUTH}, not 'no'"),
    ("allow_malformed=None", f"allow_malformed {TRUTH}, not None"),
    ("allow_unused_stubs=0", f"allow_unused_stubs {TRUTH}, not 0"),
    ("allow_unclean_websockets=[]", f"allow_unclean_websockets {TRUTH}, not [[][]]"),
    ("tls='on'", f"tls {TRUTH}, not 'on'"),
    ("strict=1", f"strict {TRUTH}, not 1"),
    ("verify='off'", f"verify {TRUTH}, not 'off'"),
    ("host=80", "host must be a host's name or address, not 80"),
    ("host=None", "host must be a host's name or address, not None"),
    ("hostname=3", f"hostname {HOSTNAME}, not 3"),
    ("hostname=['a.test', 3]", f"hostname {HOSTNAME}, not [[]'a.test', 3]"),
    ("limits={'target_bytes': 1}", "limits must be a kit.Limits, not {'target_bytes': 1}"),
    ("limits=kit.Limits", "limits must be a kit.Limits, not <class 'kit.limits.Limits'>"),
    ("routes=int", f"routes {ROUTES}, not <class 'int'>"),
    ("routes=[1]", f"routes {ROUTES}, not [[]1]"),
    ("routes=('GET', '/', print)", f"routes {ROUTES}, not ('GET', '/', <built-in function print>)"),
    ("allow_lint='http-1.0'", f"allow_lint {LINT}, not 'http-1.0'"),
    ("allow_lint=['http-2']", f"allow_lint {LINT}, not [[]'http-2']"),
    ("allow_lint=[['http-1.0']]", f"allow_lint {LINT}, not [[][[]'http-1.0']]"),
    ("faults=kit.faults.EmptyReply()", f"faults {FAULTS}, not EmptyReply()"),
    ("faults=['drop']", f"faults {FAULTS}, not [[]'drop']"),
    (
        "faults=[(kit.faults.EmptyReply(), 'GET', '/', 1)]",
        f"faults {FAULTS}, not [[](EmptyReply(), 'GET', '/', 1)]",
    ),
    ("faults=[(kit.faults.EmptyReply(), 5)]", f"faults {FAULTS}, not [[](EmptyReply(), 5)]"),
    (
        "faults=[(kit.faults.EmptyReply(), 'GET', 5)]",
        f"faults {FAULTS}, not [[](EmptyReply(), 'GET', 5)]",
    ),
]
WRONG_IN_THEMSELVES = [
    ("routes=[('GET', 'a', print)]", "E *PatternError: pattern 'a' is wrong at index 0: *"),
    ("hostname='a b'", "E *ConfigurationError: cannot issue a certificate for *'a b'*"),
    ("host='203.0.113.1'", "E *AddressError: cannot listen on 203.0.113.1:0: *"),
    ("faults=[(kit.faults.EmptyReply(), 'GET', 'a')]", "E *PatternError: pattern 'a' is wrong *"),
    (
        "faults=[(kit.faults.EmptyReply(), '/rates')]",
        "E *ConfigurationError: '/rates' is no method but a path, which comes behind it: *",
    ),
    (
        "faults=[(kit.faults.EmptyReply(), 'get')]",
        "E *ConfigurationError: HTTP methods are case-sensitive: write \"GET\", not 'get'",
    ),
]


def write_tests(table: list[tuple[str, str]]) -> str:
    return "".join(
        f"@pytest.mark.kit_server({arguments})\ndef test_{number}(kit_server):\n    pass\n"
        for number, (arguments, _) in enumerate(table)
    )


def test_each_argument_says_what_it_must_be(run_tests: RunTests) -> None:
    result = run_tests(write_tests(WRONG))
    result.assert_outcomes(errors=len(WRONG))
    result.stdout.fnmatch_lines([f"@pytest.mark.kit_server: {text}" for _, text in WRONG])


def test_what_only_a_server_can_judge_is_told_by_it(run_tests: RunTests) -> None:
    result = run_tests(write_tests(WRONG_IN_THEMSELVES))
    result.assert_outcomes(errors=len(WRONG_IN_THEMSELVES))
    result.stdout.fnmatch_lines([text for _, text in WRONG_IN_THEMSELVES])


def test_the_fixture_of_options_is_told_the_same(run_tests: RunTests) -> None:
    result = run_tests(
        """
        @pytest.fixture
        def kit_server_options(request):
            return request.param

        WRONG = [{"tls": 1}, {"verfy": False}, {"routes": [1]}, {"x": 1}]

        @pytest.mark.parametrize("kit_server_options", WRONG, indirect=True)
        def test_fixture(kit_server):
            pass
        """
    )
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            f"kit_server_options: tls {TRUTH}, not 1",
            "kit_server_options has no argument 'verfy': did you mean verify[?]",
            f"kit_server_options: routes {ROUTES}, not [[]1]",
            "kit_server_options has no argument 'x': it takes routes, tls, host, *, verify",
        ]
    )
