from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit
from kit import ErrorResponse, HTTPServer, Request, Response
from kit.testing import load_corpus
from support.authority import authority
from support.command_line import error_of, run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "a.txt").write_text("a")
    return directory


@pytest.fixture
def url(files: Path) -> Iterator[str]:
    """Serve the directory twice: with a guard, and naively."""

    def guarded(request: Request) -> Response:
        try:
            path = kit.path_join_safe(str(files), request.matches["name"])
        except kit.UnsafePathError as error:
            return ErrorResponse(str(error), 403)
        return read(Path(path))

    def naive(request: Request) -> Response:
        return read(files / request.matches["name"])

    def read(path: Path) -> Response:
        try:
            return Response(path.read_bytes())
        except (OSError, ValueError):
            return ErrorResponse("none", 404)

    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/safe/:name+", guarded), ("GET", "/naive/:name+", naive)])
        yield server.url


def test_a_server_that_keeps_its_files_passes(url: str, files: Path) -> None:
    result = run("audit", f"{url}/safe/", "--root", str(files))
    assert result.exit_code == 0, result.output
    count = len(load_corpus())
    assert result.stdout == f"{url}/safe/ keeps {count} hostile names inside\n"
    assert sorted(path.name for path in files.iterdir()) == ["a.txt"]


def test_a_server_that_leaks_fails_with_the_requests_to_send_again(url: str, files: Path) -> None:
    result = run("audit", f"{url}/naive/", "--root", str(files))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{url}/naive/ lets ")
    assert " hostile names:" in lines[0]
    assert " -> 200 with the canary in its body (" in lines[1]
    assert lines[2].startswith("    curl ")


def test_the_findings_are_written_as_json(url: str, files: Path) -> None:
    result = run("audit", f"{url}/naive/", "--root", str(files), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["url"], found["ok"]) == (f"{url}/naive/", False)
    assert found["names"] == len(load_corpus())
    assert " with the canary in its body (" in found["leaks"][0]["text"]
    assert found["leaks"][0]["curl"].startswith("curl ")
    good = run("audit", f"{url}/safe/", "--root", str(files), "--json")
    assert json.loads(good.stdout)["ok"] is True
    assert good.exit_code == 0


def test_without_a_place_only_absolute_names_can_be_told(url: str) -> None:
    result = run("audit", f"{url}/safe/")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(
        ", as far as absolute names and system files tell: give --root to have others told too\n"
    )


def test_a_canary_of_ones_own_is_looked_for(url: str, tmp_path: Path) -> None:
    canary = tmp_path / "secret.txt"
    canary.write_text("nobody else has this text")
    result = run("audit", f"{url}/naive/", "--canary", str(canary), "--ordinary", "a.txt")
    assert result.exit_code == 1
    assert "secret.txt" in result.stdout


def test_a_server_that_serves_nothing_proves_nothing(url: str, files: Path) -> None:
    result = run("audit", f"{url}/elsewhere/", "--root", str(files))
    assert result.exit_code == 1
    assert "does not serve even the ordinary name" in result.stdout


def test_a_server_that_is_not_there_is_told_in_one_sentence(files: Path) -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        url = server.url
    result = run("audit", url, "--root", str(files))
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{url} gives no answer to GET /kit-there-is-no-such-file: ")


def test_fields_and_an_authority_can_be_given(files: Path, tmp_path: Path) -> None:
    def serve(request: Request) -> Response:
        if request.headers.text("x-token") != "open":
            return ErrorResponse("who are you?", 401)
        try:
            path = kit.path_join_safe(str(files), request.matches["name"])
            return Response(Path(path).read_bytes())
        except (kit.UnsafePathError, OSError):
            return ErrorResponse("none", 404)

    cafile = str(authority().write_pem(tmp_path / "ca.pem"))
    with HTTPServer(("127.0.0.1", 0), ssl_context=authority().server_context()) as server:
        server.registerRoutes([("GET", "/:name+", serve)])
        asked = ["audit", server.url, "--root", str(files), "--cafile", cafile]
        refused = run(*asked)
        result = run(*asked, "-H", "X-Token: open")
    assert refused.exit_code == 1
    assert "401, expected 200" in refused.stdout
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("http://192.0.2.1/files/",),
            "192.0.2.1 is not this machine: give --allow-remote if you may audit it",
        ),
        (("ftp://localhost/",), "expected an http(s) URL, got 'ftp://localhost/'"),
        (("localhost:80",), "expected an http(s) URL, got 'localhost:80'"),
        (("http://[::1/",), "'http://[::1/': Invalid IPv6 URL"),
    ],
)
def test_a_place_that_may_not_be_asked_is_wrong_usage(
    arguments: tuple[str, ...], text: str
) -> None:
    assert error_of("audit", *arguments) == f"Invalid value for 'URL': {text}"


def test_a_field_without_a_colon_is_wrong_usage() -> None:
    assert error_of("audit", "http://127.0.0.1/", "-H", "X") == (
        "Invalid value for '--header': expected 'NAME: VALUE', got 'X'"
    )


def test_a_remote_server_is_asked_where_that_is_allowed() -> None:
    # An address that nobody has (RFC 5737).
    result = run("audit", "http://192.0.2.1/", "--allow-remote", "--timeout", "0.1")
    assert result.exit_code == 1
    assert result.stdout.startswith("http://192.0.2.1/ gives no answer to GET ")


def test_help_of_audit_tells_options_and_exit_codes() -> None:
    text = run("audit", "--help").output
    parts = ["--root", "--canary", "--ordinary", "--cafile", "--timeout", "--allow-remote"]
    assert [each for each in [*parts, "--json", "-H, --header"] if each not in text] == []
    assert "    0  nothing leaked\n    1  a name got out" in text
