"""The client: GETs from a server that answers with a constant and is not the limit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bench.harness import Bench, Measure, Metrics, Side, Workload
from bench.load import run_load
from bench.programs import check_modules, python, run_program
from bench.results import OURS
from bench.workloads.sides import CEILING, role_of, start, under_load

CLIENTS = (OURS, "urllib3", "httpx", "aiohttp")


def fetching(name: str, in_flight: int, *, is_tls: bool) -> Side:
    """Make a side of a client and a server of its own."""

    @contextlib.contextmanager
    def open_client(bench: Bench) -> Iterator[Measure]:
        check_modules("kit" if name == OURS else name)
        with start(bench, CEILING, is_tls=is_tls) as server:
            url = f"http{'s' * is_tls}://127.0.0.1:{server.port}/users/ada"
            command = python("clients", name, "--url", url, "--in-flight", str(in_flight))
            command += ["--seconds", str(bench.seconds)]
            command += ["--cafile", str(bench.authority)] if is_tls else []
            yield lambda: run_program(bench, command)

    return Side(name, role_of(name), open_client)


def ceiling(in_flight: int, *, is_tls: bool) -> Side:
    """Make a side of the same server and the generator in C, with as many connections."""

    def drive(bench: Bench, port: int) -> Metrics:
        options = ("--connections", str(in_flight), "--seconds", str(bench.seconds))
        return run_load(bench, "http", port, *options, *(("--tls",) if is_tls else ()))

    return under_load(CEILING, drive, is_tls=is_tls)


def list_workloads() -> list[Workload]:
    """Return this family."""
    return [
        Workload(
            f"client.{'tls' if is_tls else 'plain'}.f{count}",
            f"client: GET with {count} in flight, {'TLS' if is_tls else 'plain'}",
            "requests/s",
            "higher",
            (
                *(fetching(name, count, is_tls=is_tls) for name in CLIENTS),
                ceiling(count, is_tls=is_tls),
            ),
            most_rounds=3,
        )
        for is_tls in (False, True)
        for count in (1, 16, 256)
    ]
