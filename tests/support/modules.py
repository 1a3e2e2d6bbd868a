"""The modules of a source tree and what each of them imports, read without running them."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True, slots=True)
class Import:
    """One imported name.

    Attributes:
        target: the dotted name as far as it names a module.
        name: what was taken out of that module, "" for the module itself.
        is_lazy: it stands in a function.
        is_type_only: it stands under `if TYPE_CHECKING`.
    """

    target: str
    name: str
    line: int
    is_lazy: bool
    is_type_only: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Module:
    """One source file."""

    name: str
    path: Path
    line_count: int
    imports: tuple[Import, ...]

    def at(self, imported: Import) -> str:
        """Tell where an import stands."""
        return f"{self.name}:{imported.line}"


def read_modules(root: Path, *packages: str) -> dict[str, Module]:
    """Return the modules of the packages under `root`, by dotted name."""
    paths = {
        _dotted_name(root, path): path
        for package in packages
        for path in sorted((root / package).rglob("*.py"))
    }
    return {name: _read_module(name, path, frozenset(paths)) for name, path in paths.items()}


def find_circle(edges: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one circle, the first again at the end; [] if there is none."""
    finished: set[str] = set()
    trail: list[str] = []

    def visit(node: str) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in finished:
            return []
        trail.append(node)
        for after in sorted(edges.get(node, ())):
            if circle := visit(after):
                return circle
        trail.pop()
        finished.add(node)
        return []

    for start in sorted(edges):
        if circle := visit(start):
            return circle
    return []


def _dotted_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read_module(name: str, path: Path, known: frozenset[str]) -> Module:
    source = path.read_text(encoding="utf-8")
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = _walk(ast.parse(source, str(path)), package, known, is_lazy=False, is_type_only=False)
    return Module(name, path, len(source.splitlines()), tuple(found))


def _walk(
    node: ast.AST, package: str, known: frozenset[str], *, is_lazy: bool, is_type_only: bool
) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, "", child.lineno, is_lazy, is_type_only)
        elif isinstance(child, ast.ImportFrom):
            for target, name in _resolve(child, package, known):
                yield Import(target, name, child.lineno, is_lazy, is_type_only)
        else:
            yield from _walk(
                child,
                package,
                known,
                is_lazy=is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef),
                is_type_only=is_type_only or _is_type_checking(child),
            )


def _resolve(
    node: ast.ImportFrom, package: str, known: frozenset[str]
) -> Iterator[tuple[str, str]]:
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, *([base] if base else [])])
    for alias in node.names:
        submodule = f"{base}.{alias.name}"
        yield (submodule, "") if submodule in known else (base, alias.name)


def _is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
