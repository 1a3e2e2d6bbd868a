"""`kit har`: recordings, redacted, compared and counted."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import click

import kit
from kit.cli.progress import load_recording, show_progress
from kit.cli.usage import KitGroup, tell_usage

FILE = click.Path(exists=True, dir_okay=False)

EXAMPLES = (
    "kit har redact recording.har --output clean.har --name X-Tenant",
    "kit har diff before.har after.har",
    "kit har stats recording.har --json",
)


@click.group(cls=KitGroup, epilog=tell_usage(EXAMPLES))
def har() -> None:
    """Redact, compare and count recordings: HAR files of any tool."""


@har.command(
    epilog=tell_usage(
        (
            "kit har redact recording.har --output clean.har",
            "kit har redact recording.har --in-place --name X-Tenant --keep session",
            'kit har redact recording.har --output clean.har --canary "$API_KEY"',
        ),
        {1: "the file cannot be read or written, or a canary was still in it"},
    )
)
@click.argument("file", type=FILE)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, writable=True), help="Write the result here."
)
@click.option("--in-place", is_flag=True, help="Write the result to FILE.")
@click.option("--name", "names", multiple=True, help="Take out what this name stands for too.")
@click.option("--keep", multiple=True, metavar="NAME", help="Leave what this name stands for.")
@click.option(
    "--pattern",
    "patterns",
    multiple=True,
    metavar="REGEX",
    help="Take out what this matches, or what its groups hold.",
)
@click.option(
    "--canary",
    "canaries",
    multiple=True,
    metavar="SECRET",
    help="Write nothing if this secret is left, in whatever form.",
)
@click.option("--json", "is_json", is_flag=True, help="Write what was done as a JSON object.")
def redact(
    file: str,
    *,
    output: str | None,
    in_place: bool,
    names: tuple[str, ...],
    keep: tuple[str, ...],
    patterns: tuple[str, ...],
    canaries: tuple[str, ...],
    is_json: bool,
) -> None:
    """Take credentials and tokens out of a recording.

    Authorization, cookies and the usual names of tokens are taken out of
    headers, URLs, forms, JSON and websocket messages; lengths stay consistent.
    """
    if (output is None) == (not in_place):
        raise click.UsageError("give either --output FILE or --in-place")
    redaction = kit.Redaction(names=names, keep=keep, patterns=map(_compile, patterns))
    recording = load_recording(file)
    secrets = redaction.secrets()
    with show_progress(f"redacting {file}", 2 * len(recording)) as note_step:
        entries, pages = redaction.redact_all(
            recording.entries, recording.pages, secrets=secrets, note_step=note_step
        )
    document = kit.har.dump(entries, pages=pages, redaction=None, kit=recording.kit)
    _check_canaries(canaries, kit.har.format_document(document))
    target = output or file
    kit.har.write(target, document)
    before = kit.har.dump(recording.entries, redaction=None)["log"]["entries"]
    after = document["log"]["entries"]
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    if is_json:
        told = {"file": target, "entries": len(after), "changed": changed}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"wrote {target}: something was taken out of {changed} of {len(after)} entries")
    if secrets.not_learned:
        what = "finds of secrets beyond the bound are not searched in other places"
        click.echo(f"{secrets.not_learned} {what}", err=True)


@har.command(
    epilog=tell_usage(
        (
            "kit har diff before.har after.har",
            "kit har diff before.har after.har --ignore-header X-Trace --json",
        ),
        {0: "they tell the same, times aside", 1: "they differ, or one cannot be read"},
    )
)
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
@click.option(
    "--ignore-header",
    "ignored",
    multiple=True,
    metavar="NAME",
    help="Let this header differ, beside Date and others that always do.",
)
@click.option("--json", "is_json", is_flag=True, help="Write the differences as a JSON object.")
def diff(before: str, after: str, *, ignored: tuple[str, ...], is_json: bool) -> None:
    """Compare two recordings, exchange by exchange, times aside.

    Exchanges are paired by method and path, in their order.
    """
    usual = kit.har.comparison.IGNORED_HEADERS
    found = kit.har.diff(
        load_recording(before), load_recording(after), ignored_headers=[*usual, *ignored]
    )
    _tell(found, is_json=is_json)
    if not found.is_same:
        sys.exit(1)


@har.command(
    epilog=tell_usage(("kit har stats recording.har", "kit har stats recording.har --json"))
)
@click.argument("file", type=FILE)
@click.option(
    "--slowest",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Name so many of the slowest exchanges.",
)
@click.option("--json", "is_json", is_flag=True, help="Write the numbers as a JSON object.")
def stats(file: str, *, slowest: int, is_json: bool) -> None:
    """Tell in numbers what a recording holds."""
    _tell(kit.har.stats(load_recording(file), slowest=slowest), is_json=is_json)


def _tell(found: Any, *, is_json: bool) -> None:
    click.echo(json.dumps(found.to_json(), indent=2) if is_json else "\n".join(found.lines()))


def _compile(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        msg = f"{text!r} is no regular expression: {error}"
        raise click.BadParameter(msg, param_hint="'--pattern'") from error


def _check_canaries(canaries: tuple[str, ...], data: bytes) -> None:
    for number, secret in enumerate(canaries, 1):
        found = kit.find_canary(secret, data)
        if found:
            raise click.ClickException(f"canary {number} is still in it, {found}: nothing written")
