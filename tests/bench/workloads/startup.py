"""From nothing to the first answer, and what an idle plugin costs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from bench.harness import Bench, Measure, Metrics, RunFailed, Side, Workload
from bench.programs import check_modules, environment, python
from bench.results import OURS, VALUE, Role
from bench.workloads.sides import MODULES, program, role_of

Measurement = Callable[[Bench], Metrics]

SERVERS = (OURS, "pytest-httpserver")
PLUGINS = {OURS: "pytest_plugin.plugin", "pytest-httpserver": "pytest_httpserver.pytest_plugin"}
IMPORTED = {OURS: "pytest_plugin", "pytest-httpserver": "pytest_httpserver.pytest_plugin"}
STARTS = 30
REPEATS = 3
"""Of so many starts the quickest counts: what is slower is the machine's doing."""

IMPORT = """
import sys, time, importlib, pytest
start = time.perf_counter()
importlib.import_module(sys.argv[1])
print((time.perf_counter() - start) * 1e3)
"""


def starting(name: str, *, is_tls: bool) -> Side:
    """Make a side that starts servers one after the other in one process."""

    def command(bench: Bench) -> list[str]:
        tls = ["--cert", str(bench.cert), "--key", str(bench.key)] if is_tls else []
        return python("starting", name, "--times", str(STARTS), *tls)

    return program(name, command, MODULES[name])


def importing(name: str) -> Side:
    """Make a side that imports a plugin in a process that has imported pytest."""

    def measure(bench: Bench) -> Metrics:
        command = [sys.executable, "-c", IMPORT, IMPORTED[name]]
        return {VALUE: min(float(run_quietly(bench, command)) for _ in range(REPEATS))}

    return repeated(name, role_of(name), measure)


def idling(name: str) -> Side:
    """Make a side that runs pytest on no tests, with a plugin that nobody uses or without."""

    def measure(bench: Bench) -> Metrics:
        pairs = [
            (time_pytest_ms(bench, PLUGINS[name]), time_pytest_ms(bench, None))
            for _ in range(REPEATS)
        ]
        with_plugin, without = (min(times) for times in zip(*pairs, strict=True))
        return {VALUE: with_plugin - without, "without_ms": without}

    return repeated(name, role_of(name), measure)


def repeated(name: str, role: Role, measure: Measurement) -> Side:
    """Make a side of a function."""

    @contextlib.contextmanager
    def open_function(bench: Bench) -> Iterator[Measure]:
        check_modules(*MODULES[name])
        yield lambda: measure(bench)

    return Side(name, role, open_function)


def time_pytest_ms(bench: Bench, plugin: str | None) -> float:
    """Return how long pytest takes over a directory without tests."""
    empty = bench.directory / "empty"
    empty.mkdir(exist_ok=True)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(empty), str(empty)]
    options += ["-p", plugin] if plugin else []
    start = time.perf_counter()
    run_quietly(bench, [sys.executable, "-m", "pytest", *options], expected=5)
    return (time.perf_counter() - start) * 1e3


def run_quietly(bench: Bench, command: list[str], expected: int = 0) -> str:
    """Run a command without the plugins that happen to be installed; return what it prints.

    Raises:
        RunFailed: it ends otherwise than expected.
    """
    done = subprocess.run(
        command,
        env={**environment(bench), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=bench.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != expected:
        raise RunFailed(f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def list_workloads() -> list[Workload]:
    """Return this family."""
    starts = [
        Workload(
            f"startup.{'tls' if is_tls else 'plain'}",
            f"server start to first answer, after the first, {'TLS' if is_tls else 'plain'}",
            "ms",
            "lower",
            tuple(starting(name, is_tls=is_tls) for name in SERVERS),
        )
        for is_tls in (False, True)
    ]
    return [
        *starts,
        Workload(
            "startup.import",
            "import of the plugin, where pytest is imported",
            "ms",
            "lower",
            tuple(importing(name) for name in SERVERS),
        ),
        Workload(
            "startup.idle",
            "start of pytest with the plugin idle, over one without",
            "ms",
            "lower",
            tuple(idling(name) for name in SERVERS),
        ),
    ]
