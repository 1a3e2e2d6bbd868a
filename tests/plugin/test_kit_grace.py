"""`--kit-grace` and the ini key `kit_grace`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


SOURCE = """
import threading

end = threading.Event()

def test_stuck(kit_plain_server):
    began = threading.Event()

    def stuck(request):
        began.set()
        end.wait(60)
        return kit.Response("late")

    kit_plain_server.registerRoutes([("GET", "/stuck", stuck)])
    client = kit.HTTPClient((kit_plain_server.host, kit_plain_server.port)).start()
    client.get("/stuck")
    assert began.wait(60)
    client.stop()
    if RELEASED:
        threading.Timer(0.2, end.set).start()

def test_end():
    end.set()
"""


@pytest.mark.parametrize("by", ["option", "ini key"])
def test_a_handler_that_takes_longer_is_cut(
    run_tests: RunTests, pytester: pytest.Pytester, by: str
) -> None:
    pytester.makeini(f"[pytest]\nkit_grace = {'0' if by == 'ini key' else '60'}")
    arguments = ["--kit-grace=0"] if by == "option" else []
    result = run_tests(SOURCE.replace("RELEASED", "False"), *arguments)
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*was still busy after the test, and was cut:"])


def test_a_handler_that_ends_in_time_is_not_cut(run_tests: RunTests) -> None:
    result = run_tests(SOURCE.replace("RELEASED", "True"), "--kit-grace=60", "-W", "error")
    result.assert_outcomes(passed=2)
