from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from support import deadlines, leaks
from support.deadlines import scaled
from support.interrupts import hearing_interrupts

NO_GRACE_S = 0.0

needs_proc = pytest.mark.skipif(
    not leaks.take_snapshot().descriptors, reason="this platform has no /proc/self/fd to read"
)


@pytest.mark.parametrize(("factor", "expected"), [("1", 2.0), ("2.5", 5.0), ("0.5", 1.0)])
def test_a_deadline_is_scaled_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, factor: str, expected: float
) -> None:
    monkeypatch.setenv(deadlines.FACTOR_VARIABLE, factor)
    assert deadlines.scaled(2.0) == expected


def test_a_deadline_is_as_given_without_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(deadlines.FACTOR_VARIABLE, raising=False)
    assert deadlines.scaled(2.0) == 2.0


def test_a_running_thread_is_found_with_its_name_and_place() -> None:
    before = leaks.take_snapshot()
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name="stray", daemon=True)
    thread.start()
    try:
        found = leaks.find_leaks(before, NO_GRACE_S)
    finally:
        gate.set()
        thread.join()
    assert len(found) == 1
    assert found[0].startswith("thread 'stray' (daemon), in wait (")
    assert "threading.py:" in found[0]


def test_a_thread_that_is_just_ending_is_waited_for() -> None:
    before = leaks.take_snapshot()
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    opener = threading.Timer(0.05, gate.set)
    opener.start()
    assert leaks.find_leaks(before) == []


@pytest.mark.parametrize("name", ["asyncio_0", "execnet-worker", "pytest_timeout x"])
def test_a_thread_of_the_tools_is_no_leak(name: str) -> None:
    before = leaks.take_snapshot()
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name=name)
    thread.start()
    try:
        assert leaks.find_leaks(before, NO_GRACE_S) == []
    finally:
        gate.set()
        thread.join()


@needs_proc
def test_an_open_socket_is_found_with_its_ends() -> None:
    before = leaks.take_snapshot()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = leaks.find_leaks(before, NO_GRACE_S)
        port = listener.getsockname()[1]
        number = listener.fileno()
    assert len(found) == 1
    assert found[0].startswith(f"descriptor {number}: socket:[")
    assert found[0].endswith(f"('127.0.0.1', {port}) -> nobody")


@needs_proc
def test_an_open_file_is_found_with_its_path(tmp_path: Path) -> None:
    before = leaks.take_snapshot()
    path = tmp_path / "left.txt"
    with path.open("w") as file:
        found = leaks.find_leaks(before, NO_GRACE_S)
        number = file.fileno()
    assert found == [f"descriptor {number}: {path}"]


@needs_proc
def test_a_descriptor_number_used_again_for_something_else_is_found(tmp_path: Path) -> None:
    with socket.socket() as sock:
        before = leaks.take_snapshot()
        number = sock.fileno()
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        assert file.fileno() == number
        found = leaks.find_leaks(before, NO_GRACE_S)
    assert len(found) == 1
    assert found[0].startswith(f"descriptor {number}: {tmp_path}")


def test_a_closed_socket_and_a_joined_thread_are_no_leak() -> None:
    before = leaks.take_snapshot()
    with socket.socket():
        thread = threading.Thread(target=threading.Event)
        thread.start()
    thread.join()
    assert leaks.find_leaks(before, NO_GRACE_S) == []


@pytest.fixture
def watched(pytester: pytest.Pytester) -> pytest.Pytester:
    """A directory whose tests are watched as these are."""
    tests = Path(__file__).parent
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\npythonpath = ['{tests.as_posix()}']\n")
    pytester.makeconftest((tests / "conftest.py").read_text(encoding="utf-8"))
    return pytester


def run_watched(watched: pytest.Pytester, source: str) -> pytest.RunResult:
    watched.makepyfile(source)
    return watched.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", "--color=no")


def test_a_test_that_leaks_a_thread_fails_and_the_next_one_passes(
    watched: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(deadlines.FACTOR_VARIABLE, "0.05")
    result = run_watched(
        watched,
        """
        import threading

        def test_leaks():
            threading.Thread(target=threading.Event().wait, name="stray", daemon=True).start()

        def test_is_clean():
            pass
        """,
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_leaks*",
            "the test left 1 thing(s) behind; stop or close them before it ends:",
            "  thread 'stray' (daemon), in wait (*threading.py:*)",
        ]
    )


@needs_proc
def test_a_test_that_leaks_a_socket_fails(
    watched: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(deadlines.FACTOR_VARIABLE, "0.05")
    result = run_watched(
        watched,
        """
        import socket

        kept = []

        def test_leaks():
            kept.append(socket.create_server(("127.0.0.1", 0)))
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["  descriptor *: socket:* ('127.0.0.1', *) -> nobody"])


def test_what_wider_fixtures_hold_is_no_leak(
    watched: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(deadlines.FACTOR_VARIABLE, "0.05")
    result = run_watched(
        watched,
        """
        import socket, threading, pytest

        @pytest.fixture(scope="module")
        def held():
            gate = threading.Event()
            thread = threading.Thread(target=gate.wait)
            thread.start()
            with socket.socket() as sock:
                yield sock
            gate.set()
            thread.join()

        def test_first(held): pass

        def test_second(held): pass
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not sent SIGINT there")
@pytest.mark.parametrize("ignored", [True, False])
def test_a_child_hears_ctrl_c_also_where_its_parent_does_not(ignored: bool) -> None:
    before = signal.getsignal(signal.SIGINT)
    handler = signal.SIG_IGN if ignored else signal.default_int_handler
    ask = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    signal.signal(signal.SIGINT, handler)
    try:
        with hearing_interrupts():
            told = subprocess.check_output([sys.executable, "-c", ask], timeout=scaled(30))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert told.strip() == b"True"
