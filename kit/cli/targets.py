"""From `module:Resource` to a resource."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

import kit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    _ResourceParameter = click.ParamType[kit.Resource, Any]
else:
    _ResourceParameter = click.ParamType  # not generic before click 8.4


_INSTALLED = (
    Path(kit.__file__).parent,
    *(Path(sysconfig.get_path(each)) for each in ("stdlib", "platstdlib", "purelib", "platlib")),
)


class ResourceType(_ResourceParameter):
    """A parameter that names a resource to import."""

    name = "module:resource"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> kit.Resource:
        """Import the resource, or fail with what was tried."""
        if isinstance(value, kit.Resource):
            return value
        try:
            return load_resource(value)
        except TargetError as error:
            self.fail(str(error), param, ctx)


RESOURCE = ResourceType()


class TargetError(Exception):
    """A target names nothing that can be served.

    Attributes:
        files: the source files in which importing it went wrong.
    """

    def __init__(self, text: str, files: Iterable[Path] = ()) -> None:
        self.files: tuple[Path, ...] = tuple(files)
        super().__init__(text)


def load_resource(target: str) -> kit.Resource:
    """Import `module:Resource`; a class is called without arguments.

    Raises:
        TargetError: it cannot be; the text says why and what would work.
    """
    module_name, colon, path = target.partition(":")
    if module_name.endswith(".py") or "/" in module_name or "\\" in module_name:
        _fail(f"{target!r}: give the module's name as in an import, not a file: shop.api:Orders")
    module = _import_module(module_name, target)
    if not colon or not path:
        found = ", ".join(f"{module_name}:{name}" for name in _resource_names(module))
        hint = f"name one: {found}" if found else f"and {module_name} has none"
        _fail(f"{target!r} lacks the resource's name, {hint}")
    found_object: Any = module
    for name in path.split("."):
        found_object = _find_attribute(found_object, name, target)
    return _make_resource(found_object, target)


def register_all(resources: Iterable[kit.Resource]) -> kit.Router:
    """Put resources into one router.

    Raises:
        click.ClickException: a route is malformed.
    """
    router = kit.Router()
    for resource in resources:
        try:
            router.registerRoutes(resource)
        except kit.KitError as error:
            msg = f"{type(resource).__qualname__}: {error}"
            raise click.ClickException(msg) from error
    return router


def _import_module(name: str, target: str) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109  an entry of sys.path is a str
    if here not in sys.path:
        sys.path.insert(0, here)
    if not all(part.isidentifier() for part in name.split(".")):
        _fail(f"{target!r}: {name!r} is not the name of a module; expected module:Resource")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            _fail(f"{target!r}: no module named {error.name!r} in {here} nor elsewhere on sys.path")
        _fail(f"{target!r}: importing {name} failed: {_describe(error)}", error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the module's code may raise anything
        _fail(f"{target!r}: importing {name} failed: {_describe(error)}", error)


def _describe(error: BaseException) -> str:
    """Tell an exception with the line that raised it."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) or not frames or frames[-1].filename == __file__:
        return text
    return f"{text} ({frames[-1].filename}, line {frames[-1].lineno})"


def _find_attribute(owner: Any, name: str, target: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        resources = _resource_names(owner)
        public = [each for each in dir(owner) if not each.startswith("_")]
        choice = (
            difflib.get_close_matches(name, resources)
            or difflib.get_close_matches(name, public)
            or resources
        )
        hint = f"; did you mean {' or '.join(choice)}?" if choice else ""
        _fail(f"{target!r}: {_name_of(owner)} has no {name!r}{hint}")


def _resource_names(owner: Any) -> list[str]:
    def is_resource(value: Any) -> bool:
        is_class = isinstance(value, type) and issubclass(value, kit.Resource)
        return (is_class and value is not kit.Resource) or isinstance(value, kit.Resource)

    return [name for name, value in vars(owner).items() if is_resource(value)]


def _make_resource(found: Any, target: str) -> kit.Resource:
    if isinstance(found, kit.Resource):
        return found
    if not (isinstance(found, type) and issubclass(found, kit.Resource)):
        kind = f"the class {_name_of(found)}" if isinstance(found, type) else type(found).__name__
        _fail(f"{target!r} is {kind}, expected a subclass of kit.Resource or an instance of one")
    try:
        return found()
    except (Exception, SystemExit) as error:  # noqa: BLE001  the class's code may raise anything
        _fail(
            f"{target!r}: calling {found.__qualname__}() failed: {_describe(error)}; "
            "if it needs arguments, name an instance instead",
            error,
        )


def _name_of(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or getattr(value, "__name__", value))


def _fail(text: str, error: BaseException | None = None) -> NoReturn:
    raise TargetError(text, _list_files(error)) from None


def _list_files(error: BaseException | None) -> list[Path]:
    if error is None:
        return []
    names = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        names.append(error.filename)
    files = [path for name in dict.fromkeys(names) if is_own_source(path := Path(name).absolute())]
    if isinstance(error, ModuleNotFoundError) and error.name:
        # Where it would be, so that somebody may wait for it.
        place = Path.cwd().joinpath(*error.name.split("."))
        files += [place.with_suffix(".py"), place / "__init__.py"]
    return files


def is_own_source(path: Path) -> bool:
    """Tell whether a file is somebody's own code: neither installed nor part of the kit."""
    return path.is_file() and not any(path.is_relative_to(place) for place in _INSTALLED)
