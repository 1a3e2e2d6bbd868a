"""HTTP clients that no one here wrote, behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import io
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit

import aiohttp
import httpx
import requests
import urllib3

from kit.clock import monotonic
from support.deadlines import scaled

TIMEOUT_S = 20.0

Pairs = list[tuple[str, str]]
Body = bytes | Iterable[bytes] | None


@dataclasses.dataclass
class Answer:
    """A response, as far as every client tells it."""

    status: int
    pairs: Pairs
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return ", ".join(values) if values else None


class Peer(Protocol):
    """A client of a server at `base`; a context manager that holds its session."""

    keeps_alive: bool
    unpacks: bool

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request and read its whole response; a body that is no bytes goes chunked."""
        ...


class _Base:
    keeps_alive = True
    unpacks = True
    """Whether the client undoes gzip by itself."""

    def __init__(self, base: str, context: ssl.SSLContext | None, cafile: str) -> None:
        self.base = base
        self.context = context
        self.cafile = cafile
        self.stack = contextlib.ExitStack()

    def __exit__(self, *exc: object) -> None:
        self.stack.close()


class HttpClient(_Base):
    unpacks = False

    def __enter__(self) -> Self:
        parts = urlsplit(self.base)
        host, port = parts.hostname or "", parts.port
        if self.context is not None:
            self.connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, context=self.context, timeout=scaled(TIMEOUT_S)
            )
        else:
            self.connection = http.client.HTTPConnection(host, port, timeout=scaled(TIMEOUT_S))
        self.stack.callback(self.connection.close)
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        self.connection.request(method, path, body, headers or {}, encode_chunked=body is not None)
        with self.connection.getresponse() as response:
            return Answer(response.status, response.getheaders(), response.read())


class Urllib(_Base):
    keeps_alive = False
    unpacks = False

    def __enter__(self) -> Self:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=self.context))
        self.opener = urllib.request.build_opener(*handlers)
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        request = urllib.request.Request(self.base + path, body, headers or {}, method=method)
        try:
            response = self.opener.open(request, timeout=scaled(TIMEOUT_S))
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(response.status, response.headers.items(), response.read())


class Urllib3(_Base):
    def __enter__(self) -> Self:
        self.pool = self.stack.enter_context(
            urllib3.PoolManager(
                ssl_context=self.context,
                timeout=scaled(TIMEOUT_S),
                retries=urllib3.Retry(None, connect=0, read=0, redirect=3),
            )
        )
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        response = self.pool.request(
            method,
            self.base + path,
            body=body,
            headers=headers,
            redirect=True,
        )
        return Answer(response.status, list(response.headers.iteritems()), response.data)


class Requests(_Base):
    def __enter__(self) -> Self:
        self.session = self.stack.enter_context(requests.Session())
        self.session.trust_env = False
        self.session.verify = self.cafile
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        response = self.session.request(
            method,
            self.base + path,
            data=body,
            headers=headers,
            timeout=scaled(TIMEOUT_S),
            allow_redirects=True,
        )
        pairs = list(response.raw.headers.iteritems())
        return Answer(response.status_code, pairs, response.content)


class Httpx(_Base):
    def __enter__(self) -> Self:
        self.client = self.stack.enter_context(
            httpx.Client(
                verify=self.context or True,
                trust_env=False,
                timeout=scaled(TIMEOUT_S),
                follow_redirects=True,
            )
        )
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        response = self.client.request(method, self.base + path, content=body, headers=headers)
        return Answer(response.status_code, response.headers.multi_items(), response.content)


