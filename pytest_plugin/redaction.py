"""`--kit-redact`: names that stand for secrets in all that a run writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import kit


def add_options(parser: pytest.Parser) -> None:
    """Declare the option and its ini key."""
    parser.getgroup("kit").addoption(
        "--kit-redact",
        metavar="NAME",
        action="append",
        help="take out what stands under this name, of a field, a parameter or a member, in "
        "recordings, the report and the HAR, beside the usual ones; may be given several times",
    )
    parser.addini("kit_redact", "as --kit-redact, a name per line", type="linelist", default=[])


def install(config: pytest.Config) -> None:
    """See that the names are such.

    Raises:
        pytest.UsageError: one is empty.
    """
    for name in list_names(config):
        if not name.strip("-_. \t"):
            raise pytest.UsageError(f"--kit-redact (ini: kit_redact) takes names, not {name!r}")


def list_names(config: pytest.Config) -> list[str]:
    """Return the names that the command line and the ini file give, one after the other."""
    return [*config.getini("kit_redact"), *(config.getoption("kit_redact") or ())]


def make_redaction(config: pytest.Config, given: Any = ()) -> kit.Redaction | None:
    """Make the redaction of a test, whose marker or fixture says `redact`; None for none."""
    import kit

    if given is False:
        return None
    if given is True:
        redaction = kit.Redaction()
    elif isinstance(given, kit.Redaction):
        redaction = given
    else:
        redaction = kit.Redaction(names=[given] if isinstance(given, str) else given)
    names = list_names(config)
    return redaction.extend(names=names) if names else redaction
