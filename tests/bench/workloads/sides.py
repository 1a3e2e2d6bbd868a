"""How the sides of most work loads are opened: a server under load, or a program that ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from bench.harness import Bench, Measure, Metrics, Side
from bench.programs import (
    Server,
    check_modules,
    node,
    python,
    read_cpu_s,
    run_program,
    run_server,
)
from bench.results import OURS, Role

Drive = Callable[[Bench, int], Metrics]
"""Puts load on the server at a port, once."""

CEILING = "ceiling (C)"

MODULES = {
    OURS: ("kit",),
    "aiohttp": ("aiohttp",),
    "granian": ("granian",),
    "mpgameserver": ("mpgameserver",),
    "pytest-httpserver": ("pytest_httpserver",),
    "pytest-httpserver threaded": ("pytest_httpserver",),
    "uvicorn+starlette": ("uvicorn", "starlette"),
    "websockets": ("websockets",),
    "websockets threaded": ("websockets",),
}
"""What a side imports."""

SERVERS = {
    OURS: ("wirekit_server",),
    "aiohttp": ("aiohttp_server",),
    "granian": ("granian_server",),
    "mpgameserver": ("mpgameserver_server",),
    "pytest-httpserver": ("pytest_httpserver_server",),
    "pytest-httpserver threaded": ("pytest_httpserver_server", "--threaded"),
    "uvicorn+starlette": ("starlette_server",),
    "websockets": ("websockets_server",),
    "websockets threaded": ("websockets_server", "--threaded"),
}
"""The program of a side, and its arguments."""


def server_command(bench: Bench, name: str, *, is_tls: bool = False) -> list[str]:
    """Return the command of a side's server.

    Raises:
        NotHere: what it needs is not installed.
    """
    tls = ["--cert", str(bench.cert), "--key", str(bench.key)] if is_tls else []
    if name == CEILING:
        return [str(bench.load), "serve", *tls]
    if name == "node":
        return node("node_server.cjs", *tls)
    if name == "node ws":
        return node("node_server.cjs", "--websocket", *tls)
    check_modules(*MODULES[name])
    program, *arguments = SERVERS[name]
    return python(program, *arguments, *tls)


def role_of(name: str) -> Role:
    """Tell whose side this is."""
    return "ours" if name == OURS else "ceiling" if name == CEILING else "peer"


@contextlib.contextmanager
def start(bench: Bench, name: str, *, is_tls: bool = False) -> Iterator[Server]:
    """Run the server of a side."""
    with run_server(bench, server_command(bench, name, is_tls=is_tls)) as server:
        yield server


def under_load(name: str, drive: Drive, *, is_tls: bool = False) -> Side:
    """Make a side whose server stays, and gets load in each round."""

    @contextlib.contextmanager
    def open_server(bench: Bench) -> Iterator[Measure]:
        with start(bench, name, is_tls=is_tls) as server:
            yield lambda: drive_and_weigh(bench, server, drive)

    return Side(name, role_of(name), open_server)


def drive_and_weigh(bench: Bench, server: Server, drive: Drive) -> Metrics:
    """Put load on a server once; tell also what processor time each exchange took.

    That is steadier than the rate where other programs run besides; the start of the run, when
    the connections are made, is in it.
    """
    before = read_cpu_s(server.pid)
    found = drive(bench, server.port)
    taken = read_cpu_s(server.pid) - before
    return {**found, "cpu_us": taken * 1e6 / found["completed"]}


def all_under_load(names: Sequence[str], drive: Drive, *, is_tls: bool = False) -> tuple[Side, ...]:
    """Make a side for each name, ours first and the ceiling last."""
    return tuple(under_load(name, drive, is_tls=is_tls) for name in (OURS, *names, CEILING))


def program(
    name: str,
    command: Callable[[Bench], list[str]],
    modules: Sequence[str] = (),
    role: Role | None = None,
) -> Side:
    """Make a side that is a program of its own in each round."""

    @contextlib.contextmanager
    def open_program(bench: Bench) -> Iterator[Measure]:
        check_modules(*modules)
        yield lambda: run_program(bench, command(bench))

    return Side(name, role or role_of(name), open_program)
