"""Clients: GETs with so many in flight, each as a user of the library would write it."""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit


class Meter:
    """Counts answers for a while, which begins when all connections are made and warm."""

    def __init__(self, in_flight: int, seconds: float) -> None:
        self.in_flight = in_flight
        self._seconds = seconds
        self._answers = itertools.count(1)  # its `next` is atomic
        self._end = 0.0
        self._before = 0
        self._last = 0

    def count(self) -> bool:
        """Count an answer; tell whether to go on."""
        answer = next(self._answers)
        now = time.perf_counter()
        if not self._end:
            if answer >= 2 * self.in_flight:
                self._before, self._end = answer, now + self._seconds
            return True
        if now < self._end:
            self._last = answer
            return True
        return False

    def read_per_s(self) -> float:
        """Return how many answers came each second."""
        return max(0, self._last - self._before) / self._seconds


def run_wirekit(url: str, meter: Meter, cafile: str | None) -> None:
    """Our polling client: one more is sent as soon as the oldest has come back."""
    from kit import HTTPClient

    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with HTTPClient((parts.hostname, parts.port), parts.scheme, cafile=cafile) as client:
        waiting = collections.deque(client.get(parts.path) for _ in range(meter.in_flight))
        is_over = False
        while not is_over:
            waiting[0].wait(10)
            for handle in client.getResponses():
                check(handle.wait().payload)
                is_over = not meter.count()
            while waiting and waiting[0].done():
                waiting.popleft()
                waiting.append(client.get(parts.path))


def run_urllib3(url: str, meter: Meter, cafile: str | None) -> None:
    """A pool with a thread for each request in flight."""
    import urllib3

    with urllib3.PoolManager(maxsize=meter.in_flight, block=True, ca_certs=cafile) as pool:

        def work() -> None:
            while True:
                check(pool.request("GET", url).data)
                if not meter.count():
                    return

        threads = [threading.Thread(target=work) for _ in range(meter.in_flight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def run_httpx(url: str, meter: Meter, cafile: str | None) -> None:
    """An `AsyncClient` with a task for each request in flight."""
    import httpx

    async def run() -> None:
        most = meter.in_flight
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
        async with httpx.AsyncClient(limits=limits, verify=trust(cafile), timeout=30) as client:

            async def fetch() -> bytes:
                return (await client.get(url)).content

            await repeat(fetch, meter)

    asyncio.run(run())


def run_aiohttp(url: str, meter: Meter, cafile: str | None) -> None:
    """A session with a task for each request in flight."""
    import aiohttp

    async def run() -> None:
        connector = aiohttp.TCPConnector(limit=meter.in_flight, ssl=trust(cafile))
        async with aiohttp.ClientSession(connector=connector) as session:

            async def fetch() -> bytes:
                async with session.get(url) as response:
                    return await response.read()

            await repeat(fetch, meter)

    asyncio.run(run())


async def repeat(fetch: Callable[[], Awaitable[bytes]], meter: Meter) -> None:
    """Fetch again and again in as many tasks as are to be in flight."""

    async def work() -> None:
        while True:
            check(await fetch())
            if not meter.count():
                return

    await asyncio.gather(*(work() for _ in range(meter.in_flight)))


def trust(cafile: str | None) -> ssl.SSLContext | bool:
    """Return what the asynchronous clients are told about certificates."""
    return ssl.create_default_context(cafile=cafile) if cafile else True


def check(payload: object) -> None:
    """Make sure that the answer has come."""
    if payload != b"hello ada":
        msg = f"unexpected answer: {payload!r}"
        raise SystemExit(msg)


CLIENTS = {
    "wirekit": run_wirekit,
    "urllib3": run_urllib3,
    "httpx": run_httpx,
    "aiohttp": run_aiohttp,
}


def main() -> None:
    """Run one client and print how many GETs a second it made."""
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--cafile")
    asked = parser.parse_args()
    meter = Meter(asked.in_flight, asked.seconds)
    CLIENTS[asked.client](asked.url, meter, asked.cafile)
    print(json.dumps({"value": meter.read_per_s()}))


if __name__ == "__main__":
    main()
