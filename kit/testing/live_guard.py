"""Hostile file names, asked for over HTTP as they are: nothing here normalises a path."""

from __future__ import annotations

import http.client
import re
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from kit.clock import monotonic
from kit.errors import BodyError, ConfigurationError, LimitError
from kit.limits import MIB
from kit.messages.content import decode_content
from kit.testing.curl import format_curl_get, list_trust_arguments
from kit.testing.text import show_line, show_value
from kit.wire.tls import client_context

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kit.testing.canaries import Bait
    from kit.testing.corpus import HostileName

_BODY_BYTES = 1 * MIB
_MAX_TIMEOUTS = 3
_SHOWN = 100
_PLACE = "{name}"
# What may stand raw in a request target (RFC 9112 section 3.2), but for what begins
# a query or a fragment.
_RAW = "!\"$%&'()*+,-./:;<=>@[\\]^_`{|}~"
_MISSING = "kit-there-is-no-such-file"
# System files that names of the corpus stand for, and what tells them.
_SYSTEM_FILES = (
    ("passwd", "/etc/passwd", re.compile(rb"^root:[^:\n]*:0:0:", re.MULTILINE)),
    (
        "win.ini",
        "win.ini",
        re.compile(rb"^\[(?:fonts|extensions|mci extensions)\]", re.MULTILINE | re.IGNORECASE),
    ),
    ("environ", "the process's environment", re.compile(rb"(?:\A|\0)PATH=[^\0]*\0")),
)


class LiveTarget(NamedTuple):
    """Where a server is asked, and how.

    Attributes:
        url: where names are appended, or put in the place of `{name}`.
        headers: header fields to send.
        cafile: path of the CA certificates to trust, PEM.
        ssl_context: instead of `cafile`.
        timeout_s: how long an answer is waited for.
    """

    url: str
    headers: Mapping[str, str] | None
    cafile: str | os.PathLike[str] | None
    ssl_context: ssl.SSLContext | None
    timeout_s: float


class _Answer(NamedTuple):
    """What came back: a status, or why there is none."""

    status: int
    head: bytes = b""
    body: bytes = b""
    failure: str = ""

    @property
    def is_late(self) -> bool:
        return self.failure == "timeout"


class _Attempt(NamedTuple):
    """A name in one of its forms."""

    target: str
    hostile: HostileName
    name: str


def find_live_leaks(
    live: LiveTarget, bait: Bait, names: Sequence[HostileName]
) -> tuple[str, list[str]]:
    """Try every name; return what to say about it, and a line per leak.

    Returns:
        A headline, "" if all is well, and the lines below it.

    Raises:
        ConfigurationError: the URL cannot be asked, or no name fits the files.
    """
    with closing(_Prober(live)) as prober:
        attempts = list(_list_attempts(prober, bait, names))
        if not attempts:
            msg = "no name can be tried: {outside} and {root} need canary= or root= as a path"
            raise ConfigurationError(msg)
        problem = _check_ground(prober, bait)
        if problem:
            return problem, []
        leaks, late, answered = _try_all(prober, bait, attempts)
    if not answered:
        return f"{live.url} answered none of {len(attempts)} requests: nothing is proved", late
    if not leaks and not late:
        return "", []
    kinds = len({each.hostile.name for each in attempts})
    made = f"made from {kinds} hostile name{'' if kinds == 1 else 's'}"
    if leaks:
        head = f"{live.url} lets {len(leaks) // 2} of {len(attempts)} requests out, {made}:"
        return head, leaks + late
    return f"{live.url} did not answer all of {len(attempts)} requests, {made}:", late


