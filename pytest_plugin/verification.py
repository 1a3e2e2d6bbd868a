"""A test's servers, asked what went wrong on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_plugin.options import read_marker
from pytest_plugin.servers import FACTORY

if TYPE_CHECKING:
    import pytest

PROBLEMS = "kit problems"
LINT = "kit lint"


def begin_test(item: pytest.Item) -> None:
    """Check the marker's arguments; let servers of the session note whose turn it is."""
    __tracebackhide__ = True
    read_marker(item)
    factory = item.config.stash.get(FACTORY, None)
    if factory is not None:
        factory.begin_test(item.nodeid)


def verify_test(item: pytest.Item) -> None:
    """Fail a test that has passed if there are problems on its servers.

    Raises:
        VerificationError: there are.
    """
    __tracebackhide__ = True
    factory = item.stash.get(FACTORY, None)
    # A test of unittest that has failed, or was skipped, tells it this way.
    if factory is not None and not getattr(item, "_excinfo", None):
        factory.verify()
        factory.has_passed = True


def complete_report(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Add to the report of a test that failed otherwise what went wrong on its servers."""
    factory = item.stash.get(FACTORY, None)
    if factory is None and item.config.stash.get(FACTORY, None) is None:
        return
    if report.failed and call.excinfo is not None:
        import kit.testing

        if isinstance(call.excinfo.value, kit.testing.VerificationError):
            tidy_traceback(report.longrepr)
        elif factory is not None and call.when != "teardown":
            text = factory.find_problems()[1]
            if text:
                report.sections.append((PROBLEMS, text))
        if factory is not None and call.when != "teardown":
            noted = factory.format_lint()
            if noted:
                report.sections.append((LINT, noted))
    if factory is not None and call.when == "teardown":
        del item.stash[FACTORY]  # what it holds would stay until the session ends


def tidy_traceback(longrepr: object) -> None:
    """Show an error that no line of the test has raised by its text alone.

    pytest marks only the first line of such a text, and explains that there is no other.
    """
    shown: Any = getattr(longrepr, "reprtraceback", None)
    if getattr(shown, "extraline", None) is None or len(shown.reprentries) != 1:
        return
    shown.extraline = None
    entry = shown.reprentries[0]
    entry.lines = [f"E{line[1:]}".rstrip() if line else "E" for line in entry.lines]
