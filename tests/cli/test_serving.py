"""What `kit serve` says of itself, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from kit.cli.serving import Address, Announcer, MockServer, Tls, make_server, reload
from kit.cli.sources import Sources
from kit.cli.watching import Watch
from support.command_line import replace_file
from support.recordings import write_recording


def write_stubs(path: Path, *texts: str) -> None:
    stubs = [{"request": {"path": f"/{text}"}, "response": {"text": text}} for text in texts]
    replace_file(path, json.dumps({"stubs": stubs}))


class Rig:
    """A server of files, not started, and what is said when they are looked at."""

    def __init__(self, *files: Path, is_json: bool = False) -> None:
        self.sources = Sources([str(file) for file in files])
        self.server = MockServer(Address("127.0.0.1", 0))
        mock = self.sources.load()
        self.server.show(mock)
        self.watch = Watch(mock.files)
        self.announcer = Announcer(is_json=is_json)

    def look(self) -> None:
        reload(self.sources, self.server, self.watch, self.announcer)


def test_files_that_did_not_change_are_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stubs(tmp_path / "stubs.json", "one")
    rig = Rig(tmp_path / "stubs.json")
    before = rig.server.stubs
    rig.look()
    assert rig.server.stubs is before
    assert capsys.readouterr().out == ""


def test_a_reload_shows_the_new_stubs_and_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stubs(tmp_path / "stubs.json", "one")
    rig = Rig(tmp_path / "stubs.json")
    write_stubs(tmp_path / "stubs.json", "one", "two")
    rig.look()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["1", "GET", "/one"], ["2", "GET", "/two"]]
    assert lines[-1] == "reloaded 2 stubs, as stubs.json changed"


def test_a_table_that_is_as_before_is_not_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stubs(tmp_path / "stubs.json", "one")
    rig = Rig(tmp_path / "stubs.json")
    rig.announcer.tell_reload(rig.server, [])
    capsys.readouterr()
    stubs = {"stubs": [{"request": {"path": "/one"}, "response": {"text": "other words"}}]}
    replace_file(tmp_path / "stubs.json", json.dumps(stubs, indent=4))
    rig.look()
    assert capsys.readouterr().out == "reloaded 1 stub, as stubs.json changed\n"


def test_a_file_that_broke_leaves_the_stubs_and_is_told_until_it_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stubs.json"
    write_stubs(path, "one")
    rig = Rig(path)
    before = rig.server.stubs
    replace_file(path, '{"stubs": 1}')
    rig.look()
    assert rig.server.stubs is before
    told = click.unstyle(capsys.readouterr().out)
    assert told.startswith(f"not reloaded, stubs.json changed: {path}: ")
    assert told.endswith("; served as before\n")
    write_stubs(path, "other")
    rig.look()
    assert [stub.pattern for stub in rig.server.stubs] == ["/other"]


def test_a_reload_is_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stubs.json"
    write_stubs(path, "one")
    rig = Rig(path, is_json=True)
    write_stubs(path, "two")
    rig.look()
    replace_file(path, "{")
    rig.look()
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (done["event"], done["changed"]) == ("reloaded", [str(path)])
    assert [stub["pattern"] for stub in done["stubs"]] == ["/two"]
    assert done["routes"] == done["recordings"] == []
    assert (failed["event"], failed["changed"]) == ("reload failed", [str(path)])
    assert failed["error"].startswith(f"{path}: ")


def test_recordings_are_counted_beside_stubs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stubs(tmp_path / "stubs.json", "one")
    write_recording(tmp_path / "calls.har", ["/a", "/b"])
    rig = Rig(tmp_path / "stubs.json", tmp_path / "calls.har")
    rig.announcer.tell_reload(rig.server, [tmp_path / "calls.har"])
    out = capsys.readouterr().out
    assert out.endswith("reloaded 1 stub and 2 recordings, as calls.har changed\n")
    assert out.count("\n\n") == 2, "each table ends in a blank line"


def test_what_serves_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    server = MockServer(Address("127.0.0.1", 0))
    Announcer(is_json=False).tell_reload(server, [Path("a.py")])
    assert capsys.readouterr().out == "reloaded nothing, as a.py changed\n"


@pytest.mark.parametrize(
    ("count", "told"), [(3, "0.py, 1.py, 2.py"), (4, "0.py, 1.py, 2.py, 1 more")]
)
def test_of_many_changed_files_three_are_named(
    capsys: pytest.CaptureFixture[str], count: int, told: str
) -> None:
    changed = [Path(f"dir/{number}.py") for number in range(count)]
    Announcer(is_json=False).tell_reload(MockServer(Address("127.0.0.1", 0)), changed)
    assert capsys.readouterr().out == f"reloaded nothing, as {told} changed\n"


def test_an_authority_in_a_temporary_place_goes_with_the_server() -> None:
    with make_server(Address("127.0.0.1", 0), Tls(is_made=True)) as (server, ca_file):
        assert server.is_tls
        assert ca_file is not None
        assert ca_file.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert not ca_file.exists()
    assert not ca_file.parent.exists()
