"""`kit view`: a recording as a page."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import click

import kit
from kit import viewer
from kit.cli.progress import load_recording, show_progress
from kit.cli.usage import KitCommand, tell_usage

EXAMPLES = (
    "kit view recording.har",
    "kit view recording.har --no-open --output report.html",
)


@click.command(cls=KitCommand, epilog=tell_usage(EXAMPLES))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True),
    help="Write the page here.  [default: FILE.html]",
)
@click.option("--title", help="The page's heading.  [default: FILE's name]")
@click.option("--open/--no-open", "is_opened", default=True, help="Open it in the browser.")
@click.option(
    "--redact/--no-redact",
    "is_redacted",
    default=True,
    show_default=True,
    help="Take credentials and tokens out of the page.",
)
@click.option("--json", "is_json", is_flag=True, help="Write a JSON object: page, exchanges.")
def view(
    file: str,
    *,
    output: str | None,
    title: str | None,
    is_opened: bool,
    is_redacted: bool,
    is_json: bool,
) -> None:
    """Write a recording as one HTML page, and open it.

    FILE is a HAR of any tool. The page needs no network; its path is written to
    standard output.
    """
    recording = load_recording(file)
    redaction = kit.Redaction() if is_redacted else None
    with show_progress(f"redacting {file}", 2 * len(recording) if redaction else 0) as note_step:
        document = kit.har.dump(
            recording.entries,
            pages=recording.pages,
            redaction=redaction,
            kit=recording.kit,
            note_step=note_step,
        )
    path = Path(output or f"{file}.html").absolute()
    viewer.write(path, document, title=title or Path(file).name)
    told = {"file": file, "page": str(path), "entries": len(recording)}
    click.echo(json.dumps(told, indent=2) if is_json else path)
    if is_opened and not webbrowser.open(path.as_uri()):
        click.echo("no browser was found: open the file yourself", err=True)
