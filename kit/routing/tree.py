"""The lookup structure: which of many patterns, the first registered, takes a path.

Patterns hang in a tree with a level per component, where a node has children by
static text and one more for a wildcard. Every node is reached on one way only, so a
lookup visits each at most once, however the patterns are interleaved, and it leaves
out subtrees in which everything was registered later than what it has found. Most
lookups never come to a fork and are a walk straight down; a wholly static pattern
that nothing registered earlier covers is found by its text at once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kit.routing.patterns import Pattern, split_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.routing.endpoint import Endpoint

Found = tuple["Endpoint", dict[str, str]]


class _Leaf:
    """The end of a pattern: what it leads to, and where its names stand in a path."""

    __slots__ = ("depth", "endpoint", "name", "order", "run", "wilds")

    def __init__(self, order: int, pattern: Pattern, endpoint: Endpoint) -> None:
        self.order = order
        self.endpoint = endpoint
        self.run = pattern.run
        self.depth = len(pattern.components)
        wilds = [index for index, text in enumerate(pattern.components) if text is None]
        self.wilds = tuple(zip(pattern.names, wilds, strict=False))
        self.name = pattern.names[-1] if pattern.names else ""

    def read(self, parts: list[str]) -> Found:
        """Pair the endpoint with the wildcards' values."""
        matches = {}
        # Quicker than a comprehension, which costs a call (before Python 3.12).
        for name, index in self.wilds:
            matches[name] = parts[index]
        if self.run:
            matches[self.name] = "/".join(parts[self.depth :])
        return self.endpoint, matches


class _Node:
    """The patterns that have their first components in common."""

    __slots__ = (
        "children",
        "depth",
        "is_fork",
        "leaf",
        "least",
        "least_run_of_child",
        "only_wild",
        "runs",
        "wild",
    )

    def __init__(self, depth: int, least: int) -> None:
        self.depth = depth
        """How many components lead here."""
        self.least = least
        """The earliest order of all leaves here and below."""
        self.children: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.leaf: _Leaf | None = None
        self.runs: list[_Leaf] = []
        self.least_run_of_child = sys.maxsize
        """The earliest order of all runs that begin right below a child by text."""
        self.is_fork = False
        """Whether there is more to look at here than one child by its text."""
        self.only_wild: _Node | None = None
        """`wild`, where that is all there is to look at besides."""

    def grow(self, text: str | None, order: int) -> _Node:
        """Find the node of the next component, or make it."""
        following = self.wild if text is None else self.children.get(text)
        if following is not None:
            return following
        following = _Node(self.depth + 1, order)
        if text is None:
            self.wild = following
            self.is_fork = True
            self.only_wild = None if self.runs else following
        else:
            self.children[text] = following
        return following

    def end(self, leaf: _Leaf) -> None:
        """Let a pattern end here. Of two equal ones the later can never be first."""
        if not leaf.run:
            self.leaf = self.leaf or leaf
        elif all(leaf.run != other.run for other in self.runs):
            self.runs.append(leaf)
            self.is_fork = True
            self.only_wild = None

    def leads_aside_before(self, order: int) -> bool:
        """Tell whether an earlier leaf than `order` might take a path into a child."""
        if self.wild is not None and self.wild.least < order:
            return True
        return any(leaf.order < order for leaf in self.runs)

    def ends_before(self, order: int) -> bool:
        """Tell whether an earlier leaf than `order` takes a path that ends here."""
        if self.leaf is not None and self.leaf.order < order:
            return True
        return any(leaf.order < order for leaf in self.runs)


