from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from websockets.sync.client import connect

import kit
from kit import HTTPServer, JsonResponse, Request, Response, WebSocketOpCode
from kit.cli.progress import LONG
from support.authority import authority
from support.command_line import Command, error_of, fetch, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")


class Api(kit.Resource):
    answer = "one"

    @kit.get("/v1/items/:id")
    def show(self, request: Request) -> Response:
        return JsonResponse({"id": request.matches["id"], "answer": self.answer})

    @kit.websocket("/v1/echo")
    def echo(self, request: Any, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if payload:
            request.send(payload)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def upstream(api: Api) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(api)
        yield f"{server.url}/v1"


def record(directory: Path, upstream: str, *arguments: str) -> Command:
    return Command(
        directory, "record", "--upstream", upstream, "out.har", "--port", "0", *arguments
    )


def record_one(directory: Path, upstream: str, target: str, *arguments: str) -> str:
    """Record one request, and give what is told at the end."""
    with record(directory, upstream, *arguments) as command:
        assert fetch(f"{command.read_url()}{target}")[0] == 200
        command.read_until("/items/")
        code, out, err = command.stop()
        assert (code, err) == (0, "")
    return out


def test_writing_much_is_told_when_it_begins(tmp_path: Path, upstream: str) -> None:
    with (
        record(tmp_path, upstream) as command,
        urllib3.PoolManager() as client,
    ):
        url = command.read_url()
        for number in range(LONG // 2):
            assert client.request("GET", f"{url}/items/{number}").status == 200
        command.read_until(f"/items/{LONG // 2 - 1}")
        code, out, err = command.stop()
    assert (code, err) == (0, "writing out.har\n")
    assert f"wrote {LONG // 2} exchanges to " in out


def test_what_passed_is_written_when_it_is_interrupted(tmp_path: Path, upstream: str) -> None:
    with record(tmp_path, upstream) as command:
        url = command.read_url()
        assert fetch(f"{url}/items/7?token=abcdefgh") == (200, b'{"id":"7","answer":"one"}')
        with connect(f"{url.replace('http', 'ws')}/echo") as socket:
            socket.send("hi")
            assert socket.recv() == "hi"
        command.read_until("websocket closed")
        assert [line.split("  ")[1] for line in command.lines if "/items/7" in line] == [
            "GET /items/7?token=REDACTED"
        ]
        assert command.stop() == (0, "wrote 2 exchanges to out.har\n", "")
    assert command.lines[0] == f"recording {upstream} on {url} (press Ctrl-C to stop)\n"
    entries = kit.har.load(tmp_path / "out.har").entries
    assert sorted(entry.request.url for entry in entries) == [
        f"{upstream}/items/7?token=REDACTED",
        f"{upstream.replace('http', 'ws')}/echo",
    ]


def test_what_was_recorded_is_served_without_upstream(tmp_path: Path, api: Api) -> None:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes(api)
        record_one(tmp_path, f"{server.url}/v1", "/items/7")
    with Command(tmp_path, "serve", "out.har", "--port", "0") as command:
        url = command.read_url()
        path = kit.har.load(tmp_path / "out.har").entries[0].request.path
        answers = [fetch(f"{url}{path}") for _ in range(2)]
        assert answers == [(200, b'{"id":"7","answer":"one"}')] * 2
        assert command.read_until("GET ").endswith("  out.har entry 0\n")
        assert fetch(f"{url}/items/8")[0] == 404
    text = "".join(command.lines)
    assert "0      GET     " in text
    assert "serving 1 recording on " in text


def test_a_recording_that_is_used_up_can_be_a_miss(tmp_path: Path, upstream: str) -> None:
    record_one(tmp_path, upstream, "/items/7")
    path = kit.har.load(tmp_path / "out.har").entries[0].request.path
    with Command(tmp_path, "serve", "out.har", "--reuse", "once", "--port", "0") as command:
        url = command.read_url()
        assert [fetch(f"{url}{path}")[0] for _ in range(2)] == [200, 404]


def test_nothing_is_written_when_nothing_came(tmp_path: Path, upstream: str) -> None:
    with record(tmp_path, upstream) as command:
        command.read_url()
        told = "nothing to record came: out.har is not written\n"
        assert command.stop() == (0, told, "")
    assert not (tmp_path / "out.har").exists()


def test_new_episodes_are_recorded_beside_the_old_ones(
    tmp_path: Path, api: Api, upstream: str
) -> None:
    record_one(tmp_path, upstream, "/items/1")
    api.answer = "two"
    out = record_one(tmp_path, upstream, "/items/2", "--mode", "new_episodes")
    assert out == "wrote 2 exchanges to out.har\n"
    bodies = [entry.response.body for entry in kit.har.load(tmp_path / "out.har")]
    assert sorted(bodies) == [b'{"id":"1","answer":"one"}', b'{"id":"2","answer":"two"}']


def test_verify_tells_what_upstream_answers_otherwise(
    tmp_path: Path, api: Api, upstream: str
) -> None:
    record_one(tmp_path, upstream, "/items/1")
    before = (tmp_path / "out.har").read_bytes()
    assert record_one(tmp_path, upstream, "/items/1", "--mode", "verify") == (
        "out.har verified, and not written\n"
    )
    api.answer = "two"
    with record(tmp_path, upstream, "--mode", "verify", "--json") as command:
        url = command.read_event("recording")["url"]
        assert fetch(f"{url}/items/1")[0] == 200
        code, out, err = command.stop()
    assert (code, err) == (1, "Error: upstream is not as out.har has it\n")
    assert '"event": "done"' in out
    assert "$.answer" in out
    assert (tmp_path / "out.har").read_bytes() == before


def test_verify_where_nothing_was_asked_fails(tmp_path: Path, upstream: str) -> None:
    record_one(tmp_path, upstream, "/items/1")
    with record(tmp_path, upstream, "--mode", "verify") as command:
        command.read_url()
        code, out, err = command.stop()
    assert (code, err) == (1, "Error: upstream is not as out.har has it\n")
    assert "nothing was asked: 1 recording of out.har compared with nothing\n" in out


def test_verify_tells_how_much_of_a_recording_was_asked_for(tmp_path: Path, upstream: str) -> None:
    record_one(tmp_path, upstream, "/items/1")
    record_one(tmp_path, upstream, "/items/2", "--mode", "new_episodes")
    assert record_one(tmp_path, upstream, "/items/1", "--mode", "verify") == (
        "out.har verified as far as it was asked for, 1 of 2, and not written\n"
    )


def test_rewriting_where_nothing_came_leaves_the_file(tmp_path: Path, upstream: str) -> None:
    record_one(tmp_path, upstream, "/items/1")
    before = (tmp_path / "out.har").read_bytes()
    with record(tmp_path, upstream, "--mode", "rewrite") as command:
        command.read_url()
        assert command.stop() == (0, "nothing to record came: out.har is left as it was\n", "")
    assert (tmp_path / "out.har").read_bytes() == before


def test_names_of_ones_own_are_redacted_too(tmp_path: Path, upstream: str) -> None:
    record_one(tmp_path, upstream, "/items/7?tenant=acme-corp", "--redact", "tenant")
    assert b"acme-corp" not in (tmp_path / "out.har").read_bytes()


def test_an_upstream_with_tls_is_trusted_by_its_authority(tmp_path: Path, api: Api) -> None:
    cafile = str(authority().write_pem(tmp_path / "ca.pem"))
    with HTTPServer(("127.0.0.1", 0), ssl_context=authority().server_context()) as server:
        server.registerRoutes(api)
        out = record_one(tmp_path, f"{server.url}/v1", "/items/7", "--cafile", cafile)
    assert out == "wrote 1 exchange to out.har\n"


def test_everything_is_told_as_json_where_that_is_asked_for(tmp_path: Path, upstream: str) -> None:
    with record(tmp_path, upstream, "--json") as command:
        start = command.read_event("recording")
        assert (start["upstream"], start["ca_file"]) == (upstream, None)
        fetch(f"{start['url']}/items/7")
        assert command.read_event("exchange")["handler"] == f"proxy of {upstream}"
        _, out, _ = command.stop()
    assert out == (
        '{"event": "done", "file": "out.har", "written": true, "entries": 1, "not_recorded": 0, '
        '"left_out": "", "problems": []}\n'
    )


def test_a_file_that_is_there_is_not_recorded_over(tmp_path: Path) -> None:
    file = tmp_path / "out.har"
    file.write_text("{}")
    assert error_of("record", "--upstream", "http://localhost", str(file)) == (
        f"Invalid value for 'FILE': {file} is there already: give --mode new_episodes, all, "
        "rewrite or verify"
    )


def test_a_file_to_verify_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "out.har"
    assert error_of("record", "--upstream", "http://localhost", str(file), "--mode", "verify") == (
        f"Invalid value for 'FILE': there is no {file} to verify"
    )


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_recorded(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "out.har"
    text = error_of("record", "--upstream", "http://localhost", str(path), exit_code=1)
    assert text == f"{path}: {tmp_path / 'file'} cannot be written to"


def test_an_upstream_that_is_no_url_is_told_in_one_sentence(tmp_path: Path) -> None:
    text = error_of("record", "--upstream", "localhost", str(tmp_path / "a.har"), exit_code=1)
    assert text.startswith("an upstream is told by its base URL, such as ")


def test_help_of_record_tells_modes_and_options() -> None:
    text = run("record", "--help").output
    parts = ["--upstream", "--cafile", "--timeout", "--mode", "--redact", "--host", "--port"]
    parts += ["--tls", "--json", "once|new_episodes|all|rewrite|verify"]
    assert [each for each in parts if each not in text] == []
