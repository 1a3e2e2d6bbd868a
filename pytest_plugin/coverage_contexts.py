"""A plugin of coverage.py that labels lines with the route that ran them.

Switch it on in coverage's configuration:

    [run]
    plugins = pytest_plugin.coverage_contexts

and `coverage html --show-contexts` tells for each line of a handler, and of what it
calls, by which routes it was run: `GET /user/:name`. It needs nothing of pytest.

coverage.py has one context at a time for all threads: a line that another thread runs
while a handler runs may get the handler's label, and contexts of other kinds, such as
`dynamic_context = test_function`, end where a handler does.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from coverage.plugin_support import Plugins

# Frames are known by the names of function and module, so that `kit` is not imported
# here: what coverage.py's plugins import is not measured.
_CALLER = ("call_handler", "kit.engine.handling")
_LAUNCHER = ("launch", "kit.engine.handling")
_AWAITER = ("_run_to_end", "kit.engine.coroutines")
_STUBS = "kit.expect.answers"


class RouteContexts:
    """Finds the frames that begin a handler, in whatever thread.

    It is asked for every call that is made outside a handler, so it compares two
    names, and looks further at the few frames that have one of them.
    """

    def __init__(self) -> None:
        self._labels: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def find_context(self, frame: FrameType) -> str | None:
        """Return the route whose handler the frame begins or resumes; None for others."""
        if frame.f_code.co_name == _LAUNCHER[0] and _is_in(frame, _LAUNCHER[1]):
            self._note_launch(frame)
            return None
        back = frame.f_back
        if back is None:
            return None
        caller = back.f_code.co_name
        if caller == _CALLER[0] and _is_in(back, _CALLER[1]):
            return _describe(back.f_locals["self"].endpoint) if _is_handler(frame) else None
        if caller == _AWAITER[0] and _is_in(back, _AWAITER[1]):
            return self._labels.get(back.f_locals["coroutine"])
        return None

    def _note_launch(self, frame: FrameType) -> None:
        # An `async def` handler runs on the loop's thread, which knows no routes.
        label = _describe(frame.f_locals["self"].endpoint)
        if label is not None:
            self._labels[frame.f_locals["coroutine"]] = label


def _is_in(frame: FrameType, module: str) -> bool:
    return frame.f_globals.get("__name__") == module


def _is_handler(frame: FrameType) -> bool:
    """Tell a handler from the bookkeeping that is called at the same place."""
    module = str(frame.f_globals.get("__name__"))
    return module == _STUBS or not module.startswith("kit.")


def _describe(endpoint: Any) -> str | None:
    return f"{endpoint.method} {endpoint.pattern}" if endpoint.is_match else None


def coverage_init(reg: Plugins, options: dict[str, str]) -> None:  # noqa: ARG001 - it has none
    """Register the plugin; coverage.py calls it."""
    from coverage import CoveragePlugin

    contexts = RouteContexts()

    class RouteContextsPlugin(CoveragePlugin):
        """Hands over to `RouteContexts`."""

        def dynamic_context(self, frame: FrameType) -> str | None:
            """Return the label of a new frame."""
            return contexts.find_context(frame)

    reg.add_dynamic_context(RouteContextsPlugin())
