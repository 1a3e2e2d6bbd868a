from __future__ import annotations

import itertools
import re
import time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import LimitError
from kit.testing.patterns import MAX_WAYS, AnyOrder, Automaton, Each, InOrder, Node, OneOf, Repeated
from support.deadlines import scaled


class Letter(NamedTuple):
    """Takes one letter, or any if it is a dot."""

    letter: str

    @property
    def key(self) -> str:
        return self.letter

    def takes(self, step: str) -> bool:
        return self.letter in (step, ".")

    def __str__(self) -> str:
        return self.letter


def is_match(pattern: Node, text: str) -> bool:
    automaton = Automaton(pattern)
    return all(automaton.feed(letter) for letter in text) and automaton.may_end


def to_regex(node: Node) -> str:
    """Write a pattern as a regular expression, which Python then runs in its own way."""
    if isinstance(node, Each):
        return str(node.leaf)
    if isinstance(node, Repeated):
        most = "" if node.at_most is None else node.at_most
        return f"(?:{to_regex(node.given)}){{{node.given_least},{most}}}"
    if isinstance(node, AnyOrder):
        orders = itertools.permutations(map(to_regex, node.given))
        return f"(?:{'|'.join(map(''.join, orders))})"
    parts = map(to_regex, node.items)
    return "".join(parts) if isinstance(node, InOrder) else f"(?:{'|'.join(parts)})"


letters = st.sampled_from("ab.").map(lambda letter: Each(Letter(letter)))


def extend(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    bounds = st.tuples(st.integers(0, 2), st.none() | st.integers(0, 2))
    return (
        st.lists(inner, max_size=3).map(InOrder)
        | st.lists(inner, min_size=1, max_size=3).map(AnyOrder)
        | st.lists(inner, min_size=1, max_size=2).map(OneOf)
        | st.builds(
            lambda item, least, more: Repeated(
                item, least, None if more is None else max(1, least + more)
            ),
            inner,
            st.integers(0, 2),
            bounds.map(lambda pair: pair[1]),
        )
    )


patterns: st.SearchStrategy[Node] = st.recursive(letters, extend, max_leaves=6)


@settings(max_examples=300, deadline=None)
@given(patterns)
def test_a_pattern_takes_what_the_regular_expression_takes(pattern: Node) -> None:
    regex = re.compile(to_regex(pattern))
    texts = ["".join(each) for size in range(5) for each in itertools.product("ab", repeat=size)]
    for text in texts:
        assert is_match(pattern, text) is bool(regex.fullmatch(text)), (str(pattern), text)


@settings(max_examples=100, deadline=None)
@given(patterns, st.text("ab", max_size=6))
def test_a_pattern_parts_from_a_text_where_nothing_can_help_any_more(
    pattern: Node, text: str
) -> None:
    automaton = Automaton(pattern)
    taken = next((at for at, letter in enumerate(text) if not automaton.feed(letter)), len(text))
    assert automaton.taken == taken
    walk = automaton.describe()
    # Whatever is said to be wanted would indeed have been taken.
    for leaf in walk.wanted:
        again = Automaton(pattern)
        assert all(again.feed(letter) for letter in text[:taken])
        assert again.feed("a" if str(leaf) == "." else str(leaf))
    assert walk.may_end is is_match(pattern, text[:taken])


def test_a_pattern_that_backtracking_would_never_finish_is_quick() -> None:
    a = Each(Letter("a"))
    twice = Repeated(Repeated(Repeated(a, 1, None), 1, None), 1, None)
    optionals = InOrder([*(Repeated(a, 0, 1) for _ in range(200)), *([a] * 200)])
    began = time.perf_counter()
    assert not is_match(InOrder([twice, Each(Letter("b"))]), "a" * 2000)
    assert is_match(optionals, "a" * 200)
    assert time.perf_counter() - began < scaled(10)


def test_equal_items_in_any_order_are_counted_and_not_permuted() -> None:
    items = [*(Each(Letter("a")) for _ in range(40)), *(Each(Letter(".")) for _ in range(40))]
    assert is_match(AnyOrder(items), "ab" * 40)
    assert not is_match(AnyOrder(items), "ab" * 38 + "bbbb")


def test_too_many_ways_at_once_are_refused() -> None:
    class Anything(Letter):
        @property
        def key(self) -> str:
            return str(id(self))

    pattern = AnyOrder([Each(Anything(".")) for _ in range(20)])
    with pytest.raises(LimitError) as caught:
        is_match(pattern, "a" * 20)
    assert re.fullmatch(
        rf"there are too many ways to read the first \d+ steps: make the items more specific: "
        rf"the limit MAX_WAYS is {MAX_WAYS}",
        str(caught.value),
    )


def test_a_leaf_is_asked_once_for_a_step_however_many_ways_lead_to_it() -> None:
    asked = []

    class Curious(Letter):
        def takes(self, step: str) -> bool:
            asked.append(step)
            return super().takes(step)

    leaf = Each(Curious("."))
    pattern = InOrder([Repeated(leaf, 0, None), Repeated(leaf, 0, None), leaf])
    assert is_match(pattern, "abcd")
    assert asked == list("abcd")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Repeated(Each(Letter("a")), 1, None), "repeat(a)"),
        (Repeated(Each(Letter("a")), 0, None), "repeat(a, at_least=0)"),
        (Repeated(Each(Letter("a")), 2, 3), "repeat(a, at_least=2, at_most=3)"),
        (Repeated(Repeated(Each(Letter("a")), 0, 1), 2, None), "repeat(optional(a), at_least=2)"),
        (InOrder([Each(Letter("a")), Each(Letter("b"))]), "[a, b]"),
        (OneOf([Each(Letter("a")), Each(Letter("b"))]), "a or b"),
        (AnyOrder([Each(Letter("a")), Each(Letter("b"))]), "any_order(a, b)"),
    ],
)
def test_a_pattern_is_written_as_it_was_made(node: Node, text: str) -> None:
    assert str(node) == text
