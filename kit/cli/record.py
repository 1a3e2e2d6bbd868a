"""`kit record`: a server in front of another one, and a recording of what passed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import kit
from kit.cli.listening import listening_options
from kit.cli.log import ExchangeLog
from kit.cli.progress import tell_step
from kit.cli.serving import make_server, run_server
from kit.cli.trust import explain_trust
from kit.cli.usage import KitCommand, tell_usage

if TYPE_CHECKING:
    from kit.cli.serving import Address, MockServer, Tls

MODES = ("once", "new_episodes", "all", "rewrite", "verify")

EXAMPLES = (
    "kit record --upstream https://api.example.com/v1 out.har",
    "kit record --upstream http://127.0.0.1:9000 out.har --mode new_episodes",
    "kit record --upstream http://127.0.0.1:9000 out.har --mode verify",
)
EXIT_CODES = {
    0: "interrupted, by Ctrl-C or SIGTERM, and what came was written",
    1: "the file cannot be written, upstream differs from it (verify), ...",
    2: "wrong usage, such as a FILE that is there already",
}


@click.command(cls=KitCommand, epilog=tell_usage(EXAMPLES, EXIT_CODES))
@click.argument("file", type=click.Path(dir_okay=False, writable=True))
@click.option("--upstream", required=True, metavar="URL", help="The server to pass on to.")
@click.option(
    "--cafile",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the authorities in this file (PEM) to vouch for upstream.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that upstream may make no progress.",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="once",
    show_default=True,
    help="once: make a new file; new_episodes: play what is in the file, record the rest; all: "
    "record everything, new in the place of old; rewrite: keep nothing that is old; verify: "
    "write nothing, tell what upstream answers otherwise.",
)
@click.option(
    "--redact",
    "names",
    metavar="NAME",
    multiple=True,
    help="Take out what this name stands for too: a header, parameter, form or JSON member.",
)
@listening_options
@click.option("--json", "is_json", is_flag=True, help="Write a JSON object per line.")
@click.option("-v", "--verbose", "is_verbose", is_flag=True, help="Write websocket frames too.")
def record(
    file: str,
    *,
    upstream: str,
    cafile: str | None,
    timeout: float,
    mode: Any,
    names: tuple[str, ...],
    address: Address,
    tls: Tls,
    is_json: bool,
    is_verbose: bool,
) -> None:
    """Pass requests and websockets on to a server, and record them into FILE.

    Point the client to the URL that is told, and press Ctrl-C when it is done:
    then FILE is written, as HAR 1.2. Credentials and tokens are taken out of it
    before. `kit serve FILE` answers like upstream from then on, under its paths.
    """
    _check_file(Path(file), mode)
    redaction = kit.Redaction(names=names)
    log = ExchangeLog(is_json=is_json, is_verbose=is_verbose, redaction=redaction)
    with (
        kit.Upstream(upstream, cafile=cafile, timeout_s=timeout) as source,
        make_server(address, tls) as (server, ca_file),
    ):
        cassette = kit.Cassette(file, mode=mode, upstream=source, redaction=redaction)
        server.fallback = cassette
        try:
            run_server(
                server,
                log,
                announce=lambda: _tell_start(server, source, ca_file, is_json=is_json),
            )
        finally:
            # Also when the output is gone: what came has been asked for.
            tell_step(f"writing {file}", 2 * len(server.journal))
            has_written = cassette.finish()
    _tell_end(cassette, is_json=is_json, has_written=has_written)


def _check_file(path: Path, mode: str) -> None:
    """See that the file can be written at the end, before anything is recorded.

    Raises:
        click.BadParameter: the mode does not fit the file.
        click.ClickException: it cannot be written.
    """
    if mode == "once" and path.exists():
        msg = f"{path} is there already: give --mode new_episodes, all, rewrite or verify"
        raise click.BadParameter(msg, param_hint="'FILE'")
    if mode == "verify" and not path.exists():
        raise click.BadParameter(f"there is no {path} to verify", param_hint="'FILE'")
    places = [place for place in path.absolute().parents if place.exists()]
    if not places[0].is_dir() or not os.access(places[0], os.W_OK):
        raise click.ClickException(f"{path}: {places[0]} cannot be written to")


def _tell_start(
    server: MockServer, source: kit.Upstream, ca_file: Path | None, *, is_json: bool
) -> None:
    if is_json:
        told = {"event": "recording", "url": server.url, "upstream": source.url}
        click.echo(json.dumps(told | {"ca_file": ca_file and str(ca_file)}))
        return
    if ca_file is not None:
        click.echo(f"{explain_trust(ca_file, server.url)}\n")
    click.echo(f"recording {source.url} on {server.url} (press Ctrl-C to stop)")


def _tell_end(cassette: kit.Cassette, *, is_json: bool, has_written: bool) -> None:
    problems = cassette.problems()
    entries = len(kit.har.load(cassette.path)) if has_written else 0
    if is_json:
        facts = {"event": "done", "file": str(cassette.path), "written": has_written}
        facts |= {"entries": entries, "not_recorded": cassette.not_recorded}
        facts |= {"left_out": cassette.explain_not_recorded()}
        click.echo(json.dumps(facts | {"problems": problems}))
    else:
        for problem in problems:
            click.echo(problem)
        click.echo(_describe_end(cassette, entries, has_written=has_written))
    if problems and cassette.mode == "verify":
        raise click.ClickException(f"upstream is not as {cassette.path} has it")


def _describe_end(cassette: kit.Cassette, entries: int, *, has_written: bool) -> str:
    lost = cassette.explain_not_recorded()
    more = f"; left out: {lost}" if lost else ""
    if cassette.mode == "verify":
        total, unused = len(cassette.entries), len(cassette.unused())
        asked = f" as far as it was asked for, {total - unused} of {total}," if unused else ","
        return f"{cassette.path} verified{asked} and not written"
    if not has_written:
        is_left = "left as it was" if cassette.path.exists() else "not written"
        return f"nothing to record came: {cassette.path} is {is_left}{more}"
    return f"wrote {entries} exchange{'' if entries == 1 else 's'} to {cassette.path}{more}"
