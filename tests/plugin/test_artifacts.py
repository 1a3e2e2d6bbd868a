"""`--kit-report` and `--kit-har`: the run in files, with and without pytest-xdist."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.pages import read_page

RunTests = Callable[..., pytest.RunResult]

RUN = """
def ask(url, token="kanarienvogel-4711"):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as response:
        return response.read()

def hello(request):
    return kit.Response("hello")

@pytest.fixture
def server(kit_server_factory):
    return kit_server_factory([("GET", "/hello/:name", hello)], tls=False)

def test_that_passes(server):
    assert ask(server.url_for("/hello/ada")) == b"hello"

def test_that_fails(server):
    token = ask(server.url_for("/hello/bob"))
    assert token == b"kanarienvogel-4711"

def test_without_servers():
    pass

@pytest.mark.xfail
def test_that_is_expected_to_fail(server):
    ask(server.url_for("/hello/eve"))
    assert False

@pytest.fixture
def broken(server):
    ask(server.url_for("/hello/set-up"))
    raise ValueError("no set-up")

def test_with_a_broken_fixture(broken):
    pass

@pytest.mark.skip
def test_that_is_skipped():
    pass
"""

PASSING = """
def hello(request):
    return kit.Response("hello")

def test_that_passes(kit_server_factory):
    server = kit_server_factory([("GET", "/hello", hello)], tls=False)
    urllib.request.urlopen(server.url_for("/hello")).close()
