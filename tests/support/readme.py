"""README.md as its sections, with the blocks of code in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

_FENCE = re.compile(r"^```(\w*)$")
_HEADING = re.compile(r"^##+ (.+)$")
_FILE_NAME = re.compile(r"\A(?:#|//) ([\w./-]+\.\w+)\n")
_PROGRAM = re.compile(r"""\[\s*["'](curl|node)["']""")
_VARYING = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:0"),
    (re.compile(r"\b\d+(?:\.\d+)?( ?(?:ms|s)\b)"), r"0\1"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
    # Columns are as wide as their longest value.
    (re.compile(r"(?<=\S) {2,}"), "  "),
)


class Block(NamedTuple):
    """A fenced block of code.

    Attributes:
        line: the number of its first line in the file.
    """

    language: str
    text: str
    line: int

    @property
    def file_name(self) -> str | None:
        """The file that its first line, a comment, says it is."""
        found = _FILE_NAME.match(self.text)
        return found[1] if found else None

    @property
    def is_test(self) -> bool:
        """Whether it has tests for pytest."""
        return self.language == "python" and any(
            name.startswith("test_") for name in _list_functions(self.text)
        )

    def list_modules(self) -> set[str]:
        """Name the top-level modules that it imports."""
        found: set[str] = set()
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
        return found

    def list_programs(self) -> set[str]:
        """Name the programs that it runs, and that a machine may not have."""
        if self.language == "sh":
            return {command.split()[0] for command in self.list_commands()}
        return set(_PROGRAM.findall(self.text))

    def list_commands(self) -> list[str]:
        """Return its commands, one a line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line and not line.startswith("#")]


class Section(NamedTuple):
    """What stands below a heading, down to the next of whatever level."""

    title: str
    blocks: tuple[Block, ...]

    def list_blocks(self, *languages: str) -> list[Block]:
        """Return the blocks in these languages."""
        return [block for block in self.blocks if block.language in languages]


def read_sections(text: str) -> list[Section]:
    """Cut a Markdown text into its sections; what stands before the first is none."""
    sections: list[Section] = []
    for title, blocks in _walk(text):
        if blocks is None:
            sections.append(Section(title, ()))
        elif sections:
            last = sections[-1]
            sections[-1] = Section(last.title, (*last.blocks, *blocks))
    return sections


def _walk(text: str) -> Iterator[tuple[str, list[Block] | None]]:
    """Yield a heading with None, or a block."""
    lines = iter(enumerate(text.splitlines(), 1))
    for _, line in lines:
        if heading := _HEADING.match(line):
            yield heading[1], None
        elif fence := _FENCE.match(line):
            yield "", [_read_block(fence[1], lines)]


def _read_block(language: str, lines: Iterator[tuple[int, str]]) -> Block:
    inner: list[str] = []
    first = 0
    for number, line in lines:
        first = first or number
        if line == "```":
            return Block(language, "".join(f"{each}\n" for each in inner), first)
        inner.append(line)
    raise ValueError(f"the block at line {first} has no end")


def _list_functions(source: str) -> list[str]:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, functions)]


def is_told(shown: str, output: str) -> bool:
    """Tell whether an output has the lines that are shown, ports and durations aside.

    `…` stands for anything in a line, and as a line of its own for any lines.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in level_out(shown).splitlines()
    )
    return re.search(f"^{pattern}", level_out(f"{output}\n"), re.MULTILINE) is not None


def level_out(text: str) -> str:
    """Replace what differs from run to run."""
    for varying, fixed in _VARYING:
        text = varying.sub(fixed, text)
    return text
