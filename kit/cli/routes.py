"""`kit routes`: the routes of resources, written down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from kit.cli.listing import format_json, format_table
from kit.cli.openapi import describe_api
from kit.cli.targets import RESOURCE, register_all
from kit.cli.usage import KitCommand, tell_usage

if TYPE_CHECKING:
    import kit

EXAMPLES = (
    "kit routes shop.api:Orders shop.api:Users",
    "kit routes shop.api:Orders --json | jq '.[].pattern'",
    "kit routes shop.api:Orders --openapi --title Shop > openapi.json",
)


@click.command(cls=KitCommand, epilog=tell_usage(EXAMPLES))
@click.argument("resources", metavar="MODULE:RESOURCE...", nargs=-1, required=True, type=RESOURCE)
@click.option("--json", "is_json", is_flag=True, help="Write a JSON array, an object per route.")
@click.option("--openapi", "is_openapi", is_flag=True, help="Write an OpenAPI 3.1 document.")
@click.option("--title", help="With --openapi: the API's title.  [default: the resources' names]")
@click.option("--api-version", help="With --openapi: the API's version.  [default: 0]")
def routes(
    resources: tuple[kit.Resource, ...],
    *,
    is_json: bool,
    is_openapi: bool,
    title: str | None,
    api_version: str | None,
) -> None:
    """List the routes of resources, in the order they are matched.

    The table has what the decorators `header` and `param` document; so has the
    OpenAPI document, beside the paths.
    """
    if is_json and is_openapi:
        raise click.UsageError("give either --json or --openapi")
    if (title or api_version) and not is_openapi:
        raise click.UsageError("--title and --api-version belong to an OpenAPI document: --openapi")
    listed = register_all(resources).routes()
    if is_openapi:
        named = title or ", ".join(dict.fromkeys(type(each).__name__ for each in resources))
        document = describe_api(listed, title=named, version=api_version or "0")
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(format_json(listed) if is_json else format_table(listed))
