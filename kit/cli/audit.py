"""`kit audit`: hostile file names, tried on a server of this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click

import kit
from kit.cli.progress import show_progress
from kit.cli.usage import KitCommand, tell_usage
from kit.testing.canaries import canary_files, lay_bait
from kit.testing.corpus import load_corpus
from kit.testing.live_guard import LiveTarget, find_live_leaks
from kit.testing.traversal import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kit.testing import HostileName
    from kit.testing.canaries import Bait

CHUNK = 8
"""Names that are tried between two steps of the progress bar."""

EXAMPLES = (
    "kit audit http://127.0.0.1:8000/files/ --root ./files",
    "kit audit 'http://localhost:8000/get?name={name}' --canary ./secret.txt",
    "kit audit https://localhost:8443/files/ --root ./files --cafile ca.pem --json",
)
EXIT_CODES = {
    0: "nothing leaked",
    1: "a name got out, or the server did not answer as it should",
    2: "wrong usage, such as a server on another machine",
}


class Findings(NamedTuple):
    """What an audit has found.

    Attributes:
        summary: what is wrong; "" if nothing is.
        leaks: a line per request that got out, and how to send it again.
    """

    summary: str
    leaks: list[tuple[str, str]]


@click.command(cls=KitCommand, epilog=tell_usage(EXAMPLES, EXIT_CODES))
@click.argument("url")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    help="The directory that is served: files with a mark in them are put into and around it "
    "for the time of the audit.",
)
@click.option(
    "--canary",
    type=click.Path(exists=True, dir_okay=False),
    help="A file outside the directory that is served, to be looked for in the answers.",
)
@click.option("--ordinary", metavar="NAME", help="A name that is served, to prove that others are.")
@click.option(
    "-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Send this field."
)
@click.option(
    "--cafile",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the authorities in this file (PEM).",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Seconds to wait for an answer.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Ask a server on another machine. Do that only where you are allowed to.",
)
@click.option("--json", "is_json", is_flag=True, help="Write the findings as a JSON object.")
def audit(
    url: str,
    *,
    root: str | None,
    canary: str | None,
    ordinary: str | None,
    headers: tuple[str, ...],
    cafile: str | None,
    timeout: float,
    allow_remote: bool,
    is_json: bool,
) -> None:
    """Try to get files out of a server that serves a directory.

    Some 200 hostile file names are asked for under URL, or in the place of
    {name} in it, each in several encodings, with GET alone. No answer may hold
    the content of a file outside the directory. Give --root or --canary to tell
    what is outside; without them only system files can be told.
    """
    _check_place(url, allow_remote=allow_remote)
    live = LiveTarget(url, _parse_headers(headers), cafile, None, timeout)
    names = load_corpus()
    with _lay(root, canary, ordinary) as bait:
        findings = _try_names(live, bait, names)
    if is_json:
        click.echo(json.dumps(_describe(url, len(names), findings), indent=2))
    elif findings.summary:
        click.echo(_format(findings))
    else:
        click.echo(f"{url} keeps {len(names)} hostile names inside{_tell_scope(root, canary)}")
    if findings.summary:
        sys.exit(1)


@contextlib.contextmanager
def _lay(root: str | None, canary: str | None, ordinary: str | None) -> Iterator[Bait]:
    if root is None and canary is None:
        with canary_files() as files, lay_bait(None, files.canary, ordinary) as bait:
            yield bait
    else:
        with lay_bait(root, canary, ordinary) as bait:
            yield bait


def _try_names(live: LiveTarget, bait: Bait, names: Sequence[HostileName]) -> Findings:
    # Names that stand for a place nobody has told are left out, as a chunk of nothing
    # else would be an error.
    fitting = [name for name in names if bait.fit(name.name) is not None]
    chunks = [fitting[at : at + CHUNK] for at in range(0, max(len(fitting), 1), CHUNK)]
    summaries: list[str] = []
    lines: list[str] = []
    with show_progress("trying names", len(chunks), least=1) as note_step:
        for chunk in chunks:
            summary, found = find_live_leaks(live, bait, chunk)
            note_step()
            lines += found
            if summary:
                summaries.append(summary)
            if summary and not found:
                break  # the server does not answer as it should: no name will change that
    return _collect(live.url, len(fitting), summaries, lines)


def _collect(url: str, count: int, summaries: list[str], lines: list[str]) -> Findings:
    leaks: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("    ") and leaks:
            leaks[-1] = leaks[-1][0], line.strip()
        else:
            leaks.append((line.strip(), ""))
    if len(summaries) == 1 or not leaks:
        return Findings(summaries[0] if summaries else "", leaks)
    outs = sum(1 for _, command in leaks if command)
    told = f"lets {outs} requests out" if outs else "did not answer all requests"
    return Findings(f"{url} {told}, made from {count} hostile names:", leaks)


def _format(findings: Findings) -> str:
    lines = [findings.summary]
    for text, command in findings.leaks:
        lines.append(f"  {text}")
        if command:
            lines.append(f"    {command}")
    return "\n".join(lines)


def _describe(url: str, count: int, findings: Findings) -> dict[str, Any]:
    return {
        "url": url,
        "names": count,
        "ok": not findings.summary,
        "summary": findings.summary,
        "leaks": [{"text": text, "curl": command or None} for text, command in findings.leaks],
    }


def _tell_scope(root: str | None, canary: str | None) -> str:
    if root is not None:
        return ""
    more = "give --root to have others told too"
    kind = "absolute names of the canary and" if canary else "absolute names and"
    return f", as far as {kind} system files tell: {more}"


def _parse_headers(texts: Sequence[str]) -> dict[str, str]:
    headers = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            msg = f"expected 'NAME: VALUE', got {text!r}"
            raise click.BadParameter(msg, param_hint="'--header'")
        headers[name.strip()] = value.strip()
    return headers


def _check_place(url: str, *, allow_remote: bool) -> None:
    """Refuse a server that is not on this machine.

    Raises:
        click.BadParameter: it is elsewhere, or the URL is none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise click.BadParameter(f"{url!r}: {error}", param_hint="'URL'") from error
    if parts.scheme not in ("http", "https") or not host:
        msg = f"expected an http(s) URL, got {url!r}"
        raise click.BadParameter(msg, param_hint="'URL'")
    if not allow_remote and not _is_here(host):
        msg = f"{host} is not this machine: give --allow-remote if you may audit it"
        raise click.BadParameter(msg, param_hint="'URL'")


def _is_here(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise kit.ConfigurationError(f"{host!r} has no address: {error}") from None
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in found)