"""

OUTCOMES = {
    "test_inner.py::test_that_passes": "passed",
    "test_inner.py::test_that_fails": "failed",
    "test_inner.py::test_without_servers": "passed",
    "test_inner.py::test_that_is_expected_to_fail": "xfailed",
    "test_inner.py::test_with_a_broken_fixture": "error",
    "test_inner.py::test_that_is_skipped": "skipped",
}
PATHS = {
    "test_inner.py::test_that_passes": "/hello/ada",
    "test_inner.py::test_that_fails": "/hello/bob",
    "test_inner.py::test_that_is_expected_to_fail": "/hello/eve",
    "test_inner.py::test_with_a_broken_fixture": "/hello/set-up",
}


def read_report(path: Path) -> Any:
    return read_page(path.read_text(encoding="utf-8")).document["log"]


def read_har(path: Path) -> Any:
    return json.loads(path.read_bytes())["log"]


def list_outcomes(log: Any) -> dict[str, str]:
    return {page["id"]: page["_kit"]["outcome"] for page in log["pages"]}


def list_paths(log: Any) -> dict[str, str]:
    return {
        entry["pageref"]: "/" + entry["request"]["url"].split("/", 3)[3] for entry in log["entries"]
    }


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_the_run_is_written_as_a_page_and_as_har(
    run_tests: RunTests, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run_tests(RUN, *workers, "--kit-report=out/run.html", "--kit-har", "out/run.har")
    result.assert_outcomes(passed=2, failed=1, errors=1, xfailed=1, skipped=1)
    folder = pytester.path / "out"
    report, har = read_report(folder / "run.html"), read_har(folder / "run.har")
    assert list_outcomes(report) == OUTCOMES
    assert list_paths(report) == list_paths(har) == PATHS
    assert set(list_outcomes(har)) == set(PATHS)
    assert len(report["entries"]) == 4
    result.stdout.fnmatch_lines(
        [
            f"*- kit report: {folder / 'run.html'} (6 tests, 4 exchanges) -*",
            f"*- kit har: {folder / 'run.har'} (4 tests, 4 exchanges) -*",
        ]
    )
    assert sorted(path.name for path in folder.iterdir()) == ["run.har", "run.html"]
    workers_told = {page["_kit"].get("worker") for page in report["pages"]}
    assert workers_told == ({"gw0", "gw1"} if workers else {None})


def test_the_page_tells_how_a_test_failed_and_no_file_has_a_secret(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    run_tests(RUN, "--kit-report=run.html", "--kit-har=run.har")
    page = next(
        page
        for page in read_report(pytester.path / "run.html")["pages"]
        if page["_kit"]["outcome"] == "failed"
    )
    assert "assert b'hello' == b'REDACTED'" in page["_kit"]["failure"]
    for name in ("run.html", "run.har"):
        assert b"kanarienvogel" not in (pytester.path / name).read_bytes()


def test_what_was_wrong_on_the_servers_is_told(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    run_tests(
        """
        def test_that_fails_otherwise(kit_server_factory):
            server = kit_server_factory(tls=False)
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(server.url_for("/nowhere"))
            caught.value.close()
            assert 1 == 2
        """,
        "--kit-report=run.html",
    )
    [page] = read_report(pytester.path / "run.html")["pages"]
    [problems] = page["_kit"]["problems"]
    assert "unmatched: GET /nowhere -> 404" in problems
    assert "assert 1 == 2" in page["_kit"]["failure"]


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_only_failures_are_retained_where_that_is_asked_for(
    run_tests: RunTests, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    mode = "retain-on-failure"
    run_tests(RUN, *workers, "--kit-report=run.html", "--kit-report-mode", mode)
    log = read_report(pytester.path / "run.html")
    bad = {name: outcome for name, outcome in OUTCOMES.items() if outcome in {"failed", "error"}}
    assert list_outcomes(log) == bad
    assert list_paths(log) == {name: PATHS[name] for name in bad}


def test_nothing_is_retained_of_a_run_without_failures(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nkit_har = run.har\nkit_har_mode = retain-on-failure")
    pytester.path.joinpath("run.har").write_text("of an earlier run", encoding="utf-8")
    result = run_tests(PASSING)
    assert result.ret == 0
    path = pytester.path / "run.har"
    result.stdout.fnmatch_lines([f"*- kit har: no test failed, {path} is not kept -*"])
    assert not path.exists()


def test_ini_keys_ask_for_files_and_the_options_go_before_them(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nkit_report = a.html\nkit_har = a.har")
    run_tests(PASSING, "--kit-report-mode=off", "--kit-har=b.har")
    assert not (pytester.path / "a.html").exists()
    assert not (pytester.path / "a.har").exists()
    assert len(read_har(pytester.path / "b.har")["entries"]) == 1


def test_a_mode_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests(PASSING, "--kit-har=a.har", "--kit-har-mode=always")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --kit-har-mode (ini: kit_har_mode) is on, off or retain-on-failure, not 'always'"]
    )


def test_a_file_that_cannot_be_written_fails_the_run(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.path.joinpath("taken").mkdir()
    result = run_tests(PASSING, "--kit-report=taken", "--kit-har=fine.har")
    assert result.ret == 1
    path = pytester.path / "taken"
    result.stdout.fnmatch_lines(
        [f"*- kit report: {path} cannot be written: Is a directory -*", "*- kit har: *fine.har *"]
    )
    result.assert_outcomes(passed=1)


def test_collecting_alone_writes_nothing(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    result = run_tests(PASSING, "--kit-report=run.html", "--collect-only")
    assert result.ret == 0
    assert not (pytester.path / "run.html").exists()


def test_a_test_whose_worker_crashed_has_failed(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    crashing = PASSING + "\ndef test_crash():\n    import os\n    os._exit(3)\n"
    run_tests(crashing, "-p", "xdist", "-n", "1", "--kit-report=run.html")
    assert list_outcomes(read_report(pytester.path / "run.html")) == {
        "test_inner.py::test_that_passes": "passed",
        "test_inner.py::test_crash": "failed",
    }


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


def test_without_the_options_nothing_is_loaded(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    result = run_tests(
        """
        import sys

        def test_modules(kit_server_factory):
            kit_server_factory(tls=False)
            unwanted = {"kit.viewer", "pytest_plugin.artifacts", "pytest_plugin.hold"}
            assert not unwanted & set(sys.modules)
        """
    )
    result.assert_outcomes(passed=1)
    assert [path.name for path in pytester.path.iterdir() if path.suffix in {".html", ".har"}] == []


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
