"""The file names that come with wirekit, each hostile in a way of its own."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from kit.errors import ConfigurationError

_CORPUS = "traversal.json"


class HostileName(NamedTuple):
    """One file name of the corpus.

    Attributes:
        name: the name; {root} and {outside} stand for the absolute paths of the
            root and of a file outside it.
        why: what makes it hostile.
        source: the weakness it stands for.
    """

    name: str
    why: str = "given by the test"
    source: str = ""

    @property
    def origin(self) -> str:
        """What makes it hostile, and the weakness."""
        return f"{self.why}; {self.source}" if self.source else self.why


def load_corpus() -> list[HostileName]:
    """Return the names that come with wirekit.

    Raises:
        ConfigurationError: the corpus is not installed.
    """
    entries = json.loads(_read_corpus())["names"]
    return [HostileName(entry["name"], entry["why"], entry["source"]) for entry in entries]


def _read_corpus() -> str:
    installed = resources.files("kit.testing").joinpath(_CORPUS)
    if installed.is_file():
        return installed.read_text(encoding="utf-8")
    # A checkout keeps its sample data in one place, from where the wheel takes it.
    checkout = Path(__file__).resolve().parents[2] / "fixtures" / _CORPUS
    if checkout.is_file():
        return checkout.read_text(encoding="utf-8")
    msg = f"the corpus {_CORPUS} is missing from the installation: reinstall wirekit"
    raise ConfigurationError(msg)
