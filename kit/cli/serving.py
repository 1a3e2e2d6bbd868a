"""A mock backend on the command line, until it is interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

import kit
from kit.cli.listing import (
    describe_recordings,
    describe_routes,
    describe_stubs,
    format_recordings,
    format_stubs,
    format_table,
)
from kit.cli.sources import list_files
from kit.cli.targets import TargetError
from kit.cli.trust import explain_trust
from kit.cli.usage import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kit.cli.log import ExchangeLog
    from kit.cli.sources import Mock, Sources
    from kit.cli.watching import Watch
    from kit.expect import StubBook

POLL_S = 0.3
"""How often watched files are looked at, and whether the output is still there."""

TLS_NAMES = ("localhost", "127.0.0.1", "::1")


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


class Tls(NamedTuple):
    """How to speak TLS, as the command line tells.

    Attributes:
        is_made: whether to make an authority and a certificate.
        cert, privkey: PEM files to use instead.
        ca_file: where to write the authority that is made; None for a temporary place.
    """

    is_made: bool = False
    cert: str | None = None
    privkey: str | None = None
    ca_file: str | None = None


class MockServer(kit.HTTPServer):
    """A server whose routes and stubs can be exchanged while it runs.

    Attributes:
        recordings: what it answers with where no stub and no route does.
    """

    recordings: Sequence[kit.har.Entry] = ()
    stubs: StubBook

    def show(self, mock: Mock) -> None:
        """Answer with these from the next request on; open websockets keep their handlers."""
        self._router, self.stubs = mock.router, mock.stubs
        self.recordings = mock.recordings


class Announcer:
    """Tells of the server itself, as text or as a JSON object in a line."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._tables = ""

    def tell_start(self, server: MockServer, ca_file: Path | None) -> None:
        """Write what is served and how to trust it, and that it can be asked now."""
        if self._is_json:
            self._tell("serving", server, url=server.url, ca_file=ca_file and str(ca_file))
            return
        self._tell_tables(server)
        if ca_file is not None:
            click.echo(f"{explain_trust(ca_file, server.url)}\n")
        click.echo(f"serving {_count_mock(server)} on {server.url} (press Ctrl-C to stop)")

    def tell_reload(self, server: MockServer, changed: list[Path]) -> None:
        """Write that the files were loaded anew."""
        if self._is_json:
            self._tell("reloaded", server, changed=[str(path) for path in changed])
            return
        self._tell_tables(server)
        click.echo(f"reloaded {_count_mock(server)}, as {_name_files(changed)} changed")

    def tell_failure(self, error: Exception, changed: list[Path]) -> None:
        """Write why the files could not be loaded anew."""
        text = describe_error(error)
        if self._is_json:
            told = {"event": "reload failed", "error": text, "changed": [str(x) for x in changed]}
            click.echo(json.dumps(told))
        else:
            message = f"not reloaded, {_name_files(changed)} changed: {text}; served as before"
            click.echo(click.style(message, fg="red"))

    def _tell_tables(self, server: MockServer) -> None:
        tables = _format_mock(server)
        if tables and tables != self._tables:
            click.echo(f"{tables}\n")
        self._tables = tables

    def _tell(self, event: str, server: MockServer, **facts: Any) -> None:
        told = {"event": event, **facts, "routes": describe_routes(server.routes())}
        told["stubs"] = describe_stubs(server.stubs)
        click.echo(json.dumps(told | {"recordings": describe_recordings(server.recordings)}))


def check_tls(tls: Tls) -> None:
    """Check that the options go together.

    Raises:
        click.UsageError: they contradict each other.
    """
    if tls.is_made and (tls.cert or tls.privkey):
        msg = "give either --tls, which makes a certificate, or --cert and --privkey"
        raise click.UsageError(msg)
    if tls.ca_file and not tls.is_made:
        msg = "--ca-file writes the authority that --tls makes: give --tls too"
        raise click.UsageError(msg)


@contextlib.contextmanager
def make_server(address: Address, tls: Tls) -> Iterator[tuple[MockServer, Path | None]]:
    """Make a server; yields it with the file of the authority to trust, if one was made.

    Raises:
        KitError: a PEM file cannot be used.
        OSError: the authority's file cannot be written.
    """
    if not tls.is_made:
        yield MockServer(address, tls.privkey, tls.cert), None
        return
    authority = kit.CertificateAuthority()
    names = dict.fromkeys((*TLS_NAMES, address.host or TLS_NAMES[0]))
    server = MockServer(address, ssl_context=authority.server_context(*names))
    with _place(tls.ca_file) as path:
        yield server, authority.write_pem(path)


@contextlib.contextmanager
def _place(ca_file: str | None) -> Iterator[Path]:
    if ca_file is not None:
        yield Path(ca_file).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="kit-") as directory:
        yield Path(directory, "ca.pem")


def run_server(
    server: kit.HTTPServer,
    log: ExchangeLog,
    *,
    announce: Callable[[], None],
    look: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until nobody reads the output any more.

    Args:
        server: the server, not started.
        log: told of each exchange.
        announce: called when the server can be asked.
        look: called now and then.

    Raises:
        KitError: the address cannot be listened on.
        click.ClickException: the output is gone.
    """
    server.add_observer(log)
    # Before the line that tells others that they may come, and may signal.
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        server.start()
        announce()
        log.start()
        while not log.broken.wait(POLL_S):
            if look is not None:
                look()
    except KeyboardInterrupt:
        pass  # that is how it is told to stop
    finally:
        server.stop()
        log.close()
        signal.signal(signal.SIGTERM, previous)
    if log.broken.is_set():
        _let_go_of_output()
        raise click.ClickException("nobody reads the output any more")


def _let_go_of_output() -> None:
    """Send nowhere what is still buffered, over which the interpreter's exit would trip."""
    # Without a descriptor, as under a test runner, there is nothing to trip over.
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def reload(sources: Sources, server: MockServer, watch: Watch, announcer: Announcer) -> None:
    """Load everything anew if a file has changed; what is broken changes nothing."""
    changed = watch.find_changed()
    if not changed:
        return
    try:
        mock = sources.load()
    except (TargetError, click.ClickException, kit.KitError, OSError) as error:
        watch.add(list_files(error))
        announcer.tell_failure(error, changed)
        return
    server.show(mock)
    watch.add(mock.files)
    announcer.tell_reload(server, changed)


def _format_mock(server: MockServer) -> str:
    parts = []
    if routes := server.routes():
        parts.append(format_table(routes))
    if len(server.stubs):
        parts.append(format_stubs(server.stubs))
    if server.recordings:
        parts.append(format_recordings(server.recordings))
    return "\n\n".join(parts)


def _count_mock(server: MockServer) -> str:
    counts = {
        "route": len(server.routes()),
        "stub": len(server.stubs),
        "recording": len(server.recordings),
    }
    told = [f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in counts.items() if n]
    return " and ".join(told) or "nothing"


def _name_files(paths: list[Path]) -> str:
    names = [path.name for path in paths[:3]]
    return ", ".join([*names, f"{len(paths) - 3} more"] if len(paths) > 3 else names)
