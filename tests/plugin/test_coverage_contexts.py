"""Frames are told apart as coverage.py hands them over; `test_coverage.py` has it measure a run."""

from __future__ import annotations

import sys
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

import kit
from kit.engine import handling
from pytest_plugin import coverage_contexts
from pytest_plugin.coverage_contexts import RouteContexts
from support.deadlines import scaled

NAMED = SimpleNamespace(method="GET", pattern="/user/:name", is_match=True)
MISSED = SimpleNamespace(method="GET", pattern="", is_match=False)


class Registry:
    """What coverage.py gives a plugin to register itself with."""

    def __init__(self) -> None:
        self.plugins: list[Any] = []

    def add_dynamic_context(self, plugin: Any) -> None:
        self.plugins.append(plugin)


def make_frame(name: str, module: str, back: str = "", **local: Any) -> FrameType:
    """Give the frame of a function of a name in a module, after it has run.

    Args:
        back: an expression the function returns instead of its own frame.
        local: its arguments.
    """
    space: dict[str, Any] = {"__name__": module, "sys": sys}
    exec(f"def {name}({', '.join(local)}): return {back or 'sys._getframe()'}", space)
    frame: FrameType = space[name](**local)
    return frame


def frame_called_by(name: str, module: str, called: str = "app", **local: Any) -> FrameType:
    """Give the frame of a function that a function of a name in a module has called."""
    space: dict[str, Any] = {"__name__": called, "sys": sys}
    exec("def run(): return sys._getframe()", space)
    return make_frame(name, module, "run()", run=space["run"], **local)


def test_a_handlers_frame_is_labelled_while_it_runs() -> None:
    labels: list[str | None] = []

    def show(request: kit.Request) -> kit.Response:
        labels.append(RouteContexts().find_context(sys._getframe()))
        return kit.Response("shown")

    with kit.HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/user/:name", show)])
        client = kit.HTTPClient(server.addr)
        client.start()
        client.get("/user/ada").wait(scaled(30))
        client.stop()
    assert labels == ["GET /user/:name"]


async def answer() -> None:
    """Be a handler's coroutine."""


def test_a_coroutine_is_labelled_by_the_handler_that_launched_it() -> None:
    coroutine = answer()
    contexts = RouteContexts()
    handler = SimpleNamespace(endpoint=NAMED)
    resumed = frame_called_by("_run_to_end", "kit.engine.coroutines", coroutine=coroutine)
    assert contexts.find_context(resumed) is None
    launch = make_frame("launch", handling.__name__, self=handler, coroutine=coroutine)
    assert contexts.find_context(launch) is None
    assert contexts.find_context(resumed) == "GET /user/:name"
    coroutine.close()


def test_a_coroutine_that_answers_for_no_route_has_no_label() -> None:
    coroutine = answer()
    contexts = RouteContexts()
    handler = SimpleNamespace(endpoint=MISSED)
    contexts.find_context(
        make_frame("launch", handling.__name__, self=handler, coroutine=coroutine)
    )
    resumed = frame_called_by("_run_to_end", "kit.engine.coroutines", coroutine=coroutine)
    assert contexts.find_context(resumed) is None
    coroutine.close()


@pytest.mark.parametrize(
    ("caller", "module", "called", "endpoint", "label"),
    [
        ("call_handler", "kit.engine.handling", "app", NAMED, "GET /user/:name"),
        ("call_handler", "kit.engine.handling", "kit.expect.answers", NAMED, "GET /user/:name"),
        ("call_handler", "kit.engine.handling", "kit.record.exchange", NAMED, None),
        ("call_handler", "kit.engine.handling", "app", MISSED, None),
        ("call_handler", "app", "app", NAMED, None),
        ("_run_to_end", "app", "app", NAMED, None),
        ("serve", "kit.engine.handling", "app", NAMED, None),
    ],
)
def test_a_frame_is_told_by_who_called_it(
    caller: str, module: str, called: str, endpoint: Any, label: str | None
) -> None:
    handler = SimpleNamespace(endpoint=endpoint)
    frame = frame_called_by(caller, module, called, self=handler)
    assert RouteContexts().find_context(frame) == label


def test_a_frame_that_nobody_called_has_no_label() -> None:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    assert RouteContexts().find_context(frame) is None


def test_it_is_registered_for_dynamic_contexts() -> None:
    registry: Any = Registry()
    coverage_contexts.coverage_init(registry, {})
    (plugin,) = registry.plugins
    frame = frame_called_by(
        "call_handler", "kit.engine.handling", self=SimpleNamespace(endpoint=NAMED)
    )
    assert plugin.dynamic_context(frame) == "GET /user/:name"
