"""Assertions that file names are kept inside a directory, by a function or by a server."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kit.errors import ConfigurationError, describe_error
from kit.paths import path_join_safe
from kit.testing.canaries import (
    ORDINARY,
    CanaryFiles,
    canary_files,
    check_directory,
    lay_bait,
    make_secret,
)
from kit.testing.corpus import HostileName, load_corpus
from kit.testing.text import shorten

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

DEFAULT_TIMEOUT_S = 5.0

_SHOWN = 100


def assert_guarded(
    target: Callable[[str, str], object] | str = path_join_safe,
    *,
    root: str | os.PathLike[str] | None = None,
    corpus: Iterable[str | HostileName] | None = None,
    canary: CanaryFiles | str | os.PathLike[str] | bytes | None = None,
    ordinary: str | None = None,
    headers: Mapping[str, str] | None = None,
    cafile: str | os.PathLike[str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = DEFAULT_TIMEOUT_S,
) -> None:
    """Assert that no hostile file name gets out of a directory.

    Of a function: each name must be refused, by an exception or by None, or be
    turned into a path that really lies inside the root, symbolic links followed.
    An ordinary name must get through. No file is opened.

    Of a live URL: each name is asked for by GET, as it is and percent-encoded in
    several ways, and no answer may hold the content of the canary, or of a system
    file that a name stands for. An ordinary name, where one is known, must be
    served. Redirects are not followed.

    Args:
        target: a function, called as `guard(root, name)`, that returns a path; or
            the http(s) URL under which files are served, to which the names are
            appended, or put in the place of `{name}`.
        root: the directory; of a function it is by default a temporary one with
            symbolic links that leave it, and where it has no file `inside.txt` one
            of a name of its own is made meanwhile. Around that of a URL files are made, and removed
            again, unless there is a canary.
        corpus: the names to try; by default `load_corpus()`.
        canary: for a URL: what `canary_files` has made; or the path of a file beside
            the directory that is served; or the content of such a file.
        ordinary: for a URL: a name that is served, to prove that others could be.
        headers: for a URL: header fields to send, for example Authorization.
        cafile: for a URL: path of the CA certificates to trust, PEM.
        ssl_context: for what a path can't say.
        timeout: for a URL: seconds to wait for an answer.

    Raises:
        AssertionError: some name gets out; the text lists all that do.
        ConfigurationError: an argument cannot work, or nothing would be proved.
    """
    __tracebackhide__ = True
    names = [_as_hostile(name) for name in (load_corpus() if corpus is None else corpus)]
    if not names:
        msg = "the corpus is empty: assert_guarded would prove nothing"
        raise ConfigurationError(msg)
    if isinstance(target, str):
        from kit.testing.live_guard import LiveTarget, find_live_leaks

        live = LiveTarget(target, headers, cafile, ssl_context, timeout)
        with lay_bait(root, canary, ordinary) as bait:
            head, leaks = find_live_leaks(live, bait, names)
    else:
        extra = {"canary": canary, "ordinary": ordinary, "headers": headers, "cafile": cafile}
        _check_none_given(extra | {"ssl_context": ssl_context})
        head, leaks = _find_leaks(target, root, names)
    if head:
        raise AssertionError("\n".join([head, *leaks]))


def _check_none_given(arguments: Mapping[str, object]) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        msg = f"{' and '.join(given)} can be given for a URL only, not for a function"
        raise ConfigurationError(msg)


def _find_leaks(
    guard: Callable[[str, str], object],
    root: str | os.PathLike[str] | None,
    names: Sequence[HostileName],
) -> tuple[str, list[str]]:
    files = _temporary_root() if root is None else _given_root(root)
    with files as (directory, ordinary):
        refusal = _find_refusal(guard, directory, ordinary)
        if refusal is not None:
            return refusal, []
        leaks = [found for name in names if (found := _find_leak(guard, directory, name))]
    if not leaks:
        return "", []
    of_all = f"{len(leaks)} of {len(names)} hostile names"
    return f"{_name_guard(guard)} lets {of_all} out of {directory}:", leaks


def _as_hostile(name: str | HostileName) -> HostileName:
    return HostileName(name) if isinstance(name, str) else name


@contextmanager
def _given_root(root: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    directory = check_directory(root)
    if (directory / ORDINARY).is_file():
        yield os.fspath(root), ORDINARY
        return
    # Of a name of its own, as another process may guard the same directory meanwhile.
    named = directory / ORDINARY
    ordinary = named.with_stem(f"{named.stem}-{secrets.token_hex(4)}")
    try:
        with ordinary.open("xb") as file:  # never through a link
            file.write(make_secret("inside"))
    except OSError as error:
        msg = (
            f"no file can be made in {os.fspath(root)!r}: {error.strerror}: assert_guarded needs "
            f"an ordinary one there, such as {ORDINARY!r}, or would prove nothing"
        )
        raise ConfigurationError(msg) from error
    try:
        yield os.fspath(root), ordinary.name
    finally:
        ordinary.unlink(missing_ok=True)


@contextmanager
def _temporary_root() -> Iterator[tuple[str, str]]:
    with canary_files() as files:
        yield str(files.root), ORDINARY


def _find_refusal(guard: Callable[[str, str], object], root: str, ordinary: str) -> str | None:
    ask = f"{_name_guard(guard)} refuses even the ordinary name {ordinary!r}"
    try:
        path = guard(root, ordinary)
    except Exception as error:  # noqa: BLE001 - any exception is a refusal
        return f"{ask}: it raised {describe_error(error)}"
    if path is None:
        return f"{ask}: it returned None"
    if not isinstance(path, str | bytes | os.PathLike):
        return (
            f"{_name_guard(guard)} returned {type(path).__name__} for {ordinary!r}: expected "
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
    return f"  {shorten(repr(name), _SHOWN)} -> {escape} ({hostile.origin})"


def _describe_escape(path: object, root: str) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        return f"{type(path).__name__}, which is no path"
    text = os.fsdecode(path)
    if "\0" in text:
        return f"{shorten(repr(text), _SHOWN)}, which C code reads only up to the NUL"
    real_root = os.path.realpath(root)
    try:
        real = os.path.realpath(text)
        is_inside = os.path.commonpath([real, real_root]) == real_root
    except (OSError, ValueError):
        # It cannot be resolved, so no file can be opened by it either.
        return ""
    if is_inside:
        return ""
    return shorten(real if real.isprintable() else repr(real), _SHOWN)


def _name_guard(guard: Callable[[str, str], object]) -> str:
    name = getattr(guard, "__qualname__", None)
    return repr(guard) if name is None else f"{guard.__module__}.{name}"
