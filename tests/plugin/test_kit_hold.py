"""`--kit-hold`: the servers of a test that failed stay up until Enter is pressed."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.deadlines import scaled
from support.interrupts import hearing_interrupts

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

RunTests = Callable[..., pytest.RunResult]

FAILING = """
import kit, pytest, urllib.request

def hello(request):
    return kit.Response(f"hello {request.matches['name']}")

@pytest.fixture
def server(kit_server_factory):
    server = kit_server_factory([("GET", "/hello/:name", hello)], tls=False)
    server.expect("GET", "/stub").optional().respond("stub")
    return server

def test_that_fails(server):
    with urllib.request.urlopen(server.url_for("/hello/ada")) as response:
        assert response.read() == b"hello bob"

def test_that_passes(server):
    pass
"""


class Terminal:
    """A pytest that believes to be talking to a person."""

    def __init__(self, pytester: pytest.Pytester, *arguments: str) -> None:
        self._controlling, controlled = pty.openpty()
        environment = {
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "",
            "COLUMNS": "300",
            "NO_COLOR": "1",
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        with hearing_interrupts():
            self.process = subprocess.Popen(
                [*command, "-p", "pytest_plugin.plugin", *arguments],
                cwd=pytester.path,
                env=environment,
                stdin=controlled,
                stdout=controlled,
                stderr=controlled,
            )
        os.close(controlled)
        self.text = ""

    def read_until(self, wanted: str) -> str:
        """Read what appears on the screen until a text does."""
        deadline = time.monotonic() + scaled(60)
        while wanted not in self.text:
            assert self._read(deadline), f"{wanted!r} does not appear in {self.text!r}"
        return self.text

    def read_all(self) -> str:
        """Read until the process has ended."""
        deadline = time.monotonic() + scaled(60)
        while self._read(deadline):
            pass
        self.process.wait(scaled(60))
        return self.text

    def type(self, text: str) -> None:
        os.write(self._controlling, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._controlling)

    def _read(self, deadline: float) -> bool:
        remaining_s = deadline - time.monotonic()
        if not select.select([self._controlling], [], [], max(0.0, remaining_s))[0]:
            return False
        try:
            data = os.read(self._controlling, 65536)
        except OSError:  # the other end is closed: Linux says so by EIO
            return False
        self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


Start = Callable[..., Terminal]

PROMPT = "Enter goes on, Ctrl-C ends the run: "


@pytest.fixture
def start(pytester: pytest.Pytester) -> Iterator[Start]:
    started: list[Terminal] = []

    def start_one(source: str, *arguments: str) -> Terminal:
        pytester.makepyfile(test_inner=textwrap.dedent(source))
        started.append(Terminal(pytester, *arguments))
        return started[-1]

    yield start_one
    for terminal in started:
        terminal.close()


def ask(url: str, **options: Any) -> bytes:
    with urllib.request.urlopen(url, timeout=scaled(10), **options) as response:
        body: bytes = response.read()
        return body


def find_url(text: str) -> str:
    found = re.search(r"^(https?://\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


@pytest.mark.parametrize("capture", ["fd", "sys", "no"])
def test_a_failed_tests_server_answers_until_enter_is_pressed(start: Start, capture: str) -> None:
    terminal = start(FAILING, "--kit-hold", f"--capture={capture}")
    told = terminal.read_until(PROMPT)
    url = find_url(told)
    assert ask(f"{url}/hello/eve") == b"hello eve"
    assert ask(f"{url}/stub") == b"stub"
    terminal.type("\n")
    rest = terminal.read_all()
    assert "2 requests came meanwhile" in rest
    assert "1 failed, 1 passed" in rest
    assert rest.count(PROMPT) == 1
    assert terminal.process.returncode == 1


def test_a_test_that_passed_and_must_not_is_held(start: Start) -> None:
    source = f"{FAILING}\ntest_that_passes = pytest.mark.xfail(strict=True)(test_that_passes)\n"
    terminal = start(source, "--kit-hold", "-k", "test_that_passes")
    told = terminal.read_until(PROMPT)
    assert "[XPASS(strict)]" in told
    assert ask(f"{find_url(told)}/hello/eve") == b"hello eve"
    terminal.type("\n")
    assert "1 failed" in terminal.read_all()


def test_routes_stubs_and_the_last_requests_command_are_shown(start: Start) -> None:
    terminal = start(FAILING, "--kit-hold")
    told = terminal.read_until(PROMPT).partition("kit holds test_inner.py::test_that_fails")[2]
    url = find_url(told)
    lines = told.splitlines()
    assert "AssertionError: assert b'hello ada' == b'hello bob'" in told
    at = lines.index(url)
    assert lines[at + 1 : at + 4] == [
        "  GET     /hello/:name  hello",
        "  stub 1: GET /stub (test_inner.py:9)",
        "the last request again:",
    ]
    assert lines[at + 4].startswith(f"curl {url}/hello/ada ")
    terminal.type("\n")
    terminal.read_all()


def test_one_request_is_one_also_where_the_journal_is_full(start: Start) -> None:
    terminal = start(
        FAILING.replace(
            "    return server", "    server.journal._max_exchanges = 1\n    return server"
        ),
        "--kit-hold",
    )
    url = find_url(terminal.read_until(PROMPT))
    assert ask(f"{url}/hello/eve") == b"hello eve"
    terminal.type("\n")
    assert "\n1 request came meanwhile\n" in terminal.read_all()


def test_what_is_too_much_to_show_is_counted(start: Start) -> None:
    terminal = start(
        """
        import kit, urllib.request

        def test_much(kit_plain_server):
            routes = [("GET", f"/{number}", print) for number in range(43)]
            kit_plain_server.registerRoutes(routes)
            for number in range(22):
                kit_plain_server.expect("GET", f"/stub/{number}").optional().respond("x")
            url = kit_plain_server.url_for("/stub/1")
            request = urllib.request.Request(url, headers={"X-Long": "x" * 2000})
            urllib.request.urlopen(request, timeout=20).close()
            assert 1 == 2
        """,
        "--kit-hold",
    )
    told = terminal.read_until(PROMPT)
    assert "\n  and 3 more routes\n" in told
    assert "\n  and 2 more stubs\n" in told
    assert re.search(r"\nthe last request again:\n\(a curl command of 2\d\d\d characters\)\n", told)
    terminal.type("\n")
    terminal.read_all()


def test_with_tls_the_authority_is_written_for_curl(start: Start) -> None:
    trusting = "\n@pytest.fixture(autouse=True)\ndef trusting(kit_trust): pass\n"
    terminal = start(FAILING.replace("tls=False", "tls=True") + trusting, "--kit-hold")
    told = terminal.read_until(PROMPT)
    found = re.search(r"^export KIT_CA=(\S+)$", told, re.MULTILINE)
    assert found is not None
    assert f"curl --cacert {found[1]} https://127.0.0.1:" in told
    import ssl

    context = ssl.create_default_context(cafile=found[1])
    assert ask(f"{find_url(told)}/hello/eve", context=context) == b"hello eve"
    terminal.type("\n")
    terminal.read_all()
    assert not Path(found[1]).exists()


def test_the_end_of_the_input_goes_on_as_well(start: Start) -> None:
    terminal = start(FAILING, "--kit-hold")
    terminal.read_until(PROMPT)
    terminal.type("\x04")
    assert "1 failed, 1 passed" in terminal.read_all()


def test_ctrl_c_ends_the_run_and_the_server(start: Start) -> None:
    terminal = start(FAILING, "--kit-hold")
    url = find_url(terminal.read_until(PROMPT))
    terminal.process.send_signal(signal.SIGINT)
    rest = terminal.read_all()
    assert "KeyboardInterrupt" in rest
    assert "1 failed" in rest
    assert terminal.process.returncode == pytest.ExitCode.INTERRUPTED
    with pytest.raises(OSError, match="refused"):
        ask(f"{url}/hello/eve")


def test_a_fixture_that_fails_holds_the_servers_too(start: Start) -> None:
    terminal = start(
        """
        import kit, pytest

        @pytest.fixture
        def broken(kit_server_factory):
            kit_server_factory(tls=False)
            raise ValueError("no set-up")

        def test_it(broken):
            pass
        """,
        "--kit-hold",
    )
    assert "E       ValueError: no set-up" in terminal.read_until(PROMPT)
    terminal.type("\n")
    assert "0 requests came meanwhile" in terminal.read_all()


def test_a_test_without_servers_holds_nothing(start: Start) -> None:
    terminal = start("def test_it():\n    assert 1 == 2\n", "--kit-hold")
    assert PROMPT not in terminal.read_all()
    assert terminal.process.returncode == 1


def test_without_a_terminal_it_is_refused(run_tests: RunTests) -> None:
    result = run_tests(FAILING, "--kit-hold")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --kit-hold waits for Enter, and standard input is no terminal: leave it out here"]
    )


def test_the_ini_key_holds_where_there_is_a_terminal(
    start: Start, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nkit_hold = true\n")
    terminal = start(FAILING)
    terminal.read_until(PROMPT)
    terminal.type("\n")
    assert "1 failed, 1 passed" in terminal.read_all()


def test_the_ini_key_is_passed_over_without_a_terminal(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nkit_hold = true\n")
    run_tests(FAILING).assert_outcomes(passed=1, failed=1)


def test_with_workers_it_is_refused(run_tests: RunTests) -> None:
    result = run_tests(FAILING, "-p", "xdist", "-n", "1", "--kit-hold")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: --kit-hold waits for Enter, which the workers of pytest-xdist cannot be "
                "given: run with -n 0"
            )
        ]
    )
