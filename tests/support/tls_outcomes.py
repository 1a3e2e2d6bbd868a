"""What clients make of each TLS fault: measured, and written as a table.

`python tests/support/tls_outcomes.py` prints the table as Markdown.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import httpx
import requests
import urllib3
import websockets.exceptions
import websockets.sync.client

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

from kit import ErrorResponse, HTTPClient
from kit.testing import TLS_FAULTS, TlsFault, TlsFaultServer
from support.authority import authority
from support.deadlines import scaled

PATIENT_S = 20.0
"""How long a client waits for what comes."""
IMPATIENT_S = 0.25
"""How long it waits for what never comes."""


@contextlib.contextmanager
def serve(fault: TlsFault) -> Iterator[TlsFaultServer]:
    """Run a server with the fault, of the tests' own authority."""
    with TlsFaultServer(fault, authority()) as server:
        yield server


def measure(fault: TlsFault, client: str) -> str:
    """Return what a client makes of a fault, in a few words."""
    with serve(fault) as server:
        told = ASKING[client](server)
    # The reason is the same for all clients, but for those that do not hand it on.
    if fault.reason is None:
        return told
    name, _, reason = told.partition(", ")
    return name if reason == fault.reason else f"{name}, {reason or 'without the reason'}"


def _timeout_s(server: TlsFaultServer) -> float:
    return scaled(IMPATIENT_S if server.fault.reason is None else PATIENT_S)


def _name(error: BaseException, inner: object = None) -> str:
    """Name an error, and OpenSSL's reason, which clients keep in different places."""
    found = next((each for each in _list_causes(error, inner) if _reason(each)), None)
    return type(error).__name__ if found is None else f"{type(error).__name__}, {_reason(found)}"


def _reason(error: object) -> str | None:
    return error.reason if isinstance(error, ssl.SSLError) else None


def _list_causes(error: BaseException, inner: object) -> Iterator[object]:
    yield inner
    current: BaseException | None = error
    while current is not None:
        yield current
        yield from current.args
        current = current.__cause__ or current.__context__


def _ask_urllib3(server: TlsFaultServer) -> str:
    with urllib3.PoolManager(
        retries=False, timeout=_timeout_s(server), ssl_context=server.client_context()
    ) as pool:
        try:
            return str(pool.request("GET", server.url).status)
        except urllib3.exceptions.HTTPError as error:
            return _name(error)


class _Adapter(requests.adapters.HTTPAdapter):
    """The documented way to give requests a context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)  # type: ignore[arg-type]


def _ask_requests(server: TlsFaultServer) -> str:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _Adapter(server.client_context()))
        try:
            return str(session.get(server.url, timeout=_timeout_s(server)).status_code)
        except requests.RequestException as error:
            return _name(error)


def _ask_httpx(server: TlsFaultServer) -> str:
    with httpx.Client(
        trust_env=False, timeout=_timeout_s(server), verify=server.client_context()
    ) as client:
        try:
            return str(client.get(server.url).status_code)
        except httpx.HTTPError as error:
            return _name(error)


def _ask_aiohttp(server: TlsFaultServer) -> str:
    async def ask() -> str:
        timeout = aiohttp.ClientTimeout(_timeout_s(server))
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                async with session.get(server.url, ssl=server.client_context()) as response:
                    return str(response.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                return _name(error, getattr(error, "os_error", None))

    return asyncio.run(ask())


def _ask_websockets(server: TlsFaultServer) -> str:
    try:
        with websockets.sync.client.connect(
            server.ws_url,
            ssl=server.client_context(),
            proxy=None,
            open_timeout=_timeout_s(server),
            close_timeout=scaled(PATIENT_S),
        ):
            return "101"
    except (websockets.exceptions.WebSocketException, OSError, EOFError) as error:
        return _name(error)


def _ask_kit(server: TlsFaultServer) -> str:
    with HTTPClient(
        server.addr,
        "https",
        ssl_context=server.client_context(),
        timeout_s=_timeout_s(server),
    ) as client:
        response = client.get("/").wait(scaled(PATIENT_S * 2))
    if response.status_code:
        return str(response.status_code)
    assert isinstance(response, ErrorResponse)
    assert isinstance(response.exception, urllib.error.URLError)
    reason = response.exception.reason
    assert isinstance(reason, BaseException)
    return _name(reason)


ASKING: dict[str, Callable[[TlsFaultServer], str]] = {
    "urllib3": _ask_urllib3,
    "requests": _ask_requests,
    "httpx": _ask_httpx,
    "aiohttp": _ask_aiohttp,
    "websockets": _ask_websockets,
    "kit": _ask_kit,
}
CLIENTS = tuple(ASKING)


# The table

BEGIN, END = "<!-- begin: TLS faults and clients -->", "<!-- end: TLS faults and clients -->"
"""What a document that holds the table has around it."""


def write_table(outcomes: dict[tuple[str, str], str]) -> str:
    """Write outcomes, by fault and client, as a Markdown table."""
    rows = [
        ["TLS fault", "OpenSSL's reason", *(f"`{client}`" for client in CLIENTS)],
        ["---"] * (len(CLIENTS) + 2),
    ]
    for fault in TLS_FAULTS:
        told = [outcomes[fault.name, client] for client in CLIENTS]
        rows.append([f"`{fault.name}`", f"`{fault.reason}`" if fault.reason else "–", *told])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read_table(text: str) -> dict[tuple[str, str], str]:
    """Read the table back from a document: outcomes by fault and client."""
    outcomes: dict[tuple[str, str], str] = {}
    for fault in TLS_FAULTS:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{fault.name}` |"))
        cells = line.strip("| ").split(" | ")[2:]
        outcomes |= {
            (fault.name, client): told for client, told in zip(CLIENTS, cells, strict=True)
        }
    return outcomes


def main() -> None:
    outcomes = {
        (fault.name, client): measure(fault, client) for fault in TLS_FAULTS for client in CLIENTS
    }
    sys.stdout.write(f"{write_table(outcomes)}\n")


if __name__ == "__main__":
    main()
