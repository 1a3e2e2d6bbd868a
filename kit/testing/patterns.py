"""Patterns of sequences: what may follow what, and whether a sequence fits.

A pattern is a tree of items. It is run as a nondeterministic automaton that keeps
every way it may have gone so far, so an ambiguous pattern costs no backtracking:
the work is the number of steps times the number of ways that are open at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kit.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

MAX_WAYS = 2000
"""Ways through a pattern that may be open at once."""


class Leaf(Protocol):
    """What takes exactly one step."""

    @property
    def key(self) -> Hashable:
        """Equal for leaves that take the same steps."""

    def takes(self, step: Any) -> bool:
        """Tell whether a step fits."""


class Each:
    """A leaf's place in a pattern."""

    __slots__ = ("leaf",)

    is_nullable: bool = False

    def __init__(self, leaf: Leaf) -> None:
        self.leaf: Leaf = leaf

    def start(self) -> Hashable:
        """Return the state in which nothing has been taken."""
        return None

    def branch(self, progress: Any) -> Iterator[Branch]:
        """Yield nothing: a leaf is not opened, it takes a step."""
        del progress
        yield from ()

    def without_empty(self) -> Node:
        """Return the pattern of the same sequences without the empty one."""
        return self

    def __str__(self) -> str:
        return str(self.leaf)


class InOrder:
    """One item after the other."""

    __slots__ = ("is_nullable", "items")

    def __init__(self, items: Sequence[Node]) -> None:
        self.items: tuple[Node, ...] = tuple(items)
        self.is_nullable: bool = all(item.is_nullable for item in self.items)

    def start(self) -> Hashable:
        """Return the state in which nothing has been taken."""
        return 0

    def branch(self, progress: Any) -> Iterator[Branch]:
        """Yield what may come next: an item and how it goes on, or the end."""
        if progress == len(self.items):
            yield Branch(None, None)
        elif progress + 1 == len(self.items):
            yield Branch(self.items[progress], None)
        else:
            yield Branch(self.items[progress], progress + 1)

    def without_empty(self) -> Node:
        """Return the pattern of the same sequences without the empty one."""
        if not self.is_nullable:
            return self
        return OneOf(
            [
                InOrder([item.without_empty(), *self.items[index + 1 :]])
                for index, item in enumerate(self.items)
            ]
        )

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


class OneOf:
    """Any one of several items."""

    __slots__ = ("items",)

    is_nullable: bool = False

    def __init__(self, items: Sequence[Node]) -> None:
        self.items: tuple[Node, ...] = tuple(items)

    def start(self) -> Hashable:
        """Return the state in which nothing has been taken."""
        return None

    def branch(self, progress: Any) -> Iterator[Branch]:
        """Yield what may come next: an item and how it goes on, or the end."""
        del progress
        return (Branch(item, None) for item in self.items)

    def without_empty(self) -> Node:
        """Return the pattern of the same sequences without the empty one."""
        return self

    def __str__(self) -> str:
        return " or ".join(map(str, self.items))


class Repeated:
    """An item several times, as often as possible first."""

    __slots__ = ("at_least", "at_most", "given", "given_least", "is_nullable", "item")

    def __init__(self, item: Node, at_least: int, at_most: int | None) -> None:
        self.given: Node = item
        self.given_least: int = at_least
        # A round that takes nothing would never end: rounds are never empty, and an
        # item that may be empty need not come at all.
        self.item: Node = item.without_empty()
        self.at_least: int = 0 if item.is_nullable else at_least
        self.at_most: int | None = at_most
        self.is_nullable: bool = self.at_least == 0

    def start(self) -> Hashable:
        """Return the state in which nothing has been taken."""
        return 0

    def branch(self, progress: Any) -> Iterator[Branch]:
        """Yield what may come next: an item and how it goes on, or the end."""
        if self.at_most is None:
            # Beyond the least number the rounds need not be told apart.
            yield Branch(self.item, min(progress + 1, self.at_least))
        elif progress < self.at_most:
            yield Branch(self.item, progress + 1)
        if progress >= self.at_least:
            yield Branch(None, None)

    def without_empty(self) -> Node:
        """Return the pattern of the same sequences without the empty one."""
        return Repeated(self.item, max(1, self.at_least), self.at_most)

    def __str__(self) -> str:
        if (self.given_least, self.at_most) == (0, 1):
            return f"optional({self.given})"
        least = "" if self.given_least == 1 else f", at_least={self.given_least}"
        most = "" if self.at_most is None else f", at_most={self.at_most}"
        return f"repeat({self.given}{least}{most})"