async def _iterate(body: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in body:
        yield piece


async def await_transports_closed() -> None:
    """Let the running loop close what no client waits for."""
    selector = getattr(asyncio.get_running_loop(), "_selector", None)
    deadline = monotonic() + scaled(5)
    # What is left is the loop's own pipe, by which threads wake it.
    while selector is not None and len(selector.get_map()) > 1 and monotonic() < deadline:  # noqa: ASYNC110 - nothing else tells of it
        await asyncio.sleep(0.005)


class AsyncHttpx(_Base):
    def __enter__(self) -> Self:
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.client = httpx.AsyncClient(
            verify=self.context or True,
            trust_env=False,
            timeout=scaled(TIMEOUT_S),
            follow_redirects=True,
        )
        self.stack.callback(lambda: self.runner.run(self.client.aclose()))
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        return self.runner.run(self.request_async(method, path, body, headers))

    async def request_async(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        content = body if body is None or isinstance(body, bytes) else _iterate(body)
        response = await self.client.request(
            method, self.base + path, content=content, headers=headers
        )
        return Answer(response.status_code, response.headers.multi_items(), response.content)


class Aiohttp(_Base):
    def __enter__(self) -> Self:
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.runner.run(self._open())
        self.stack.callback(lambda: self.runner.run(self._close()))
        return self

    async def _open(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.context or True),
            timeout=aiohttp.ClientTimeout(scaled(TIMEOUT_S)),
        )

    async def _close(self) -> None:
        await self.session.close()
        # A transport that it gave up on is closed by the loop, a little later.
        await await_transports_closed()

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        return self.runner.run(self.request_async(method, path, body, headers))

    async def request_async(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        # aiohttp warns of large bytes.
        data = io.BytesIO(body) if isinstance(body, bytes) else body and _iterate(body)
        async with self.session.request(
            method, self.base + path, data=data, headers=headers, allow_redirects=True
        ) as response:
            return Answer(response.status, list(response.headers.items()), await response.read())


class Curl(_Base):
    """The command; each request is a process of its own."""

    keeps_alive = False
    unpacks = False

    def __enter__(self) -> Self:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.folder = Path(folder)
        return self

    def request(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
    ) -> Answer:
        arguments = ["--head"] if method == "HEAD" else ["--request", method]
        for name, value in (headers or {}).items():
            arguments += ["--header", f"{name}: {value}"]
        if body is not None:
            content = body if isinstance(body, bytes) else b"".join(body)
            arguments += ["--data-binary", "@-"]
            if not isinstance(body, bytes):
                arguments += ["--header", "Transfer-Encoding: chunked"]
            return self.run(*arguments, self.base + path, stdin=content)
        if method == "GET":
            arguments.append("--location")
        answer = self.run(*arguments, self.base + path)
        # With --head curl writes the head where the body would go.
        return dataclasses.replace(answer, body=b"") if method == "HEAD" else answer

    def run(self, *arguments: str, stdin: bytes = b"") -> Answer:
        """Run curl; the answer is the last of its responses."""
        heads, content = self.folder / "heads", self.folder / "content"
        content.write_bytes(b"")
        result = subprocess.run(
            [
                *("curl", "--disable", "--silent", "--show-error", "--noproxy", "*"),
                *("--cacert", self.cafile, "--max-time", str(scaled(TIMEOUT_S))),
                *("--dump-header", str(heads), "--output", str(content)),
                *arguments,
            ],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=scaled(TIMEOUT_S),
        )
        assert result.returncode == 0, result.stderr.decode()
        blocks = heads.read_bytes().decode("latin-1").split("\r\n\r\n")
        status, *fields = [block for block in blocks if block.strip()][-1].split("\r\n")
        pairs: Pairs = []
        for field in fields:
            name, _, value = field.partition(":")
            pairs.append((name, value.strip()))
        return Answer(int(status.split()[1]), pairs, content.read_bytes())


PEERS: dict[str, type[_Base]] = {
    "http.client": HttpClient,
    "urllib": Urllib,
    "urllib3": Urllib3,
    "requests": Requests,
    "httpx": Httpx,
    "httpx-async": AsyncHttpx,
    "aiohttp": Aiohttp,
    "curl": Curl,
}


def has_curl() -> bool:
    """Tell whether there is a curl to be run."""
    return shutil.which("curl") is not None


def drip(pieces: int, size: int) -> Iterator[bytes]:
    """Yield a body of which nobody knows the length."""
    for index in range(pieces):
        yield bytes([index % 256]) * size
