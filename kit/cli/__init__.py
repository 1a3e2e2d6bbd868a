"""The command line: `kit routes` and `kit serve`.

- `targets`: from `module:Resource` to a resource.
- `listing`: routes as a table or as JSON.
- `serving`: a server until it is interrupted.
"""

from __future__ import annotations

import click

import kit
from kit.cli.listing import format_json, format_table
from kit.cli.serving import Address, TlsFiles, serve_resources
from kit.cli.targets import RESOURCE, register_all

EXIT_CODES = """\b
Exit codes:
  0  done, or interrupted while serving
  1  what was asked for failed: a route is malformed, an address is in use, ...
  2  wrong usage, or a resource that cannot be imported
"""

_resources = click.argument(
    "resources", metavar="MODULE:RESOURCE...", nargs=-1, required=True, type=RESOURCE
)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kit.__version__, prog_name="kit", message="kit (wirekit) %(version)s")
def main() -> None:
    """Look at resources and serve them.

    MODULE:RESOURCE names a subclass of kit.Resource, which is called without
    arguments, or an instance of one, for example "shop.api:Orders". Modules are
    looked for in the current directory first.
    """


@main.command(epilog=EXIT_CODES)
@_resources
@click.option("--json", "is_json", is_flag=True, help="Write a JSON array, an object per route.")
def routes(resources: tuple[kit.Resource, ...], *, is_json: bool) -> None:
    """List the routes of resources, in the order they are matched."""
    listed = register_all(resources).routes()
    click.echo(format_json(listed) if is_json else format_table(listed))


@main.command(epilog=EXIT_CODES)
@_resources
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this host.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Listen on this port; 0 takes a free one.",
)
@click.option("--tls", "is_tls", is_flag=True, help="Speak TLS, with a certificate made for it.")
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, writable=True),
    help="With --tls: write the authority's certificate here, for clients to trust.",
)
@click.option(
    "--cert",
    type=click.Path(exists=True, dir_okay=False),
    help="Speak TLS with this certificate chain (PEM).",
)
@click.option(
    "--privkey",
    type=click.Path(exists=True, dir_okay=False),
    help="The private key of --cert (PEM).",
)
def serve(
    resources: tuple[kit.Resource, ...],
    *,
    host: str,
    port: int,
    is_tls: bool,
    ca_file: str | None,
    cert: str | None,
    privkey: str | None,
) -> None:
    """Serve resources until interrupted."""
    files = TlsFiles(cert=cert, privkey=privkey, ca_file=ca_file)
    serve_resources(resources, Address(host, port), files, is_tls=is_tls)
