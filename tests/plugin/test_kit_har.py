"""`--kit-har`: the exchanges of the run, as HAR."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from support.plugin_artifacts import PASSING, list_outcomes, list_paths, read_har

RunTests = Callable[..., pytest.RunResult]


def test_exchanges_of_the_sessions_servers_belong_to_the_test_in_which_they_came(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    run_tests(
        """
        @pytest.fixture(scope="session")
        def shared(kit_session_server_factory):
            hello = lambda request: kit.Response("hello")
            return kit_session_server_factory([("GET", "/hello/:name", hello)], tls=False)

        @pytest.mark.parametrize("name", ["ada", "bob"])
        def test_shared(shared, name):
            urllib.request.urlopen(shared.url_for(f"/hello/{name}")).close()
        """,
        "--kit-har=run.har",
    )
    assert list_paths(read_har(pytester.path / "run.har")) == {
        "test_inner.py::test_shared[ada]": "/hello/ada",
        "test_inner.py::test_shared[bob]": "/hello/bob",
    }


def test_no_other_plugin_sees_what_is_carried(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        def pytest_runtest_logreport(report):
            print(f"\\n{report.when}: {[name for name in vars(report) if 'kit' in name]}")
        """
    )
    result = run_tests(PASSING, "--kit-har=run.har", "-s")
    result.stdout.fnmatch_lines(["setup: []", "call: []", "teardown: []"])


def test_attempts_that_are_tried_again_are_told(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed")
    run_tests(
        """
        attempts = []

        def test_flaky(kit_server_factory):
            attempts.append(1)
            hello = lambda request: kit.Response("hello")
            server = kit_server_factory([("GET", "/hello/:name", hello)], tls=False)
            urllib.request.urlopen(server.url_for(f"/hello/{len(attempts)}")).close()
            assert len(attempts) == 2
        """,
        *("-p", "pytest_rerunfailures", "--reruns", "1", "--kit-har=run.har"),
    )
    log = read_har(pytester.path / "run.har")
    name = "test_inner.py::test_flaky"
    assert list_outcomes(log) == {name: "rerun", f"{name} (2)": "passed"}
    assert list_paths(log) == {name: "/hello/1", f"{name} (2)": "/hello/2"}


@pytest.mark.skipif(sys.platform == "win32", reason="a file of no permission is a POSIX one")
def test_the_old_file_stays_until_the_new_one_is_whole(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    path = pytester.path / "run.har"
    path.write_text("old", encoding="utf-8")
    with path.open(encoding="utf-8") as old:
        run_tests(PASSING, "--kit-har=run.har")
        assert old.read() == "old"
    assert len(read_har(path)["entries"]) == 1


@pytest.mark.parametrize(("arguments", "name"), [([], "a.har"), (["--kit-har=b.har"], "b.har")])
def test_the_ini_key_asks_for_a_file_and_the_option_goes_before_it(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: list[str], name: str
) -> None:
    pytester.makeini("[pytest]\nkit_har = a.har")
    run_tests(PASSING, *arguments)
    assert [path.name for path in pytester.path.glob("*.har")] == [name]
    assert len(read_har(pytester.path / name)["entries"]) == 1
