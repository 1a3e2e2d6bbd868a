"""Recordings that other tools made, see fixtures/har/make.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.expect.multipart import parse_multipart
from kit.record.entry import Recording
from kit.record.har import diff, dump, format_document, load
from support.har_entries import FIXTURES
from support.har_schema import validate

READ = FIXTURES / "read-by-mitmproxy"
"""What mitmproxy has read of ours, and written again."""
FILES = sorted(path for path in FIXTURES.rglob("*.har") if path.parent != READ)
SECRETS = ("k-123456", "hunter2", "tok-123456", "s-123456", "t-123456", "b-123456", "theme=dark")


def find(recording: Recording, path: str) -> int:
    [*found, _] = [*(e.index for e in recording if e.request.path == path), -1]
    assert found, path
    return found[0]


def name_of(file: Path) -> str:
    return str(file.relative_to(FIXTURES))


@pytest.fixture(params=FILES, ids=name_of)
def recording(request: pytest.FixtureRequest) -> Recording:
    return load(request.param)


def test_there_are_files_of_several_tools() -> None:
    assert {load(file).creator[0] for file in FILES} >= {"Firefox", "mitmproxy", "Playwright"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_schema_takes_what_other_tools_write(file: Path) -> None:
    document = json.loads(file.read_bytes())
    assert len(validate(document).log.entries) == len(document["log"]["entries"])


def test_no_file_is_large() -> None:
    assert max(file.stat().st_size for file in FIXTURES.rglob("*")) < 100_000


def test_bodies_are_read_with_their_codings_undone(recording: Recording) -> None:
    packed = recording.entries[find(recording, "/gzip")].response
    assert json.loads(packed.body) == {"text": "wirekit " * 40}
    assert packed.fields.text("content-encoding") == "gzip"
    assert not any(name.lower() == b"content-encoding" for name, _ in packed.sendable_headers)
    pixel = recording.entries[find(recording, "/pixel.png")].response
    assert (pixel.body[:8], len(pixel.body)) == (b"\x89PNG\r\n\x1a\n", 70)


def test_repeated_fields_stay_repeated(recording: Recording) -> None:
    cookies = recording.entries[find(recording, "/")].response.fields["set-cookie"]
    assert [cookie.partition(b"=")[0] for cookie in cookies] == [b"sid", b"theme"]


def test_posted_bodies_are_read(recording: Recording) -> None:
    form = recording.entries[find(recording, "/form")].request
    assert form.body == b"name=Ada+L&token=t+1&name=%C3%A9"
    assert json.loads(recording.entries[find(recording, "/orders")].request.body)["sku"] == "a1"


def test_an_uploaded_file_is_read_byte_by_byte() -> None:
    recording = load(FIXTURES / "firefox.har")
    upload = recording.entries[find(recording, "/upload")].request
    [note, file] = parse_multipart(upload.content_type, upload.body)
    assert (note.content, file.filename, file.content) == (b"hello", "bytes.bin", b"\0\xff\r\n")


def test_queries_stay_undecoded(recording: Recording) -> None:
    request = recording.entries[find(recording, "/users/ada")].request
    assert request.query == "page=1&page=2&api_key=k-123456"


def test_websockets_are_read(recording: Recording) -> None:
    socket = recording.entries[find(recording, "/echo")]
    assert socket.response.status == 101
    frames = socket.frames or ()
    if recording.creator[0] == "Firefox":
        assert (socket.is_websocket, frames) == (True, ())  # it keeps none
        return
    data = {"hällo".encode(), b"\x01\x02\xff"}
    for direction in ("send", "receive"):
        assert {frame.data for frame in frames if frame.direction == direction} == data
    assert all(0 <= frame.offset_s < 60 for frame in frames)


def test_a_recording_survives_being_written_and_read(recording: Recording) -> None:
    document = dump(recording, pages=recording.pages, redaction=None, creator=recording.creator)
    validate(document)
    again = load(format_document(document))
    assert (again.entries, again.pages) == (recording.entries, recording.pages)
    assert diff(recording, again).is_same


def test_secrets_are_taken_out(recording: Recording) -> None:
    text = format_document(dump(recording, pages=recording.pages)).decode()
    assert [secret for secret in SECRETS if secret in text] == []
    assert "REDACTED" in text


def test_a_redacted_recording_is_consistent(recording: Recording) -> None:
    redacted = load(format_document(dump(recording, pages=recording.pages)))
    for entry in redacted:
        for message in (entry.request, entry.response):
            stated = message.fields.text("content-length")
            if stated is not None and message.body and b"content-encoding" not in message.fields:
                assert int(stated) == len(message.body)


def test_mitmproxy_reads_our_recordings_but_for_websocket_messages() -> None:
    given, read = (load(READ / name) for name in ("given.har", "read.har"))
    assert (given.creator[0], read.creator[0]) == ("wirekit", "mitmproxy")
    found = diff(given, read)
    assert (found.same, found.removed, found.added) == (7, (), ())
    [change] = found.changed
    assert change.before.request.path == "/echo"
    assert all(each.startswith("websocket ") for each in change.differences)
    assert {frame.data for frame in change.before.frames or ()} >= {"hällo".encode()}


def test_the_schema_takes_what_was_given_to_mitmproxy() -> None:
    document = json.loads((READ / "given.har").read_bytes())
    assert len(validate(document).log.entries) == 8
