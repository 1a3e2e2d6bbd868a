"""Starts the programs that are measured, and stops them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Bench, Metrics, NotHere, RunFailed
from bench.results import VALUE

START_S = 20.0
STOP_S = 5.0
RUN_S = 300.0

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server program."""

    port: int
    pid: int


def check_modules(*modules: str) -> None:
    """Ask for what a program imports.

    Raises:
        NotHere: one of them is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise NotHere(f"{module} is not installed")


def python(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program of `bench.peers`."""
    return [sys.executable, "-m", f"bench.peers.{program}", *arguments]


def node(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program of `peers/` with Node.

    Raises:
        NotHere: there is no Node.
    """
    found = shutil.which("node")
    if found is None:
        raise NotHere("node is not installed")
    return [found, str(PEERS / program), *arguments]


def environment(bench: Bench) -> dict[str, str]:
    """Return the environment that all programs get."""
    return {
        **os.environ,
        "NODE_PATH": str(bench.npm_modules or ""),
        "NODE_ENV": "production",
        "PYTHONDONTWRITEBYTECODE": "",
    }


@contextlib.contextmanager
def run_server(bench: Bench, command: list[str]) -> Iterator[Server]:
    """Start a server program, wait until it accepts, and stop it in the end.

    Raises:
        NotHere: it does not start.
    """
    with (
        tempfile.TemporaryFile(dir=bench.directory) as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(bench),
            start_new_session=True,
        ) as process,
    ):
        try:
            port = read_port(process)
            if not (port and is_accepting(process, port)):
                raise NotHere(f"did not start: {read_last_line(errors.fileno())}")
            yield Server(port, process.pid)
        finally:
            stop(process)


def read_port(process: subprocess.Popen[bytes]) -> int:
    """Return the port a server prints first, 0 if it ends or takes too long."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_S):
            return 0
    line = process.stdout.readline().strip()
    return int(line) if line.isdigit() else 0


def is_accepting(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a server accepts connections."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def read_last_line(descriptor: int) -> str:
    """Return the last line a program wrote to its standard error."""
    written = os.pread(descriptor, 1 << 20, 0).decode(errors="replace").strip()
    return written.splitlines()[-1] if written else "it printed no port"


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def run_program(bench: Bench, command: list[str]) -> Metrics:
    """Run a program that prints one JSON object of numbers, among them `value`.

    Raises:
        RunFailed: it failed, or printed something else.
    """
    try:
        done = subprocess.run(
            command,
            env=environment(bench),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunFailed(f"did not end within {RUN_S:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RunFailed(lines[-1] if lines else f"exit {done.returncode}")
    found = {key: float(value) for key, value in json.loads(done.stdout).items()}
    if VALUE not in found:
        raise RunFailed(f"the program gave no {VALUE!r}")
    return found


def read_cpu_s(group: int) -> float:
    """Return the processor time of a server, and of the workers of its that run."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name stands in parentheses, and may hold anything.
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def read_rss_bytes(pid: int) -> int:
    """Return how much memory of a process is resident."""
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