def _try_all(
    prober: _Prober, bait: Bait, attempts: Iterable[_Attempt]
) -> tuple[list[str], list[str], int]:
    """Return the lines of the leaks, those of late answers, and how many answers came."""
    leaks: list[str] = []
    late: list[str] = []
    answers: Counter[str] = Counter()
    for attempt in attempts:
        answer = prober.ask(attempt.target)
        answers["failed" if answer.failure else "answered"] += 1
        shown = f"{show_value(attempt.name, _SHOWN)} as {show_line(attempt.target, _SHOWN)}"
        found = _find_secret(answer, bait, attempt)
        if found:
            leaks.append(f"  {shown} -> {answer.status} with {found} ({attempt.hostile.origin})")
            leaks.append(f"    {prober.format_curl(attempt.target)}")
        elif answer.is_late:
            seconds = f"{prober.live.timeout_s:g} s"
            late.append(f"  {shown} -> no whole answer within {seconds} ({attempt.hostile.origin})")
            if len(late) == _MAX_TIMEOUTS:
                late.append("  and the rest was not tried")
                break
    return leaks, late, answers["answered"] + answers["failed"] * bool(leaks or late)


def _find_secret(answer: _Answer, bait: Bait, attempt: _Attempt) -> str:
    for where, data in (("body", answer.body), ("head", answer.head)):
        if bait.secret in data:
            return f"the canary in its {where}"
    for mark, what, pattern in _SYSTEM_FILES:
        if mark in attempt.name and pattern.search(answer.body):
            return f"{what} in its body"
    return ""


def _check_ground(prober: _Prober, bait: Bait) -> str:
    """Tell why the attempts would prove nothing; "" if they will."""
    url = prober.live.url
    target = prober.fill(_MISSING)
    answer = prober.ask(target)
    if answer.failure:
        return f"{url} gives no answer to GET {target}: {prober.describe_failure(answer)}"
    if bait.secret in answer.body or bait.secret in answer.head:
        return f"{url} answers GET {target} with the canary's content, so that it tells nothing"
    if bait.ordinary is None:
        return ""
    target = prober.fill(quote(bait.ordinary))
    answer = prober.ask(target)
    expected = "expected 200" if bait.content is None else "expected 200 and the file's content"
    lines = f"{url} does not serve even the ordinary name {bait.ordinary!r}"
    if answer.failure:
        return f"{lines}: {prober.describe_failure(answer)}"
    if answer.status != 200:
        return f"{lines}: GET {target} -> {answer.status}, {expected}"
    if bait.content is not None and bait.content.strip() not in answer.body:
        return f"{lines}: GET {target} -> 200 with something else, {expected}"
    return ""


# The targets


def _list_attempts(prober: _Prober, bait: Bait, names: Iterable[HostileName]) -> Iterator[_Attempt]:
    seen = set()
    for hostile in names:
        name = bait.fit(hostile.name)
        if name is None:
            continue
        for form in _list_forms(name):
            target = prober.fill(form)
            if target not in seen:
                seen.add(target)
                yield _Attempt(target, hostile, name)
        # An alias without its slash: what follows the prefix is taken as it stands.
        if name.startswith("..") and prober.bare is not None:
            yield _Attempt(prober.bare + _quote(name, _RAW), hostile, name)


def _list_forms(name: str) -> list[str]:
    """Write a name as it is, and percent-encoded once and twice, more and less of it."""
    everything = "".join(f"%{byte:02x}" for byte in name.encode("utf-8", "surrogatepass"))
    return [
        _quote(name, _RAW),
        _quote(name, "/"),
        _quote(name, ""),
        everything,
        everything.replace("%", "%25"),
        _quote(name, "").replace("%", "%25"),
    ]


def _quote(name: str, safe: str) -> str:
    return quote(name, safe=safe, errors="surrogatepass")


# The connection


