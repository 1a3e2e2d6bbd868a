"""A directory as an attacker would like it: links that leave it, and secrets around it."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDINARY = "inside.txt"
CANARY = "canary.txt"

_CONTENT_BYTES = 4096
_LEAST_BYTES = 8


class CanaryFiles(NamedTuple):
    """What `canary_files` has made.

    Attributes:
        root: the directory to serve. It holds `inside.txt`, a folder, and symbolic
            links that leave it.
        canary: a file beside the root, which must never be served.
    """

    root: Path
    canary: Path


@contextmanager
def canary_files(directory: str | os.PathLike[str] | None = None) -> Iterator[CanaryFiles]:
    """Make a directory to serve and a secret beside it; both are removed at the end.

    The names of the corpus fit it. Give what it yields to `assert_guarded`:

        with canary_files() as files:
            ...  # start the server with files.root
            assert_guarded(f"{url}/files/", canary=files)

    Args:
        directory: where to make them; a temporary directory's place if None.
    """
    with tempfile.TemporaryDirectory(prefix="kit-guard-", dir=directory) as base:
        root = Path(base, "files")
        folder = root / "folder"
        private = Path(base, "files-private")
        folder.mkdir(parents=True)
        private.mkdir()
        secret = make_secret("canary")
        for file in (root / ORDINARY, folder / ORDINARY):
            file.write_bytes(make_secret("inside"))
        for file in (Path(base, CANARY), private / CANARY):
            file.write_bytes(secret)
        _make_links(root, folder)
        yield CanaryFiles(root, Path(base, CANARY))


def _make_links(root: Path, folder: Path) -> None:
    links = {
        root / "leaving.txt": Path("..", CANARY),
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


class Bait(NamedTuple):
    """What a live target is tried with.

    Attributes:
        secret: what must not be in any answer.
        canary: the file that holds it; None where nobody knows.
        root: the directory that is served; None where nobody knows.
        ordinary: a name that must be served; None where nobody knows one.
        content: what is served for that name; None where nobody knows.
    """

    secret: bytes
    canary: Path | None = None
    root: Path | None = None
    ordinary: str | None = None
    content: bytes | None = None

    def fit(self, name: str) -> str | None:
        """Fit a name of the corpus to these files; None if it cannot be tried with them."""
        if name.startswith("/dev/"):
            # A server that does hand out /dev/zero would take all memory of the machine.
            return None
        canary, root = self.canary, self.root
        if "{outside}" in name:
            if canary is None:
                return None
            name = name.replace("{outside}", str(canary))
        if root is None:
            return None if "{root}" in name else self._fit_canary(name)
        name = name.replace("{root}", str(root)).replace("../files/", f"../{root.name}/")
        return self._fit_canary(name.replace("files-private", f"{root.name}-private"))

    def _fit_canary(self, name: str) -> str:
        return name if self.canary is None else name.replace(CANARY, self.canary.name)


@contextmanager
def lay_bait(
    root: str | os.PathLike[str] | None,
    canary: CanaryFiles | str | os.PathLike[str] | bytes | None,
    ordinary: str | None,
) -> Iterator[Bait]:
    """Take the canary that is given, or make one around the root.

    Raises:
        ConfigurationError: neither is given, or one cannot be used.
    """
    if isinstance(canary, CanaryFiles):
        content = (canary.root / ORDINARY).read_bytes()
        yield Bait(read_secret(canary.canary), canary.canary, canary.root, ORDINARY, content)
    elif isinstance(canary, bytes):
        yield Bait(_check_secret(canary, "canary"), None, _check_root(root), ordinary)
    elif canary is not None:
        path = Path(canary).absolute()
        yield Bait(read_secret(path), path, _check_root(root), ordinary)
    elif root is not None:
        directory = _check_root(root)
        assert directory is not None  # noqa: S101 - it was given
        with _surround(directory) as bait:
            yield bait if ordinary is None else bait._replace(ordinary=ordinary, content=None)
    else:
        msg = (
            "a URL needs a canary to look for: give canary=, a file beside the directory that is "
            "served (or its content as bytes), or root=, that directory, or use canary_files()"
        )
        raise ConfigurationError(msg)


@contextmanager
def _surround(root: Path) -> Iterator[Bait]:
    """Put files with names of their own into, beside and near a root, for a while."""
    mark = secrets.token_hex(4)
    secret, inside = make_secret("canary"), make_secret("inside")
    canary, ordinary = root.parent / f"canary-{mark}.txt", root / f"inside-{mark}.txt"
    private = root.parent / f"{root.name}-private"
    with ExitStack() as stack:
        if not private.exists():
            private.mkdir()
            stack.callback(private.rmdir)
        for path, content in (
            (ordinary, inside),
            (canary, secret),
            (private / canary.name, secret),
        ):
            stack.callback(path.unlink, missing_ok=True)
            path.write_bytes(content)
        yield Bait(secret, canary, root, ordinary.name, inside)


def make_secret(what: str) -> bytes:
    """Make a text that is found nowhere else."""
    return f"kit-{what}-{secrets.token_hex(16)}\n".encode()


def read_secret(path: Path) -> bytes:
    """Read what a canary holds, or the beginning of it."""
    try:
        with path.open("rb") as file:
            return _check_secret(file.read(_CONTENT_BYTES), f"canary {str(path)!r}")
    except OSError as error:
        msg = f"canary {str(path)!r} cannot be read: {error.strerror}: make it before"
        raise ConfigurationError(msg) from error


def _check_secret(content: bytes, what: str) -> bytes:
    if len(content.strip()) < _LEAST_BYTES:
        msg = (
            f"{what} must have at least {_LEAST_BYTES} bytes that are found nowhere else, "
            f"not {content!r}"
        )
        raise ConfigurationError(msg)
    return content.strip()


def _check_root(root: str | os.PathLike[str] | None) -> Path | None:
    return None if root is None else check_directory(root)


def check_directory(root: str | os.PathLike[str]) -> Path:
    """Return the directory's absolute path.

    Raises:
        ConfigurationError: it is none.
    """
    directory = os.fspath(root)
    if not Path(directory).is_dir():
        msg = f"root {directory!r} is not a directory"
        raise ConfigurationError(msg)
    return Path(directory).absolute()
