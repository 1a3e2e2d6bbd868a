"""What may be expected of a websocket: opcodes, payloads, directions, and their groups."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode
from kit.record import FrameRecord
from kit.testing.matchers import explain_value, is_value, show_wanted
from kit.testing.patterns import AnyOrder, Each, InOrder, Node, OneOf, Repeated
from kit.testing.sources import check_number
from kit.testing.steps import ANY, CLOSE, OPEN, Step, name_opcode, read_close, read_payload

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

Item: TypeAlias = "WebSocketOpCode | tuple[WebSocketOpCode, Any] | FrameRecord | list[Any] | Node"

_OPCODES = frozenset(WebSocketOpCode)


class ExpectedStep(NamedTuple):
    """One opcode with what is expected of its payload and direction."""

    opcode: int
    payload: Any = ANY
    direction: str = ""

    @property
    def key(self) -> Hashable:
        """Equal for those that take the same steps."""
        payload = self.payload
        is_plain = isinstance(payload, str | bytes | int | None)
        kept = (type(payload), payload) if is_plain else id(payload)
        return (self.opcode, self.direction, kept)

    def takes(self, step: Step) -> bool:
        """Tell whether a step is what was expected."""
        return self.takes_kind(step) and self._takes_payload(step.payload)

    def takes_kind(self, step: Step) -> bool:
        """Tell whether opcode and direction are what was expected."""
        is_direction = not self.direction or not step.direction or self.direction == step.direction
        return self.opcode == step.opcode and is_direction

    def _takes_payload(self, got: Any) -> bool:
        wanted = self.payload
        if wanted is ANY or got is ANY:
            return True
        if self.opcode != CLOSE or not isinstance(got, bytes) or isinstance(wanted, bytes):
            return is_value(wanted, got)
        code, reason = read_close(got)
        if isinstance(wanted, tuple) and len(wanted) == 2:
            return is_value(wanted[0], code) and is_value(wanted[1], reason)
        if isinstance(wanted, str | re.Pattern):
            return is_value(wanted, reason)
        if callable(wanted):
            return is_value(wanted, (code, reason))
        return is_value(wanted, code)

    def explain(self, step: Step) -> list[str]:
        """Tell what is different about a payload, where showing it is not enough."""
        if not self.takes_kind(step) or self._takes_payload(step.payload):
            return []
        got = step.payload
        if self.opcode == CLOSE and isinstance(got, bytes) and not isinstance(self.payload, bytes):
            got = read_close(got)
        return explain_value(self.payload, got)

    def __str__(self) -> str:
        name = f"{self.direction} {name_opcode(self.opcode)}".lstrip()
        if self.payload is ANY or (self.opcode == OPEN and not self.payload):
            return name
        if isinstance(self.payload, tuple) and self.opcode == CLOSE:
            return f"{name} {' '.join(map(show_wanted, self.payload))}"
        return f"{name} {show_wanted(self.payload)}"


def repeat(item: Item, at_least: int = 1, at_most: int | None = None) -> Node:
    """Expect an item, or a list of them, several times in a row.

    Args:
        item: an opcode, a pair (opcode, payload), a group, or a list of these.
        at_least: the least number of times; 0 makes it optional.
        at_most: the greatest number of times; None for any.

    Raises:
        ConfigurationError: a number cannot be, or the item is none.
    """
    check_number("at_least", at_least)
    if at_most is not None:
        check_number("at_most", at_most, least=max(1, at_least))
    return Repeated(parse_item(item), at_least, at_most)


def optional(item: Item) -> Node:
    """Expect an item, or a list of them, once or not at all."""
    return Repeated(parse_item(item), 0, 1)


def any_order(*items: Item) -> Node:
    """Expect each of the items once, in whichever order.

    A list among them is an item whose parts stay together and in order.

    Raises:
        ConfigurationError: no item is given, or one is none.
    """
    if not items:
        msg = "any_order needs the items it is to take: any_order(Text, Binary)"
        raise ConfigurationError(msg)
    return AnyOrder([parse_item(item) for item in items])


def sent(item: Item) -> Node:
    """Expect an item, or a list of them, to have been sent by the server."""
    return _direct(parse_item(item), "sent")


def received(item: Item) -> Node:
    """Expect an item, or a list of them, to have been received by the server."""
    return _direct(parse_item(item), "received")


def parse_items(items: Iterable[Item]) -> Node:
    """Make a pattern of items that follow each other."""
    if isinstance(items, str | bytes | Each | InOrder | OneOf | Repeated | AnyOrder):
        msg = f"expected a list of items, not {items!s}: put it into a list"
        raise ConfigurationError(msg)
    return InOrder([parse_item(item) for item in items])


def parse_item(item: object) -> Node:
    """Make a pattern of one item."""
    if isinstance(item, Each | InOrder | OneOf | Repeated | AnyOrder):
        return item
    if isinstance(item, list):
        return InOrder([parse_item(each) for each in item])
    if isinstance(item, FrameRecord):
        return Each(ExpectedStep(item.opcode, read_payload([item])))
    if isinstance(item, int) and item in _OPCODES:
        return Each(ExpectedStep(item))
    if isinstance(item, tuple) and len(item) == 2 and item[0] in _OPCODES:
        return Each(ExpectedStep(item[0], item[1]))
    msg = f"{item!r} is neither a WebSocketOpCode nor a pair (WebSocketOpCode, payload)"
    raise ConfigurationError(msg)


def list_leaves(node: Node) -> Iterator[ExpectedStep]:
    """Yield every opcode that a pattern names."""
    if isinstance(node, Each):
        assert isinstance(node.leaf, ExpectedStep)  # noqa: S101 - made here and nowhere else
        yield node.leaf
        return
    for inner in _list_inner(node):
        yield from list_leaves(inner)


def _list_inner(node: InOrder | OneOf | Repeated | AnyOrder) -> tuple[Node, ...]:
    if isinstance(node, Repeated):
        return (node.given,)
    return node.given if isinstance(node, AnyOrder) else node.items


def _direct(node: Node, direction: str) -> Node:
    if isinstance(node, Each):
        (leaf,) = list_leaves(node)
        if leaf.direction not in ("", direction):
            msg = f"{node} cannot be {direction} as well"
            raise ConfigurationError(msg)
        return Each(leaf._replace(direction=direction))
    inner = [_direct(each, direction) for each in _list_inner(node)]
    if isinstance(node, Repeated):
        return Repeated(inner[0], node.given_least, node.at_most)
    return type(node)(inner)
