"""The load generators: our own in C, compiled when the benchmark starts, and wrk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from bench.harness import Bench, Metrics, NotHere, RunFailed
from bench.results import VALUE

HERE = Path(__file__).parent
SOURCE = HERE / "load.c"
POST_SCRIPT = HERE / "post.lua"

TLS = ("-DWITH_TLS",)
TLS_LIBRARIES = ("-lssl", "-lcrypto")

SLACK_S = 30
MOST_FAILURES = 0.01
"""The part of requests that may fail before a run counts for nothing."""

_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


def compile_load(directory: Path) -> tuple[Path, bool]:
    """Compile the generator; tell where it is and whether it can speak TLS.

    Raises:
        NotHere: there is no C compiler, or not on Linux.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotHere("no C compiler: install cc")
    target = directory / "load"
    plain = [compiler, "-O2", "-o", str(target), str(SOURCE)]
    with_tls = [compiler, *TLS, *plain[1:], *TLS_LIBRARIES]
    if subprocess.run(with_tls, capture_output=True, check=False).returncode == 0:
        return target, True
    tried = subprocess.run(plain, capture_output=True, text=True, check=False)
    if tried.returncode:
        raise NotHere(f"the load generator does not compile: {tried.stderr.strip()}")
    return target, False


def run_load(bench: Bench, mode: str, port: int, *options: str) -> Metrics:
    """Run the C generator; `--tls` among the options asks for TLS.

    Returns:
        `value` in completed exchanges per second, with p50_us, p99_us, max_us, completed, seconds.
    """
    if "--tls" in options and not bench.load_has_tls:
        raise NotHere("the load generator has no TLS: install libssl-dev")
    command = [str(bench.load), mode, "127.0.0.1", str(port), *options]
    return parse_load(run_generator(command, bench.seconds))


def parse_load(text: str) -> Metrics:
    """Read what the C generator printed.

    Raises:
        RunFailed: nothing was completed, or too much failed.
    """
    found = {key: float(value) for key, value in json.loads(text).items()}
    check_failures(found["completed"], found["failures"])
    return {VALUE: found["completed"] / found["seconds"], **found}


def check_failures(completed: float, failures: float) -> None:
    """Refuse a run that is not what it seems.

    Raises:
        RunFailed: nothing was completed, or too much failed.
    """
    if not completed:
        raise RunFailed("nothing was completed")
    if failures > completed * MOST_FAILURES:
        raise RunFailed(f"{failures:.0f} failures beside {completed:.0f} completed exchanges")


def run_wrk(bench: Bench, url: str, connections: int, *, body: Path | None = None) -> Metrics:
    """Run wrk with one thread; with a body, it posts that file as JSON.

    Returns:
        `value` in requests per second, with p50_us and p99_us.
    """
    command = [bench.wrk, "-t1", f"-c{connections}", f"-d{max(1, round(bench.seconds))}s"]
    command += ["--latency", "--timeout", "10s"]
    command += ["-s", str(POST_SCRIPT), url, "--", str(body)] if body else [url]
    return parse_wrk(run_generator(command, bench.seconds))


def parse_wrk(text: str) -> Metrics:
    """Read the report that `wrk --latency` prints.

    Raises:
        RunFailed: it holds no figures, nothing was completed, or too much failed.
    """
    total = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE)
    if total is None or rate is None:
        raise RunFailed(f"no report from wrk: {text.strip()!r}")
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    failures = sum(map(int, errors.groups())) if errors else 0
    failures += int(refused[1]) if refused else 0
    completed = int(total[1])
    check_failures(completed, failures)
    return {
        VALUE: float(rate[1]),
        "completed": completed,
        "failures": failures,
        "p50_us": parse_percentile(text, 50),
        "p99_us": parse_percentile(text, 99),
    }


def parse_percentile(text: str, part: int) -> float:
    """Return a percentile of wrk's latency distribution in microseconds.

    Raises:
        RunFailed: it is not there.
    """
    found = re.search(rf"^\s*{part}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    if found is None:
        raise RunFailed(f"no {part}% in the report of wrk")
    return float(found[1]) * _UNITS_US[found[2]]


def run_generator(command: list[str], seconds: float) -> str:
    """Run a generator and return what it prints.

    Raises:
        RunFailed: it failed, or did not end.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + SLACK_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise RunFailed(f"{Path(command[0]).name} did not end") from None
    if done.returncode:
        raise RunFailed(done.stderr.strip() or f"{Path(command[0]).name}: exit {done.returncode}")
    return done.stdout
