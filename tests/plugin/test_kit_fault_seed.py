"""The run's seed: told in the header, given back, the same in any order and on any worker."""

from __future__ import annotations

import re
import sys

import pytest

from support.deadlines import scaled

SOURCE = """
import kit, pytest

def told(server):
    rule = server.fault(kit.faults.EmptyReply(), share=0.5)
    return [server.faults.choose("GET", "/") is not None for _ in range(24)]

@pytest.mark.parametrize("number", range(4))
def test_some_are_chosen(kit_server, record_property, number):
    print("chosen", number, "".join("01"[each] for each in told(kit_server)))

def test_a_client_chooses_too(kit_server, kit_client):
    assert kit_client.fault_seed == kit_server.fault_seed
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_inner=SOURCE)
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "pytest_plugin.plugin", "-rP"),
        *arguments,
        timeout=scaled(60),
    )
    result.assert_outcomes(passed=5)
    return result.stdout.str()


def find_seed(text: str) -> str:
    found = re.search("^kit fault seed: ([0-9]+)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def find_chosen(text: str) -> list[str]:
    return sorted(re.findall("^chosen .*$", text, re.MULTILINE))


def test_the_header_tells_a_seed_that_gives_the_same_choices_again(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(pytester, monkeypatch)
    seed = find_seed(first)
    again = run(pytester, monkeypatch, f"--kit-fault-seed={seed}")
    other = run(pytester, monkeypatch, f"--kit-fault-seed={int(seed) + 1}")

    assert find_seed(again) == seed
    assert find_chosen(again) == find_chosen(first)
    assert find_chosen(other) != find_chosen(first)
    assert len({line.split()[2] for line in find_chosen(first)}) == 4


@pytest.mark.parametrize(
    "arguments",
    [("-n", "2"), ("-d", "--tx", f"2*popen//python={sys.executable}")],
    ids=["workers", "gateways"],
)
def test_workers_choose_as_one_process_does(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    alone = run(pytester, monkeypatch, "--kit-fault-seed=7")
    shared = run(pytester, monkeypatch, "--kit-fault-seed=7", "-p", "xdist", *arguments)

    assert find_chosen(shared) == find_chosen(alone)


def test_workers_are_told_a_seed_that_was_drawn(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = run(pytester, monkeypatch, "-p", "xdist", "-n", "2")
    alone = run(pytester, monkeypatch, f"--kit-fault-seed={find_seed(shared)}")

    assert find_chosen(shared) == find_chosen(alone)


def test_the_seed_may_stand_in_the_ini_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nkit_fault_seed = 11")

    assert find_seed(run(pytester, monkeypatch)) == "11"
    assert find_seed(run(pytester, monkeypatch, "--kit-fault-seed=12")) == "12"


def test_a_seed_that_is_no_number_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess(
        "-p", "pytest_plugin.plugin", "--kit-fault-seed=lucky", timeout=scaled(60)
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --kit-fault-seed (ini: kit_fault_seed) is a whole number, 0 or more, not 'lucky'"]
    )
