"""The channel from the workers of pytest-xdist to the controller."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_plugin import workers

RunTests = Callable[..., pytest.RunResult]

CHANNEL = """
import pytest
from pytest_plugin import workers

DATA = {"text": "ä✓", "bytes": b"\\0", "numbers": [1, 2.5, None, True], "pair": (1, 2)}

class Teller:
    def __init__(self, config):
        self.config = config
        self.told = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.told.append((workers.name_worker(node), workers.receive(node, "mine") == DATA))

    def pytest_sessionfinish(self):
        if workers.is_worker(self.config):
            workers.send(self.config, "mine", DATA)

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(f"told: {sorted(self.told)}")

def pytest_configure(config):
    config.pluginmanager.register(Teller(config))
"""


def make_config() -> Any:
    return SimpleNamespace(workeroutput={})


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "xdist", "-n", "2"),
        ("-p", "xdist", "-d", "--tx", f"2*popen//python={sys.executable}"),
    ],
    ids=["workers", "gateways"],
)
def test_each_worker_tells_the_controller(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makeconftest(CHANNEL)
    result = run_tests("def test_one(): pass\ndef test_two(): pass", *arguments)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["told: [[]('gw0', True), ('gw1', True)]"])


def test_without_workers_there_is_none_to_tell(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CHANNEL)
    run_tests("def test_one(): pass").stdout.fnmatch_lines(["told: [[][]]"])


def test_names_do_not_meet_those_of_others() -> None:
    config = make_config()
    workers.send(config, "mine", 1)
    assert config.workeroutput == {"kit_mine": 1}
    assert workers.receive(config, "mine") == 1
    assert workers.receive(config, "other") is None
    assert workers.receive(object(), "mine") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, {2}]}, "mine['a'][1] is a set, which cannot be sent by a worker"),
        ({object: 1}, "a key of mine is a type, which cannot be sent by a worker"),
        (pytest.ExitCode.OK, "mine is a ExitCode, which cannot be sent by a worker"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_its_place(value: object, text: str) -> None:
    config = make_config()
    with pytest.raises(TypeError) as caught:
        workers.send(config, "mine", value)
    assert str(caught.value) == text
    assert config.workeroutput == {}


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_BYTES", 100)
    workers.send(make_config(), "mine", "x" * 92)
    with pytest.raises(ValueError, match="mine") as caught:
        workers.send(make_config(), "mine", ["x" * 92])
    assert str(caught.value) == (
        "'mine' of a worker is about 108 bytes, more than 100: send what fits, and count the rest"
    )
