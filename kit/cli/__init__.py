"""The command line: `kit`.

- A module per command: `serve`, `record`, `view`, `har`, `routes`, `audit`.
- `targets`, `sources`: from `module:Resource` and files to what is served; `watching`:
  whether they have changed.
- `serving`, `log`, `trust`: a server until it is interrupted, and what is told of it;
  `listening`: where it listens.
- `listing`, `openapi`: routes and stubs, written down.
- `progress`: how far long work has come.
- `usage`: how commands fail, and what their help ends with.
"""

from __future__ import annotations

import click

import kit
from kit.cli import audit, har, record, routes, serve, view
from kit.cli.usage import KitGroup, tell_usage

EXAMPLES = (
    "kit serve shop.api:Orders stubs.yaml --tls --watch",
    "kit record --upstream https://api.example.com out.har",
    "kit view out.har",
    "kit routes shop.api:Orders --openapi",
    "kit audit http://127.0.0.1:8000/files/ --root ./files",
)


@click.group(
    cls=KitGroup,
    epilog=tell_usage(EXAMPLES, {0: "done, or interrupted while serving"}),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(kit.__version__, prog_name="kit", message="kit (wirekit) %(version)s")
def main() -> None:
    """Serve routes, stubs and recordings, and look at them.

    MODULE:RESOURCE names a subclass of kit.Resource, which is called without
    arguments, or an instance of one, for example "shop.api:Orders". Modules are
    looked for in the current directory first.
    """


for _command in (
    serve.serve,
    record.record,
    view.view,
    har.har,
    routes.routes,
    audit.audit,
):
    main.add_command(_command)
