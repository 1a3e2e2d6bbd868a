"""A server on the command line, until it is interrupted."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

import kit
from kit.cli.targets import register_all

if TYPE_CHECKING:
    from collections.abc import Sequence

TLS_NAMES = ("localhost", "127.0.0.1", "::1")


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


class TlsFiles(NamedTuple):
    """The PEM files named on the command line."""

    cert: str | None = None
    privkey: str | None = None
    ca_file: str | None = None


def serve_resources(
    resources: Sequence[kit.Resource], address: Address, files: TlsFiles, *, is_tls: bool
) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        click.UsageError: the options contradict each other.
        click.ClickException: the server cannot be started.
    """
    _check_options(files, is_tls=is_tls)
    router = register_all(resources)
    try:
        server = _make_server(address, files, is_tls=is_tls)
        server.registerRoutes(router.routes())
        server.start()
    except (kit.KitError, OSError) as error:
        raise click.ClickException(str(error)) from error
    count = len(router.routes())
    # Before the line that tells others that they may come, and may signal.
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        what = f"{count} route{'s' if count != 1 else ''}"
        click.echo(f"serving {what} on {server.url} (press Ctrl-C to stop)")
        server.run()
    except KeyboardInterrupt:
        server.stop()
    finally:
        signal.signal(signal.SIGTERM, previous)


def _check_options(files: TlsFiles, *, is_tls: bool) -> None:
    if is_tls and (files.cert or files.privkey):
        msg = "give either --tls, which makes a certificate, or --cert and --privkey"
        raise click.UsageError(msg)
    if files.ca_file and not is_tls:
        msg = "--ca-file writes the authority that --tls makes: give --tls too"
        raise click.UsageError(msg)


def _make_server(address: Address, files: TlsFiles, *, is_tls: bool) -> kit.HTTPServer:
    if not is_tls:
        return kit.HTTPServer(address, files.privkey, files.cert)
    authority = kit.CertificateAuthority()
    if files.ca_file:
        Path(files.ca_file).write_bytes(authority.pem)
    names = dict.fromkeys((*TLS_NAMES, address.host or TLS_NAMES[0]))
    return kit.HTTPServer(address, ssl_context=authority.server_context(*names))


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