class AnyOrder:
    """Each of several items once, in whichever order."""

    __slots__ = ("_items", "_times", "given", "is_nullable")

    def __init__(self, items: Sequence[Node]) -> None:
        self.given: tuple[Node, ...] = tuple(items)
        times: dict[object, int] = {}
        distinct: dict[object, Node] = {}
        for item in items:
            # Equal leaves are counted, not permuted.
            key = ("leaf", item.leaf.key) if isinstance(item, Each) else id(item)
            distinct[key] = item
            times[key] = times.get(key, 0) + 1
        self._items = [(item.without_empty(), item.is_nullable) for item in distinct.values()]
        self._times = tuple(times.values())
        self.is_nullable: bool = all(is_nullable for _, is_nullable in self._items)

    def start(self) -> Hashable:
        """Return the state in which nothing has been taken."""
        return self._times

    def branch(self, progress: Any) -> Iterator[Branch]:
        """Yield what may come next: an item and how it goes on, or the end."""
        for index, (item, _) in enumerate(self._items):
            if progress[index]:
                rest = (*progress[:index], progress[index] - 1, *progress[index + 1 :])
                yield Branch(item, rest)
        if all(
            is_nullable or not left
            for (_, is_nullable), left in zip(self._items, progress, strict=True)
        ):
            yield Branch(None, None)

    def without_empty(self) -> Node:
        """Return the pattern of the same sequences without the empty one."""
        if not self.is_nullable:
            return self
        return OneOf(
            [
                InOrder([item.without_empty(), AnyOrder([*self.given[:at], *self.given[at + 1 :]])])
                for at, item in enumerate(self.given)
            ]
        )

    def describe_rest(self, progress: Any) -> str:
        """Name the items that have not come yet."""
        left = [
            str(item)
            for (item, _), times in zip(self._items, progress, strict=True)
            for _ in range(times)
        ]
        return left[0] if len(left) == 1 else f"any_order({', '.join(left)})" if left else ""

    def __str__(self) -> str:
        return f"any_order({', '.join(map(str, self.given))})"


Node = Each | InOrder | OneOf | Repeated | AnyOrder
# The items that are open, outermost first, each with how far it has come.
Way = tuple[tuple[Node, Any], ...]


class Branch(NamedTuple):
    """What may come next in an item.

    `item` is what is opened, None where the item may end; `progress` is how the
    item goes on behind it, None where it is over by then.
    """

    item: Node | None
    progress: Any


class Walk(NamedTuple):
    """How far a pattern followed a sequence.

    Attributes:
        taken: how many steps fit; where it is all of them, the pattern wanted more.
        wanted: the leaves one of which was expected then, the greediest first.
        may_end: whether the pattern was content to end there.
        rest: what else was expected, behind the last of these leaves.
    """

    taken: int
    wanted: list[Leaf]
    may_end: bool
    rest: list[str]


class Automaton:
    """Runs a pattern; `feed` it step by step.

    Attributes:
        taken: how many steps have been taken.
        may_end: whether what was taken is a whole match.
    """

    def __init__(self, pattern: Node) -> None:
        self.taken: int = 0
        self.may_end: bool = False
        self._open: dict[Way, None] = {}
        self._settle([((pattern, pattern.start()),)])

    def feed(self, step: Any) -> bool:
        """Take a step; tell whether it fits. One that does not changes nothing."""
        verdicts: dict[int, bool] = {}
        ways = []
        for way in self._open:
            leaf = way[-1][0].leaf  # type: ignore[union-attr]
            verdict = verdicts.get(id(leaf))
            if verdict is None:
                verdict = verdicts[id(leaf)] = leaf.takes(step)
            if verdict:
                ways.append(way[:-1])
        if not ways:
            return False
        self.taken += 1
        self._settle(ways)
        return True

    def _settle(self, ways: list[Way]) -> None:
        """Open items until each way stands before a leaf, or at the end."""
        self._open = {}
        self.may_end = False
        seen: set[Way] = set()
        pending = ways[::-1]
        while pending:
            way = pending.pop()
            if way in seen:
                continue
            seen.add(way)
            if len(seen) > MAX_WAYS:
                what = f"there are too many ways to read the first {self.taken} steps"
                raise LimitError("MAX_WAYS", MAX_WAYS, f"{what}: make the items more specific")
            if not way:
                self.may_end = True
            elif isinstance(way[-1][0], Each):
                self._open[way] = None
            else:
                pending += _branch(way)

    def describe(self) -> Walk:
        """Tell what would have been taken next."""
        leaves = {way[-1][0].leaf.key: way[-1][0].leaf for way in self._open}  # type: ignore[union-attr]
        last = next(reversed(self._open), ())
        return Walk(self.taken, list(leaves.values()), self.may_end, _describe_rest(last))


def _branch(way: Way) -> list[Way]:
    node, progress = way[-1]
    below = way[:-1]
    opened: list[Way] = []
    for item, rest in node.branch(progress):
        on_top = below if rest is None else (*below, (node, rest))
        opened.append(on_top if item is None else (*on_top, (item, item.start())))
    return opened[::-1]


def _describe_rest(way: Way) -> list[str]:
    rest: list[str] = []
    for node, progress in reversed(way[:-1]):
        if isinstance(node, InOrder):
            rest += map(str, node.items[progress:])
        elif isinstance(node, AnyOrder):
            rest += filter(None, [node.describe_rest(progress)])
        elif isinstance(node, Repeated) and progress < node.at_least:
            rest.append(str(Repeated(node.item, node.at_least - progress, None)))
    return rest
