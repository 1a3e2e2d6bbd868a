"""The Autobahn test suite, installed into a Python 2.7 of its own and run from there."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autobahn.suite_program import PROGRAM
from support.deadlines import scaled

# The accelerator masks in C what takes the suite most of its time in Python.
REQUIREMENTS = ("autobahntestsuite==25.10.1", "wsaccel==0.6.3")
PYTHON_VARIABLE = "KIT_AUTOBAHN_PYTHON"
START_S = 30.0
STOP_S = 10.0
RUN_S = 4 * 3600.0

_PYTHONS = ("python2.7", "python2", "pypy", "pypy2")


class SuiteError(Exception):
    """The suite cannot be installed or run here."""


def find_python() -> str:
    """Return the path of a Python 2.7.

    Raises:
        SuiteError: there is none.
    """
    candidates = [
        os.environ.get(PYTHON_VARIABLE),
        *(shutil.which(name) for name in _PYTHONS),
        *sorted(glob.glob(str(Path.home() / ".pyenv/versions/2.7*/bin/python"))),  # noqa: PTH207
    ]
    for candidate in candidates:
        if candidate and _is_python27(candidate):
            return candidate
    raise SuiteError(
        f"no Python 2.7 was found, which the Autobahn test suite needs: set {PYTHON_VARIABLE} "
        "to the path of one"
    )


def _is_python27(path: str) -> bool:
    program = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    try:
        return (
            subprocess.run([path, "-c", program], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def install(home: Path) -> Path:
    """Install the suite into `home`, unless it is there, and return the path of `wstest`.

    Raises:
        SuiteError: there is no Python 2.7, or the installation fails.
    """
    wstest = home / "bin" / "wstest"
    if not wstest.exists():
        _run([sys.executable, "-m", "virtualenv", "-q", "-p", find_python(), str(home)])
        _run([str(home / "bin" / "python"), "-m", "pip", "install", "-q", *REQUIREMENTS])
    return wstest


def _run(command: Sequence[str]) -> None:
    # The suite's interpreter must not look for its modules where this one does.
    done = subprocess.run(
        command, env=_clean_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SuiteError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def fuzz_servers(
    wstest: Path, directory: Path, servers: Mapping[str, str], cases: Sequence[str]
) -> dict[str, Any]:
    """Run the cases against servers, agent to URL; return the suite's index of results.

    Raises:
        SuiteError: the suite fails, or writes no results.
    """
    spec = {
        "outdir": str(directory),
        "servers": [{"agent": agent, "url": url} for agent, url in servers.items()],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    command = _command(wstest, "fuzzingclient", directory, spec)
    with (directory / "fuzzingclient.log").open("wb") as log:
        subprocess.run(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_clean_environment(),
            timeout=scaled(RUN_S),
            check=False,
        )
    return read_index(directory)


@contextlib.contextmanager
def fuzzing_server(
    wstest: Path, directory: Path, cases: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """Run a server that plays the cases to its clients; the value is its address.

    Raises:
        SuiteError: it does not start.
    """
    address = "127.0.0.1", _find_free_port()
    spec = {
        "url": f"ws://{address[0]}:{address[1]}",
        "outdir": str(directory),
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    command = [*_command(wstest, "fuzzingserver", directory, spec), "-u", "0"]
    with (
        (directory / "fuzzingserver.log").open("wb") as log,
        subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=_clean_environment()
        ) as process,
    ):
        try:
            _await_listening(process, address)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(scaled(STOP_S))
            except subprocess.TimeoutExpired:
                process.kill()


def read_index(directory: Path) -> dict[str, Any]:
    """Return the index that the suite wrote: agent, then case, to its behaviour.

    Raises:
        SuiteError: there is none.
    """
    try:
        found: dict[str, Any] = json.loads((directory / "index.json").read_bytes())
    except OSError as error:
        raise SuiteError(f"the suite wrote no results, see the logs in {directory}") from error
    return found


def _command(wstest: Path, mode: str, directory: Path, spec: object) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{mode}.json"
    path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
    python = wstest.with_name("python")
    return [str(python), "-c", PROGRAM, "-m", mode, "-s", str(path)]


def _find_free_port() -> int:
    # The suite cannot be told to take a free port itself.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_listening(process: subprocess.Popen[bytes], address: tuple[str, int]) -> None:
    pause = threading.Event()
    for _ in range(int(scaled(START_S) * 10)):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            pause.wait(0.1)  # a foreign process tells nobody that it listens
        else:
            return
    raise SuiteError(f"the fuzzing server does not listen on {address[0]}:{address[1]}")
