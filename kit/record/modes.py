"""What a cassette plays, and what it records."""

from __future__ import annotations

from typing import Literal, get_args

from kit.errors import ConfigurationError

Mode = Literal["none", "once", "new_episodes", "all", "rewrite", "verify"]


def check_mode(mode: object) -> Mode:
    """Return the mode, if there is such a one.

    Raises:
        ConfigurationError: there is not.
    """
    if mode not in get_args(Mode):
        known = ", ".join(f'"{each}"' for each in get_args(Mode))
        raise ConfigurationError(f"mode is one of {known}, not {mode!r}")
    checked: Mode = mode  # type: ignore[assignment]  # just compared
    return checked
