"""Requests to the server: kept alive, slow, posted, echoed, each on a new connection."""

from __future__ import annotations

import json
from pathlib import Path

from bench.harness import Bench, Metrics, Workload
from bench.load import run_load, run_wrk
from bench.workloads.sides import Drive, all_under_load

PATH = "/users/ada"

ALL = (
    "pytest-httpserver",
    "mpgameserver",
    "aiohttp",
    "uvicorn+starlette",
    "granian",
)
SLOW = ("uvicorn+starlette", "pytest-httpserver threaded")

JSON_BYTES = 1024
ECHO_BYTES = 1 << 20
NEW_CONNECTIONS = 8

UNIT = "requests/s"


def get(connections: int, path: str = PATH) -> Drive:
    """GET on connections that are kept alive, by wrk where it is here."""

    def drive(bench: Bench, port: int) -> Metrics:
        if bench.wrk:
            return run_wrk(bench, f"http://127.0.0.1:{port}{path}", connections)
        return load(bench, port, "--connections", str(connections), "--path", path)

    return drive


def load(bench: Bench, port: int, *options: str) -> Metrics:
    """Put load on a server with the generator in C."""
    return run_load(bench, "http", port, "--seconds", str(bench.seconds), *options)


def post_json(*, is_tls: bool) -> Drive:
    """POST 1 KiB of JSON, by wrk where it is here and TLS is not asked for."""

    def drive(bench: Bench, port: int) -> Metrics:
        body = write_json(bench.directory)
        if bench.wrk and not is_tls:
            return run_wrk(bench, f"http://127.0.0.1:{port}/json", NEW_CONNECTIONS, body=body)
        return load(bench, port, *posting("/json", body), *with_tls(is_tls=is_tls))

    return drive


def echo(*, is_tls: bool) -> Drive:
    """POST 1 MiB and read it back."""

    def drive(bench: Bench, port: int) -> Metrics:
        body = write_blob(bench.directory, ECHO_BYTES)
        return load(bench, port, *posting("/echo", body), *with_tls(is_tls=is_tls))

    return drive


def connect(*, is_tls: bool) -> Drive:
    """GET on a new connection each time."""

    def drive(bench: Bench, port: int) -> Metrics:
        options = ("--close", "--connections", str(NEW_CONNECTIONS), "--path", PATH)
        return load(bench, port, *options, *with_tls(is_tls=is_tls))

    return drive


def posting(path: str, body: Path) -> tuple[str, ...]:
    """Return the generator's options for a POST of a file."""
    kind = "application/json" if body.suffix == ".json" else "application/octet-stream"
    options = ("--method", "POST", "--path", path, "--body-file", str(body), "--type", kind)
    return (*options, "--connections", str(NEW_CONNECTIONS))


def with_tls(*, is_tls: bool) -> tuple[str, ...]:
    """Return the generator's option for TLS, if it is wanted."""
    return ("--tls",) if is_tls else ()


def write_json(directory: Path) -> Path:
    """Write an object of 1 KiB as JSON; return its path."""
    path = directory / "body.json"
    if not path.exists():
        items: dict[str, object] = {
            f"item{number:02d}": [number, number / 4, "text"] for number in range(30)
        }
        text = json.dumps(items)
        items["padding"] = "x" * (JSON_BYTES - len(text) - len(', "padding": ""'))
        path.write_text(json.dumps(items), encoding="ascii")
    return path


def write_blob(directory: Path, size: int) -> Path:
    """Write so many bytes to a file; return its path."""
    path = directory / f"body-{size}.bin"
    if not path.exists():
        path.write_bytes(b"x" * size)
    return path


def list_workloads() -> list[Workload]:
    """Return this family."""
    return [*list_gets(), *list_posts(), *list_new_connections()]


def list_gets() -> list[Workload]:
    """Return the GETs on connections that are kept alive."""
    title = "keep-alive GET with a path parameter"
    found = [
        Workload(
            f"http.get.c{count}",
            f"{title}, {count} connection{'s' * (count > 1)}",
            UNIT,
            "higher",
            all_under_load((*ALL, "node"), get(count)),
        )
        for count in (1, 8, 64)
    ]
    slow = all_under_load(SLOW, get(64, "/slow/ada"))[:-1]
    title = "GET of a handler that sleeps 10 ms, 64 connections (ideal: 6,400)"
    return [*found, Workload("http.slow.c64", title, UNIT, "higher", slow)]


def list_posts() -> list[Workload]:
    """Return the POSTs, plain and with TLS."""
    return [
        Workload(
            f"http.{name}.{'tls' if is_tls else 'plain'}",
            f"{title}, 8 connections, {'TLS' if is_tls else 'plain'}",
            UNIT,
            "higher",
            all_under_load(ALL, drive(is_tls=is_tls), is_tls=is_tls),
        )
        for name, title, drive in (
            ("json", "POST of 1 KiB JSON", post_json),
            ("echo", "echo of 1 MiB", echo),
        )
        for is_tls in (False, True)
    ]


def list_new_connections() -> list[Workload]:
    """Return the GETs that each take a new connection."""
    return [
        Workload(
            f"http.connect.{'tls' if is_tls else 'plain'}",
            f"a new connection per request, 8 at once, {'TLS' if is_tls else 'plain'}",
            UNIT,
            "higher",
            all_under_load(ALL, connect(is_tls=is_tls), is_tls=is_tls),
        )
        for is_tls in (False, True)
    ]
