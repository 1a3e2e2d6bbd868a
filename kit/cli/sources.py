"""What is served: resources of modules, stub files and recordings, loaded anew on demand."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import kit
from kit.cli.targets import TargetError, is_own_source, load_resource, register_all
from kit.expect import StubBook, files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType


RECORDING_SUFFIX = ".har"


class Mock(NamedTuple):
    """What a mock backend answers with.

    Attributes:
        router: the resources' routes, and the recording behind them.
        stubs: the stubs, which stand before the routes.
        recordings: what the recording holds.
        files: what was read for it.
    """

    router: kit.Router
    stubs: StubBook
    recordings: tuple[kit.har.Entry, ...]
    files: list[Path]


class Replay(NamedTuple):
    """How a recording is played; see `kit.Cassette`."""

    reuse: Any = "repeat_last"
    pace: Any = "causal"


class Sources:
    """The arguments of `kit serve`.

    Args:
        texts: `module:Resource`, or paths of stub files and of one recording.
        replay: how the recording is played.

    Raises:
        TargetError: there are several recordings.
    """

    def __init__(self, texts: Iterable[str], replay: Replay | None = None) -> None:
        self._texts = list(texts)
        self._replay = replay or Replay()
        given = [text for text in self._texts if _is_recording(text)]
        if len(given) > 1:
            raise TargetError(f"one recording can be served, not {len(given)}: {', '.join(given)}")
        self._modules: dict[str, ModuleType] = {}
        # Modules that were there before belong to the command itself.
        self._others = frozenset(sys.modules)

    def load(self) -> Mock:
        """Load everything as it is now.

        If something fails, the modules are again those that were loaded before.

        Raises:
            TargetError: a resource cannot be imported.
            KitError: a route is malformed, or a file cannot be read.
        """
        stubs, resources, read = StubBook(), [], []
        cassette: kit.Cassette | None = None
        with self._fresh_modules():
            for text in self._texts:
                if Path(text).suffix.lower() in files.SUFFIXES:
                    read += files.load(text, stubs).files
                elif _is_recording(text):
                    cassette = self._open(Path(text))
                    read.append(cassette.path)
                else:
                    resources.append(load_resource(text))
            router = register_all(resources)
        router.fallback = cassette
        recordings = cassette.entries if cassette is not None else ()
        return Mock(router, stubs, recordings, [*read, *self._list_module_files()])

    def _open(self, path: Path) -> kit.Cassette:
        if not path.is_file():
            raise kit.RecordingError(str(path), "there is no such file")
        reuse, pace = self._replay
        return kit.Cassette(path, mode="none", reuse=reuse, pace=pace)

    @contextmanager
    def _fresh_modules(self) -> Iterator[None]:
        before, self._modules = self._modules, {}
        # A file that was made since the directory was listed would not be found.
        importlib.invalidate_caches()
        for name in before:
            sys.modules.pop(name, None)
        try:
            yield
        except BaseException:
            for name in self._find_modules():
                del sys.modules[name]
            sys.modules.update(before)
            self._modules = before
            raise
        self._modules = self._find_modules()

    def _find_modules(self) -> dict[str, ModuleType]:
        """Find the modules that were imported for the resources and are not installed ones."""
        return {
            name: module
            for name, module in list(sys.modules.items())
            if name not in self._others and _find_file(module) is not None
        }

    def _list_module_files(self) -> list[Path]:
        found = (_find_file(module) for module in self._modules.values())
        return [file for file in found if file is not None]


def list_files(error: Exception) -> tuple[Path, ...]:
    """Return the files that an error of `Sources.load` came from, as far as it knows."""
    return error.files if isinstance(error, TargetError) else ()


def _is_recording(text: str) -> bool:
    return Path(text).suffix.lower() == RECORDING_SUFFIX


def _find_file(module: ModuleType) -> Path | None:
    name = getattr(module, "__file__", None)
    if not isinstance(name, str):
        return None
    path = Path(name).absolute()
    return path if is_own_source(path) else None
