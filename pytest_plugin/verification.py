"""A test's servers, asked what went wrong on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_plugin import workers
from pytest_plugin.server_fixtures import SERVERS
from pytest_plugin.servers import FACTORY, IS_CALLED, IS_PARTIAL, find_current_test, has_servers

if TYPE_CHECKING:
    import kit.testing
    from pytest_plugin.servers import Found, ServerFactory

PROBLEMS = "kit problems"
PROBLEMS_AT_TEARDOWN = "kit problems at teardown"
"""The name that pytest looks for "teardown" in, to show it with the failure of the test."""
LINT = "kit lint"

PASSED, FAILED, SETUP_FAILED = "passed", "failed", "setup failed"
AFTER = {
    PASSED: "after the test had passed: ",
    SETUP_FAILED: "after the setup of the test had failed: ",
}
"""What begins the error of a teardown; where the call had failed there is none."""

OUTCOME = pytest.StashKey[str]()
"""At an item with servers: what became of it so far; nothing if it was skipped or xfailed."""


def find_problems(item: pytest.Item, *, has_stubs: bool = True) -> Found:
    """Return what went wrong in a test and was told nowhere yet, and take it as told.

    Args:
        item: the test.
        has_stubs: whether its own stubs are looked at; those of the session never are.
    """
    own, shared = item.stash.get(FACTORY, None), item.config.stash.get(FACTORY, None)
    problems: list[kit.testing.Problem] = []
    texts = []
    if own is not None:
        found, text = own.find_untold(has_stubs=has_stubs)
        texts.append(text)
        problems += found
    if shared is not None:
        shared.ledger.note_marker(item.nodeid, item.config.stash[SERVERS].marked)
        found, text = shared.find_untold(test=item.nodeid)
        texts.append(text)
        problems += found
    return problems, "\n\n".join(filter(None, texts))


def verify_test(item: pytest.Item) -> None:
    """Fail a test that has passed if there are problems on its servers.

    Raises:
        VerificationError: there are.
    """
    __tracebackhide__ = True
    # A test of unittest that has failed, or was skipped, tells it this way.
    if not has_servers(item) or getattr(item, "_excinfo", None):
        return
    _fail(find_problems(item))
    item.stash[OUTCOME] = PASSED
    if FACTORY in item.stash:
        item.stash[FACTORY].has_passed = True


def verify_teardown(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Fail the teardown of a test for what went wrong after its call, if nobody else would tell.

    Where the call has failed, `complete_report` tells it: one failure is enough.
    """
    __tracebackhide__ = True
    outcome = item.stash.get(OUTCOME, None)
    if call.when != "teardown" or call.excinfo is not None or outcome not in AFTER:
        return
    import kit.testing

    try:
        _fail(find_problems(item, has_stubs=False), AFTER[outcome])
    except kit.testing.VerificationError:
        call.excinfo = pytest.ExceptionInfo.from_current()


def _fail(found: Found, when: str = "") -> None:
    __tracebackhide__ = True
    problems, text = found
    if problems:
        import kit.testing

        raise kit.testing.VerificationError(f"{when}{text}", problems)


def complete_report(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Add to the report of a test that failed otherwise what went wrong on its servers."""
    if not has_servers(item):
        return
    is_teardown = call.when == "teardown"
    if report.failed and call.excinfo is not None:
        _add_problems(item, call.excinfo.value, report)
        if not is_teardown:
            _add_lint(item, report)
            item.stash[OUTCOME] = SETUP_FAILED if call.when == "setup" else FAILED
    elif is_teardown and item.stash.get(OUTCOME, None) not in AFTER:
        # Of a test that was skipped, or expected to fail, nobody is told.
        text = find_problems(item, has_stubs=False)[1]
        if text and item.stash.get(OUTCOME, None) == FAILED:
            report.sections.append((PROBLEMS_AT_TEARDOWN, text))
    if is_teardown:
        item.stash.setdefault(OUTCOME, "")
        del item.stash[OUTCOME]
        if FACTORY in item.stash:
            del item.stash[FACTORY]  # what it holds would stay until the session ends


def _add_problems(item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
    import kit.testing

    if isinstance(error, kit.testing.VerificationError):
        tidy_traceback(report.longrepr)
    # A subtest is reported while the rest of the test may still use them.
    has_stubs = report.when != "teardown" and IS_CALLED not in item.stash
    text = find_problems(item, has_stubs=has_stubs)[1]
    if text:
        report.sections.append((PROBLEMS, text))


def _add_lint(item: pytest.Item, report: pytest.TestReport) -> None:
    own, shared = item.stash.get(FACTORY, None), item.config.stash.get(FACTORY, None)
    noted = [] if own is None else [own.format_lint()]
    noted += [] if shared is None else [shared.format_lint(item.nodeid)]
    text = "\n\n".join(filter(None, noted))
    if text:
        report.sections.append((LINT, text))


def is_part_of_the_suite(config: pytest.Config) -> bool:
    """Tell whether tests that exist are left to other runs, or to other processes of this one."""
    return (
        workers.is_worker(config)
        or IS_PARTIAL in config.stash
        or bool(config.getoption("lf", False))  # which leaves tests out silently
        or any("::" in argument for argument in config.args)
    )


class SessionEnd:
    """Tells at the end what of servers of the session was told with no test.

    That fails the teardown of the last test. Where the session was interrupted there is
    none, and a section is written that leaves the interruption what it is. If tests were
    left out, or other processes run some, stubs that are not used may have been for those.

    Args:
        session: the one that ends.
        factory: what has started its servers.
    """

    def __init__(self, session: pytest.Session, factory: ServerFactory) -> None:
        self._session = session
        self._factory = factory
        self._is_late = False
        self._text = ""

    def verify(self) -> None:
        """Tell it; all servers have stopped.

        Raises:
            VerificationError: there are problems, and a test is being torn down.
        """
        __tracebackhide__ = True
        if self._is_late:
            self._text = self._factory.find_untold(has_stubs=False)[1]
            return
        is_stopped = self._session.shouldfail or self._session.shouldstop
        is_whole = not is_stopped and not is_part_of_the_suite(self._session.config)
        # What is of the test that is torn down now is told as for any other.
        present = find_current_test()
        self._factory.verify("at the end of the session: ", but=present, has_stubs=is_whole)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Note that fixtures which are torn down from now on are of no test's."""
        self._is_late = True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write what was found in a session that was interrupted."""
        if self._text:
            terminalreporter.ensure_newline()
            terminalreporter.section(PROBLEMS, red=True)
            for line in self._text.splitlines():
                terminalreporter.write_line(line)


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