class _Prober:
    """Asks one server, over one connection while that lasts."""

    def __init__(self, live: LiveTarget) -> None:
        self.live = live
        parts = urlsplit(live.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            msg = f"expected a function or an http(s) URL, not {live.url!r}"
            raise ConfigurationError(msg)
        self._origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        path = live.url.partition("://")[2].partition("#")[0]
        self._pattern = path[path.find("/") :] if "/" in path else "/"
        if not self._pattern.isascii() or not self._pattern.isprintable() or " " in self._pattern:
            msg = f"the URL {live.url!r} has characters that must be percent-encoded"
            raise ConfigurationError(msg)
        if _PLACE not in self._pattern:
            if parts.query:
                msg = f"the URL {live.url!r} has a query: write {_PLACE} where the name belongs"
                raise ConfigurationError(msg)
            self._pattern = f"{self._pattern.rstrip('/')}/{_PLACE}"
        stem = self._pattern.removesuffix(f"/{_PLACE}")
        self.bare = stem if stem and stem != self._pattern and "?" not in stem else None
        self._connection = self._make_connection(parts.scheme, parts.hostname, parts.port)

    def _make_connection(
        self, scheme: str, host: str, port: int | None
    ) -> http.client.HTTPConnection:
        live = self.live
        if live.cafile is not None and live.ssl_context is not None:
            raise ConfigurationError("give either cafile or ssl_context, not both")
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=live.timeout_s)
        context = live.ssl_context or client_context(live.cafile)
        return http.client.HTTPSConnection(host, port, timeout=live.timeout_s, context=context)

    def fill(self, form: str) -> str:
        """Put a name, encoded, into the target."""
        return self._pattern.replace(_PLACE, form)

    def ask(self, target: str) -> _Answer:
        """Send one GET; a connection that was closed meanwhile is opened again."""
        is_reused = self._connection.sock is not None
        answer = self._ask_once(target)
        if answer.failure and not answer.is_late and is_reused:
            answer = self._ask_once(target)
        return answer

    def _ask_once(self, target: str) -> _Answer:
        connection = self._connection
        try:
            connection.putrequest("GET", target, skip_accept_encoding=True)
            connection.putheader("Accept-Encoding", "identity")
            for name, value in (self.live.headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
        except TimeoutError:
            connection.close()
            return _Answer(0, failure="timeout")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return _Answer(0, failure=f"{type(error).__name__}: {error}")
        return self._read(response)

    def _read(self, response: http.client.HTTPResponse) -> _Answer:
        raw = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in response.getheaders()
        ]
        head = b"\n".join(b": ".join(field) for field in raw)
        body, failure = self._read_body(response)
        try:
            body = decode_content(raw, body, _BODY_BYTES * 4)
        except (BodyError, LimitError):
            pass  # it is searched as it came
        return _Answer(response.status, head, body, failure)

    def _read_body(self, response: http.client.HTTPResponse) -> tuple[bytes, str]:
        """Read so much of a body as is searched; a longer one costs the connection."""
        pieces: list[bytes] = []
        size, failure = 0, ""
        deadline = monotonic() + self.live.timeout_s
        try:
            while size < _BODY_BYTES and (piece := response.read1(_BODY_BYTES - size)):
                pieces.append(piece)
                size += len(piece)
                if monotonic() > deadline:
                    failure = "timeout"
                    break
        except TimeoutError:
            failure = "timeout"
        except (OSError, http.client.HTTPException, ValueError):
            pass  # cut off: what came is searched
        if response.length == 0:
            response.read()  # `read1` does not notice that this was all
        if not response.isclosed():
            self._connection.close()
        return b"".join(pieces), failure

    def describe_failure(self, answer: _Answer) -> str:
        """Tell why there is no answer."""
        if answer.is_late:
            return f"none came within {self.live.timeout_s:g} s"
        return show_line(answer.failure, 300)

    def format_curl(self, target: str) -> str:
        """Write the command that asks for the same."""
        context = self.live.ssl_context
        arguments = []
        if self._origin.startswith("https:"):
            is_verified = context is None or context.verify_mode != 0
            arguments = list_trust_arguments(self.live.cafile, verify=is_verified)
        headers = (self.live.headers or {}).items()
        return format_curl_get(f"{self._origin}{target}", headers, arguments)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
