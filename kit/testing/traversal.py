"""Assertions on functions that keep file names inside a directory."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit.errors import ConfigurationError
from kit.paths import path_join_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_CORPUS = "traversal.json"
_ORDINARY = "inside.txt"
_SHOWN = 100


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


def load_corpus() -> list[HostileName]:
    """Return the names that come with wirekit.

    Raises:
        ConfigurationError: the corpus is not installed.
    """
    entries = json.loads(_read_corpus())["names"]
    return [HostileName(entry["name"], entry["why"], entry["source"]) for entry in entries]


def assert_guarded(
    guard: Callable[[str, str], object] = path_join_safe,
    *,
    root: str | os.PathLike[str] | None = None,
    corpus: Iterable[str | HostileName] | None = None,
) -> None:
    """Assert that a function lets no hostile file name out of a directory.

    Each name must be refused, by an exception or by None, or be turned into a
    path that really lies inside the root, symbolic links followed. An ordinary
    name must get through. No file is opened.

    Args:
        guard: called as `guard(root, name)`, returns a path.
        root: the directory; it should hold a file `inside.txt`. By default a
            temporary one with symbolic links that leave it, beside a sibling
            whose name begins like its own.
        corpus: the names to try; by default `load_corpus()`.

    Raises:
        AssertionError: some name leaves the root; the text lists all that do.
        ConfigurationError: the corpus is empty, or the root is no directory.
    """
    __tracebackhide__ = True
    names = [_as_hostile(name) for name in (load_corpus() if corpus is None else corpus)]
    if not names:
        msg = "the corpus is empty: assert_guarded would prove nothing"
        raise ConfigurationError(msg)
    with _temporary_layout() if root is None else _given_root(root) as directory:
        refusal = _find_refusal(guard, directory)
        leaks = [found for name in names if (found := _find_leak(guard, directory, name))]
    if refusal is not None:
        raise AssertionError(refusal)
    if leaks:
        of_all = f"{len(leaks)} of {len(names)} hostile names"
        head = f"{_name_guard(guard)} lets {of_all} out of {directory}:"
        raise AssertionError("\n".join([head, *leaks]))


def _as_hostile(name: str | HostileName) -> HostileName:
    return HostileName(name) if isinstance(name, str) else name


@contextmanager
def _given_root(root: str | os.PathLike[str]) -> Iterator[str]:
    directory = os.fspath(root)
    if not Path(directory).is_dir():
        msg = f"root {directory!r} is not a directory"
        raise ConfigurationError(msg)
    yield directory


@contextmanager
def _temporary_layout() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="kit-guard-") as base:
        root = Path(base, "files")
        folder = root / "folder"
        private = Path(base, "files-private")
        folder.mkdir(parents=True)
        private.mkdir()
        for file in (root / _ORDINARY, folder / _ORDINARY):
            file.write_text("inside\n")
        for canary in (Path(base, "canary.txt"), private / "canary.txt"):
            canary.write_text("outside\n")
        _make_links(root, folder)
        yield str(root)


def _make_links(root: Path, folder: Path) -> None:
    links = {
        root / "leaving.txt": Path("..", "canary.txt"),
        root / "leaving": Path(".."),
        root / "leaving-private": Path("..", "files-private"),
        root / "chained": Path("leaving"),
        root / "inward": Path("folder"),
        folder / "leaving": Path("..", ".."),
    }
    for link, target in links.items():
        try:
            link.symlink_to(target)
        except OSError:
            # Windows asks for a privilege. The names that go through a link then
            # name files that are not there, which is hostile in other ways.
            return


def _find_refusal(guard: Callable[[str, str], object], root: str) -> str | None:
    if not Path(root, _ORDINARY).exists():
        return None
    ask = f"{_name_guard(guard)} refuses even the ordinary name {_ORDINARY!r}"
    try:
        path = guard(root, _ORDINARY)
    except Exception as error:  # noqa: BLE001 - any exception is a refusal
        return f"{ask}: it raised {type(error).__name__}: {error}"
    if path is None:
        return f"{ask}: it returned None"
    if not isinstance(path, str | bytes | os.PathLike):
        return (
            f"{_name_guard(guard)} returned {type(path).__name__} for {_ORDINARY!r}: expected "
            "a path, or None or an exception where it refuses"
        )
    return None


def _find_leak(guard: Callable[[str, str], object], root: str, hostile: HostileName) -> str:
    outside = str(Path(root).resolve().parent / "canary.txt")
    name = hostile.name.replace("{root}", root).replace("{outside}", outside)
    try:
        path = guard(root, name)
    except Exception:  # noqa: BLE001 - any exception is a refusal
        return ""
    if path is None:
        return ""
    escape = _describe_escape(path, root)
    if not escape:
        return ""
    origin = f"; {hostile.source}" if hostile.source else ""
    return f"  {_shorten(repr(name))} -> {escape} ({hostile.why}{origin})"


def _describe_escape(path: object, root: str) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        return f"{type(path).__name__}, which is no path"
    text = os.fsdecode(path)
    if "\0" in text:
        return f"{_shorten(repr(text))}, which C code reads only up to the NUL"
    real_root = os.path.realpath(root)
    try:
        real = os.path.realpath(text)
        is_inside = os.path.commonpath([real, real_root]) == real_root
    except (OSError, ValueError):
        # It cannot be resolved, so no file can be opened by it either.
        return ""
    if is_inside:
        return ""
    return _shorten(real if real.isprintable() else repr(real))


def _name_guard(guard: Callable[[str, str], object]) -> str:
    name = getattr(guard, "__qualname__", None)
    return repr(guard) if name is None else f"{guard.__module__}.{name}"


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


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
