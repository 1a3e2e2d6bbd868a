"""`kit serve`: a mock backend."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

import click

from kit.cli.listening import listening_options
from kit.cli.log import ExchangeLog
from kit.cli.serving import Announcer, make_server, reload, run_server
from kit.cli.sources import Replay, Sources
from kit.cli.targets import TargetError
from kit.cli.usage import KitCommand, tell_usage
from kit.cli.watching import Watch

if TYPE_CHECKING:
    from kit.cli.serving import Address, Tls

EXAMPLES = (
    "kit serve shop.api:Orders --port 8080",
    "kit serve shop.api:Orders stubs.yaml --watch",
    "kit serve stubs.json --tls --ca-file ca.pem",
    "kit serve recording.har --pace timed",
    "kit serve stubs.json --port 0 --json",
)
EXIT_CODES = {
    0: "interrupted, by Ctrl-C or SIGTERM",
    1: "a file cannot be read, an address is in use, the output is gone, ...",
}
SOURCES = "SOURCE..."


@click.command(cls=KitCommand, epilog=tell_usage(EXAMPLES, EXIT_CODES))
@click.argument("sources", metavar=SOURCES, nargs=-1, required=True)
@listening_options
@click.option(
    "--watch",
    "is_watching",
    is_flag=True,
    help="Load modules and files anew when they change; what is broken changes nothing.",
)
@click.option(
    "--reuse",
    type=click.Choice(["once", "repeat_last", "cycle"]),
    default="repeat_last",
    show_default=True,
    help="What follows when all recordings that match were used.",
)
@click.option(
    "--pace",
    type=click.Choice(["causal", "timed", "fast"]),
    default="causal",
    show_default=True,
    help="When recorded streams and websockets send: after the client's frames, with the "
    "recorded pauses too, or at once.",
)
@click.option("--json", "is_json", is_flag=True, help="Write a JSON object per line.")
@click.option("-v", "--verbose", "is_verbose", is_flag=True, help="Write websocket frames too.")
def serve(
    sources: tuple[str, ...],
    *,
    address: Address,
    tls: Tls,
    is_watching: bool,
    reuse: str,
    pace: str,
    is_json: bool,
    is_verbose: bool,
) -> None:
    """Serve a mock backend until interrupted.

    A SOURCE is a resource, MODULE:RESOURCE; a file of stubs, .json, .yaml or .yml;
    or a recording, .har. Stubs stand before the routes of resources, and the
    recording answers what neither takes.

    The routes are listed first, and then each exchange as it ends: its time,
    method, target, status, duration and route.
    """
    if is_watching:
        # A file that is changed twice within a second would be taken from the cache.
        sys.dont_write_bytecode = True
    log = ExchangeLog(is_json=is_json, is_verbose=is_verbose)
    announcer = Announcer(is_json=is_json)
    try:
        loaded = Sources(sources, Replay(reuse, pace))
        mock = loaded.load()
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint=f"'{SOURCES}'") from error
    watch = Watch(mock.files)
    with make_server(address, tls) as (server, ca_file):
        server.show(mock)
        run_server(
            server,
            log,
            announce=lambda: announcer.tell_start(server, ca_file),
            look=functools.partial(reload, loaded, server, watch, announcer)
            if is_watching
            else None,
        )
