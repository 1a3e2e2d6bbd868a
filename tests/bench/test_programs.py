from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from bench.harness import Bench, NotHere, RunFailed
from bench.programs import check_modules, read_cpu_s, read_rss_bytes, run_program, run_server

SERVE = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        directory=tmp_path,
        rounds=1,
        seconds=0.1,
        load=tmp_path,
        load_has_tls=False,
        wrk="",
        npm_modules=None,
        cert=tmp_path,
        key=tmp_path,
        authority=tmp_path,
    )


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_server_runs_until_the_block_ends(bench: Bench) -> None:
    with run_server(bench, python(SERVE)) as server:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('no licence')", "did not start: no licence"),
        ("pass", "did not start: it printed no port"),
        ("print('hello')", "did not start: it printed no port"),
    ],
)
def test_a_server_that_does_not_start_is_not_here(bench: Bench, code: str, reason: str) -> None:
    with pytest.raises(NotHere) as caught, run_server(bench, python(code)):
        pass
    assert str(caught.value) == reason


def test_a_program_tells_its_figures_as_json(bench: Bench) -> None:
    code = 'print(\'{"value": 3, "first_ms": 1.5}\')'
    assert run_program(bench, python(code)) == {"value": 3.0, "first_ms": 1.5}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import os; os._exit(3)", "exit 3"),
        ("print('{}')", "the program gave no 'value'"),
    ],
)
def test_a_program_that_fails_gives_the_reason(bench: Bench, code: str, reason: str) -> None:
    with pytest.raises(RunFailed) as caught:
        run_program(bench, python(code))
    assert str(caught.value) == reason


def test_a_module_that_is_missing_is_named() -> None:
    check_modules("sys", "json")
    with pytest.raises(NotHere) as caught:
        check_modules("json", "no_such_module")
    assert str(caught.value) == "no_such_module is not installed"


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_processor_time_of_a_server_is_read(bench: Bench) -> None:
    work = "import time\nwhile time.process_time() < 0.1: pass\n"
    with run_server(bench, python(work + SERVE)) as server:
        assert read_cpu_s(server.pid) >= 0.05


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_memory_of_a_process_is_read() -> None:
    assert read_rss_bytes(os.getpid()) > 1 << 20
