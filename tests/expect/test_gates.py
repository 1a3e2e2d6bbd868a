from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any

import freezegun
import pytest

from kit.errors import ConfigurationError, PatternError, StateError, WaitTimeoutError
from kit.expect import Gate, Gates
from kit.messages import Request
from support.deadlines import scaled
from support.expectations import make_request

LONG = scaled(10)


class Arrivals:
    """Sends requests to gates, and notes who goes on."""

    def __init__(self, gates: Gates) -> None:
        self.gates = gates
        self.gone: list[str] = []

    def send(self, target: str = "/slow", method: str = "GET") -> Request:
        request = make_request(method, target)
        gate = self.gates.find(request)
        if gate is None or gate.admit(request, lambda: self.gone.append(target)):
            self.gone.append(target)
        return request


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
def arrivals(gates: Gates) -> Arrivals:
    return Arrivals(gates)


def test_gates_without_any_are_told_by_an_attribute(gates: Gates) -> None:
    assert not gates.has_gates
    assert repr(gates) == "<Gates 0 gates>"
    gates.hold("GET", "/slow")
    assert gates.has_gates


def test_a_held_request_goes_on_when_it_is_released(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    request = arrivals.send()
    assert gate.held == [request]
    assert arrivals.gone == []
    gate.release()
    assert gate.held == []
    assert arrivals.gone == ["/slow"]


def test_other_requests_pass(gates: Gates, arrivals: Arrivals) -> None:
    gates.hold("GET", "/slow/:id")
    arrivals.send("/fast")
    arrivals.send("/slow/1", "POST")
    arrivals.send("/slow/%zz")
    assert arrivals.gone == ["/fast", "/slow/1", "/slow/%zz"]


def test_a_gate_may_hold_every_method(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold(..., "/:any*")
    arrivals.send("/a", "PUT")
    arrivals.send("/b", "GET")
    assert len(gate.held) == 2


def test_release_without_a_count_opens_for_good(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    gate.release()
    assert gate.is_open
    arrivals.send()
    assert arrivals.gone == ["/slow"]
    gate.release()
    assert repr(gate) == "<Gate GET /slow, open>"


def test_release_by_count_goes_by_arrival(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    for n in range(3):
        arrivals.send(f"/slow?{n}")
    gate.release(2)
    assert arrivals.gone == ["/slow?0", "/slow?1"]
    assert repr(gate) == "<Gate GET /slow, holds 1 request>"
    gate.release(count=1)
    assert arrivals.gone[2:] == ["/slow?2"]
    arrivals.send("/slow?3")
    assert len(gate.held) == 1


def test_a_particular_request_can_be_released_first(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    first, second = (arrivals.send(f"/slow?{n}") for n in range(2))
    gate.release(second)
    assert arrivals.gone == ["/slow?1"]
    assert gate.held == [first]


def test_more_than_are_held_cannot_be_released(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    arrivals.send()
    with pytest.raises(StateError) as caught:
        gate.release(2)
    assert str(caught.value) == (
        "cannot release 2 requests at the gate GET /slow: 1 held; call wait_for(2) first"
    )
    assert len(gate.held) == 1


def test_what_is_not_held_cannot_be_released(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    request = arrivals.send()
    gate.release(request)
    with pytest.raises(StateError) as caught:
        gate.release(request)
    assert str(caught.value) == "GET /slow is not held at the gate GET /slow"


def test_a_block_opens_its_gate_at_the_end(gates: Gates, arrivals: Arrivals) -> None:
    with pytest.raises(ZeroDivisionError), gates.hold("GET", "/slow") as gate:
        arrivals.send()
        raise ZeroDivisionError
    assert gate.is_open
    assert arrivals.gone == ["/slow"]


def test_a_request_whose_connection_is_gone_is_discarded(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")
    request = arrivals.send()
    assert gate.discard(request)
    assert not gate.discard(request)
    gate.release()
    assert arrivals.gone == []


def test_release_all_opens_every_gate(gates: Gates, arrivals: Arrivals) -> None:
    gates.hold("GET", "/slow")
    gates.hold("GET", "/other")
    arrivals.send()
    arrivals.send("/other")
    gates.release_all()
    assert arrivals.gone == ["/slow", "/other"]


def test_the_first_gate_holds_and_an_open_one_does_not(gates: Gates, arrivals: Arrivals) -> None:
    first, second = gates.hold("GET", "/slow"), gates.hold("GET", "/:any")
    arrivals.send()
    assert (len(first.held), len(second.held)) == (1, 0)
    first.release()
    arrivals.send()
    assert len(second.held) == 1


def test_open_gates_are_forgotten(gates: Gates) -> None:
    for _ in range(5):
        gates.hold("GET", "/slow").release()
    assert repr(gates) == "<Gates 1 gates>"


def test_all_go_on_even_if_one_cannot(gates: Gates) -> None:
    gate = gates.hold("GET", "/slow")
    gone: list[int] = []

    def fail() -> None:
        raise OSError("broken")

    gate.admit(make_request("GET", "/slow"), fail)
    gate.admit(make_request("GET", "/slow"), lambda: gone.append(1))
    with pytest.raises(OSError, match="broken"):
        gate.release()
    assert gone == [1]


def test_resume_may_ask_the_gate(gates: Gates) -> None:
    gate = gates.hold("GET", "/slow")
    held: list[int] = []
    gate.admit(make_request("GET", "/slow"), lambda: held.append(len(gate.held)))
    gate.release(1)
    assert held == [0]


Wait = Callable[..., list[Request]]


def wait_in_loop(gate: Gate, *arguments: Any, **keywords: Any) -> list[Request]:
    return asyncio.run(gate.wait_for_async(*arguments, **keywords))


WAITS = pytest.mark.parametrize("wait", [Gate.wait_for, wait_in_loop], ids=["thread", "loop"])


@WAITS
def test_wait_for_returns_what_is_held(gates: Gates, arrivals: Arrivals, wait: Wait) -> None:
    gate = gates.hold("GET", "/slow")
    requests = [arrivals.send(), arrivals.send()]
    assert wait(gate) == requests
    assert wait(gate, 2, timeout=0) == requests


@WAITS
def test_wait_for_is_woken_by_arrivals(gates: Gates, arrivals: Arrivals, wait: Wait) -> None:
    gate = gates.hold("GET", "/slow")
    threads = [threading.Timer(0.02 * n, arrivals.send) for n in range(3)]
    for thread in threads:
        thread.start()
    assert len(wait(gate, 3, timeout=LONG)) == 3
    for thread in threads:
        thread.join()


@WAITS
def test_wait_for_counts_what_is_held_at_once(gates: Gates, arrivals: Arrivals, wait: Wait) -> None:
    gate = gates.hold("GET", "/slow")
    arrivals.send()
    gate.release(1)
    arrivals.send("/slow?2")
    arrivals.send("/fast", "POST")
    with pytest.raises(WaitTimeoutError) as caught:
        wait(gate, 2, timeout=0.01)
    assert str(caught.value) == (
        "waited 0.01 s for 2 requests at the gate GET /slow\n"
        "  1 held, 1 gone before\n"
        "  held: GET /slow?2\n"
        "  went elsewhere: POST /fast"
    )


@WAITS
def test_a_wait_for_nothing_says_so(gates: Gates, wait: Wait) -> None:
    with pytest.raises(WaitTimeoutError) as caught:
        wait(gates.hold("GET", "/slow"), timeout=0.01)
    assert str(caught.value) == (
        "waited 0.01 s for 1 request at the gate GET /slow\n"
        "  0 held, 0 gone before\n"
        "  no request came at all"
    )


@WAITS
def test_a_wait_at_a_gate_that_opens_ends(gates: Gates, wait: Wait) -> None:
    gate = gates.hold("GET", "/slow")
    timer = threading.Timer(0.02, gate.release)
    timer.start()
    with pytest.raises(StateError) as caught:
        wait(gate, timeout=LONG)
    timer.join()
    assert str(caught.value) == "the gate GET /slow is open and holds nothing: make a new one"


@WAITS
def test_a_wait_ends_while_time_is_frozen(gates: Gates, wait: Wait) -> None:
    gate = gates.hold("GET", "/slow")
    with freezegun.freeze_time("2020-01-01"), pytest.raises(WaitTimeoutError):
        wait(gate, timeout=0.02)


def test_a_cancelled_wait_leaves_nothing_behind(gates: Gates, arrivals: Arrivals) -> None:
    gate = gates.hold("GET", "/slow")

    async def cancel() -> None:
        task = asyncio.create_task(gate.wait_for_async(timeout=LONG))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    arrivals.send()
    assert len(gate.held) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda gate: gate.wait_for(0), "count must be a whole number of at least 1, not 0"),
        (
            lambda gate: gate.wait_for(timeout=-1),
            "timeout must be a finite number of seconds of at least 0, not -1",
        ),
        (lambda gate: gate.release(0), "count must be a whole number of at least 1, not 0"),
        (lambda gate: gate.release("x"), "count must be a whole number of at least 1, not 'x'"),
        (lambda gate: gate.release(True), "count must be a whole number of at least 1, not True"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(gates: Gates, call: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call(gates.hold("GET", "/slow"))
    assert str(caught.value) == message


def test_a_malformed_pattern_is_refused(gates: Gates) -> None:
    with pytest.raises(PatternError, match="it must start with"):
        gates.hold("GET", "slow")
    assert not gates.has_gates


def test_who_comes_just_as_the_gate_is_opened_is_not_held(gates: Gates) -> None:
    gate = gates.hold("GET", "/slow")
    request = make_request("GET", "/slow")
    found = gates.find(request)
    gate.release()
    assert found is gate
    assert found.admit(request, lambda: pytest.fail("it goes on by itself"))
    assert gate.held == []


def test_racing_arrivals_and_releases_lose_nothing_and_repeat_nothing(gates: Gates) -> None:
    gate = gates.hold("GET", "/slow")
    resumed: list[int] = []
    admitted: list[int] = []
    held: list[int] = []

    def arrive(start: int) -> None:
        for number in range(start, start + 100):
            resume = functools.partial(resumed.append, number)
            is_admitted = gate.admit(make_request("GET", "/slow"), resume)
            (admitted if is_admitted else held).append(number)

    threads = [threading.Thread(target=arrive, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    released = 0
    while released < 200:
        released += len(gate.wait_for(1, timeout=LONG)[:1])
        gate.release(1)
    gate.release()
    for thread in threads:
        thread.join()
    assert sorted(resumed + admitted) == list(range(400))
    assert sorted(resumed) == sorted(held)
    assert gate.held == []
