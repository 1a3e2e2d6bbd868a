"""`--kit-report`: the run as a page, with and without pytest-xdist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.plugin_artifacts import (
    OUTCOMES,
    PASSING,
    PATHS,
    RUN,
    list_outcomes,
    list_paths,
    read_har,
    read_report,
)

RunTests = Callable[..., pytest.RunResult]


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


@pytest.mark.parametrize(
    ("arguments", "name"), [([], "a.html"), (["--kit-report=b.html"], "b.html")]
)
def test_the_ini_key_asks_for_a_page_and_the_option_goes_before_it(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: list[str], name: str
) -> None:
    pytester.makeini("[pytest]\nkit_report = a.html")
    run_tests(PASSING, *arguments)
    assert [path.name for path in pytester.path.glob("*.html")] == [name]
    assert len(read_report(pytester.path / name)["entries"]) == 1


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