class Tree:
    """Finds the first registered endpoint for a path. It never changes once built.

    Two dictionaries stand before the tree, for paths without a percent escape: one
    from whole paths, for patterns without a wildcard, and one from all but the last
    component, for patterns whose last component is the only wildcard. Both hold
    only patterns that no earlier one of another shape could hide. Static patterns
    need not be looked at for the second one, as the first is asked before.
    """

    __slots__ = ("_by_prefix", "_by_text", "_root")

    def __init__(self, entries: Iterable[tuple[int, Pattern, Endpoint]]) -> None:
        """Build the tree from (order, pattern, endpoint), sorted by order."""
        self._root = _Node(0, 0)
        self._by_text: dict[str, Endpoint] = {}
        self._by_prefix: dict[str, _Leaf] = {}
        leaves = [(pattern, _Leaf(order, pattern, each)) for order, pattern, each in entries]
        for pattern, leaf in leaves:
            self._add(pattern, leaf)
        for pattern, leaf in leaves:
            self._add_shortcut(pattern, leaf)

    def _add(self, pattern: Pattern, leaf: _Leaf) -> None:
        node = parent = self._root
        for text in pattern.components:
            parent, node = node, node.grow(text, leaf.order)
        node.end(leaf)
        if leaf.run and pattern.components[-1] is not None:
            parent.least_run_of_child = min(parent.least_run_of_child, leaf.order)

    def _add_shortcut(self, pattern: Pattern, leaf: _Leaf) -> None:
        """Enter a pattern into one of the dictionaries if nothing earlier can hide it."""
        *fixed, last = pattern.components
        texts = [text for text in fixed if text is not None]
        order = leaf.order
        if pattern.run or len(texts) < len(fixed):
            return
        # A component with either sign never comes from a path without an escape.
        if any("/" in text or "%" in text for text in (*texts, last or "")):
            return
        node = self._root
        for text in texts:
            if node.leads_aside_before(order):
                return
            node = node.children[text]
        if any(run.order < order for run in node.runs):
            return
        wild = node.wild
        if last is None:
            # An earlier static pattern is found by its text before: were it hidden by
            # something earlier still, then that would hide this one as well.
            is_first = wild is not None and wild.leaf is leaf and not wild.ends_before(order)
            if is_first and node.least_run_of_child > order:
                self._by_prefix["/".join(texts)] = leaf
            return
        child = node.children[last]
        is_hidden = wild is not None and wild.ends_before(order) and bool(last)
        if child.leaf is leaf and not child.ends_before(order) and not is_hidden:
            self._by_text["/".join((*texts, last))] = leaf.endpoint

    def find(self, path: str) -> Found | None:
        """Find the first registered endpoint, and the wildcards' decoded values.

        Raises:
            RemoteProtocolError: the path cannot be decoded (status 400).
        """
        endpoint = self._by_text.get(path)
        if endpoint is not None:
            return endpoint, {}
        if "%" in path or not path:
            return self._walk(split_path(path))
        prefix, slash, last = path.rpartition("/")
        leaf = self._by_prefix.get(prefix)
        if leaf is not None and last and slash:
            return leaf.endpoint, {leaf.name: last}
        return self._walk(path.split("/"))

    def _walk(self, parts: list[str]) -> Found | None:
        """Go straight down as far as there is no choice."""
        node = self._root
        for part in parts:
            following = node.children.get(part)
            if following is None:
                following = node.only_wild
                if following is None or not part:
                    return self._search(parts, node) if node.is_fork else None
            elif node.is_fork:
                return self._search(parts, node)
            node = following
        if node.runs:
            return self._search(parts, node)
        leaf = node.leaf
        return None if leaf is None else leaf.read(parts)

    def _search(self, parts: list[str], start: _Node) -> Found | None:
        """Find the first registered leaf at or below a node."""
        size = len(parts)
        filled_from = _find_filled_tail(parts)
        best: _Leaf | None = None
        stack = [start]
        while stack:
            node = stack.pop()
            depth = node.depth
            if best is not None and node.least > best.order:
                continue
            if node.runs:
                best = _first(best, *_matching_runs(node.runs, parts, depth, filled_from))
            if depth == size:
                best = _first(best, node.leaf)
                continue
            part = parts[depth]
            child = node.children.get(part)
            wild = node.wild if part else None
            if child is None or wild is None:
                following = child or wild
                if following is not None:
                    stack.append(following)
            else:
                stack += (wild, child) if child.least < wild.least else (child, wild)
        return None if best is None else best.read(parts)


def _first(best: _Leaf | None, *others: _Leaf | None) -> _Leaf | None:
    for other in others:
        if other is not None and (best is None or other.order < best.order):
            best = other
    return best


def _find_filled_tail(parts: list[str]) -> int:
    """Find the index behind the last empty component."""
    index = len(parts)
    while index and parts[index - 1]:
        index -= 1
    return index


def _matching_runs(
    runs: list[_Leaf], parts: list[str], depth: int, filled_from: int
) -> list[_Leaf]:
    """Choose the runs that take all components from `depth` on."""
    left = len(parts) - depth
    if not left or (left == 1 and not parts[depth]):
        return [leaf for leaf in runs if leaf.run != "+"]
    if depth < filled_from:
        return []
    return [leaf for leaf in runs if left == 1 or leaf.run != "?"]
