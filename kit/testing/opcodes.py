"""Assertions on what crossed a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode
from kit.record import Exchange, FrameRecord
from kit.testing.items import ExpectedStep, list_leaves, parse_items
from kit.testing.patterns import Automaton
from kit.testing.steps import CLOSE, OPEN, read_steps
from kit.testing.text import align, count, show_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kit.testing.items import Item
    from kit.testing.patterns import Walk
    from kit.testing.steps import Step

_CONTROL = (WebSocketOpCode.Ping, WebSocketOpCode.Pong)
_DIRECTIONS = ("sent", "received", None)
_SHOWN_BEFORE = 20
_SHOWN_REST = 10
_SHOWN_WANTED = 8


def assert_opcodes(
    websocket: Exchange | Iterable[Any],
    expected: Iterable[Item],
    *,
    direction: str | None = None,
    include_control: bool = False,
) -> None:
    """Assert that a websocket's opcodes, and payloads where given, are these in order.

    Messages that were sent in several frames count as one. Ping and Pong are
    left out unless `expected` names one of them. Of an exchange `expected` may
    leave out the `Open` it begins with, and the Close that only answers a Close.

    Items are opcodes, pairs (opcode, payload), and groups of them: `repeat`,
    `optional`, `any_order`, `sent`, `received`. A payload is a value that is
    compared with `==`, a compiled pattern for all of it, a function that judges
    it, a `json_payload`, or `...` for any. Of a Close it is the code, or
    (code, reason), each in any of these forms.

    Args:
        websocket: a recorded exchange, its frames, or opcodes and (opcode,
            payload) pairs that a handler has collected.
        expected: the items.
        direction: "sent" or "received" as seen from the server (of bare frames,
            as recorded), or None for both in wire order. Plain opcodes, and
            `Open`, have no direction.
        include_control: whether Ping and Pong count.

    Raises:
        AssertionError: they differ; the text walks through to where they part.
        ConfigurationError: an argument cannot work.
        LimitError: the items can be read in too many ways at once.
    """
    __tracebackhide__ = True
    if direction not in _DIRECTIONS:
        msg = f"direction must be 'sent', 'received' or None, not {direction!r}"
        raise ConfigurationError(msg)
    if not isinstance(websocket, Exchange) and hasattr(websocket, "__next__"):
        websocket = list(websocket)
    pattern = parse_items(expected)
    leaves = list(list_leaves(pattern))
    steps = _choose_steps(read_steps(websocket, direction), leaves, websocket, include_control)
    automaton = Automaton(pattern)
    answer = _find_answering_close(steps) if isinstance(websocket, Exchange) else None
    for index, step in enumerate(steps):
        may_end_before = automaton.may_end
        if not automaton.feed(step):
            if index == answer and may_end_before:
                return
            raise AssertionError(_describe(steps, automaton.describe(), websocket))
    if not automaton.may_end:
        raise AssertionError(_describe(steps, automaton.describe(), websocket))


def _choose_steps(
    steps: list[Step],
    leaves: Sequence[ExpectedStep],
    websocket: object,
    include_control: bool,  # noqa: FBT001 - private
) -> list[Step]:
    """Leave out what `expected` need not name, and does not."""
    named = {leaf.opcode for leaf in leaves}
    if not include_control and not named.intersection(_CONTROL):
        steps = [step for step in steps if step.opcode not in _CONTROL]
    if isinstance(websocket, Exchange) and OPEN not in named and steps[:1]:
        steps = steps[1:] if steps[0].opcode == OPEN else steps
    directed = next((leaf for leaf in leaves if leaf.direction and leaf.opcode != OPEN), None)
    unknown = next((one for one in steps if not one.direction and one.opcode != OPEN), None)
    if directed is not None and unknown is not None:
        msg = (
            f"whether it was {directed.direction} cannot be told of {unknown}, which a handler "
            "has collected: give the recorded exchange"
        )
        raise ConfigurationError(msg)
    return steps


def _find_answering_close(steps: Sequence[Step]) -> int | None:
    """Find the last step if it is a Close that answers one of the other side."""
    closes = [step.direction for step in steps if step.opcode == CLOSE]
    is_answer = len(closes) == 2 and closes[0] != closes[1] and steps[-1].opcode == CLOSE
    return len(steps) - 1 if is_answer else None


def _describe(steps: Sequence[Step], walk: Walk, websocket: object) -> str:
    rows, taken = _make_rows(steps, websocket), walk.taken
    unit = "frame" if isinstance(websocket, Exchange) or _is_frames(websocket) else "step"
    skipped = max(0, taken - _SHOWN_BEFORE)
    lines = [f"  ✓ the first {count(skipped, 'step')} as expected"] if skipped else []
    lines += [f"  ✓ {row}" for row in rows[skipped:taken]]
    if taken == len(steps):
        head = "the websocket ends too early:" if steps else "nothing happened on the websocket:"
        lines.append(f"  ✗ expected {_list_wanted(walk)}, but there is no more")
    else:
        number = steps[taken].number
        unit += "s" if "-" in number else ""
        head = f"the websocket parts from what was expected at {unit} {number}:"
        lines += [f"  ✗ {rows[taken]}", f"    expected {_list_wanted(walk)}"]
        lines += _explain(walk, steps[taken])
        rest = rows[taken + 1 :]
        lines += [f"    {row} (not compared)" for row in rest[:_SHOWN_REST]]
        if len(rest) > _SHOWN_REST:
            lines.append(f"    and {len(rest) - _SHOWN_REST} more")
    if walk.rest:
        lines.append(f"    still expected after that: {_join(walk.rest, ', ')}")
    told = _describe_exchange(websocket) if isinstance(websocket, Exchange) else []
    return "\n".join([head, *lines, *told])


def _is_frames(websocket: object) -> bool:
    return isinstance(websocket, list | tuple) and all(
        isinstance(each, FrameRecord) for each in websocket
    )


def _make_rows(steps: Sequence[Step], websocket: object) -> list[str]:
    start = next((step.at for step in steps if step.at is not None), 0.0)
    if isinstance(websocket, Exchange):
        start = websocket.first_byte_at or websocket.received_at
    cells = []
    for step in steps:
        at = "" if step.at is None else f"+{show_duration(max(0.0, step.at - start))}"
        notes = f" ({step.notes})" if step.notes else ""
        cells.append((step.number, at, step.direction, f"{step}{notes}"))
    return align(cells)


def _list_wanted(walk: Walk) -> str:
    wanted = [str(leaf) for leaf in walk.wanted]
    return _join([*wanted, "the end"] if walk.may_end or not wanted else wanted, " or ")


def _join(texts: Sequence[str], between: str) -> str:
    left_out = len(texts) - _SHOWN_WANTED
    more = [f"{left_out} more"] if left_out > 0 else []
    return between.join([*texts[:_SHOWN_WANTED], *more])


def _explain(walk: Walk, step: Step) -> list[str]:
    lines = []
    for leaf in walk.wanted[:_SHOWN_WANTED]:
        assert isinstance(leaf, ExpectedStep)  # noqa: S101 - items makes no other
        lines += [f"      {line}" for line in leaf.explain(step)]
    return lines


def _describe_exchange(exchange: Exchange) -> list[str]:
    lines = [repr(exchange)]
    if not exchange.is_websocket:
        lines.append("it never became a websocket")
    elif not exchange.is_done:
        lines.append("it is still open: journal.wait_for(..., state='complete') waits for its end")
    if exchange.dropped_frames:
        lines.append(f"{exchange.dropped_frames} of its frames were not kept in the record")
    return lines
