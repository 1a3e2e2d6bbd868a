"""The options of commands that serve: where, and with which certificate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from kit.cli.serving import Address, Tls, check_tls

if TYPE_CHECKING:
    from collections.abc import Callable

_OPTIONS = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this host."),
    click.option(
        "--port",
        default=8000,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Listen on this port; 0 takes a free one.",
    ),
    click.option(
        "--tls", "is_tls", is_flag=True, help="Speak TLS, with a certificate made for it."
    ),
    click.option(
        "--ca-file",
        type=click.Path(dir_okay=False, writable=True),
        help="With --tls: write the authority's certificate here, for clients to trust; "
        "without it, to a temporary file that is told.",
    ),
    click.option(
        "--cert",
        type=click.Path(exists=True, dir_okay=False),
        help="Speak TLS with this certificate chain (PEM).",
    ),
    click.option(
        "--privkey",
        type=click.Path(exists=True, dir_okay=False),
        help="The private key of --cert (PEM).",
    ),
)


def listening_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as `address` and `tls`."""

    @functools.wraps(function)
    def call(
        *,
        host: str,
        port: int,
        is_tls: bool,
        ca_file: str | None,
        cert: str | None,
        privkey: str | None,
        **others: Any,
    ) -> Any:
        tls = Tls(is_made=is_tls, cert=cert, privkey=privkey, ca_file=ca_file)
        check_tls(tls)
        return function(address=Address(host, port), tls=tls, **others)

    decorated: Callable[..., Any] = call
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
