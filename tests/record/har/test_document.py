from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.record import FrameLog, Journal
from kit.record.entry import Entry, Page, Timings
from kit.record.har import dump, dump_entry, entries_of, export, format_document, load, write
from kit.record.redaction import Redaction
from support.exchanges import answer, make_exchange, record
from support.har_entries import JSON, make_entry, make_frame, make_request, make_response
from support.har_schema import validate


def dump_request(**given: Any) -> dict[str, Any]:
    path = given.pop("path", "/")
    found: dict[str, Any] = dump_entry(make_entry(request=make_request(path=path, **given)))
    return dict(found["request"])


def dump_response(**given: Any) -> dict[str, Any]:
    return dict(dump_entry(make_entry(response=make_response(**given)))["response"])


def test_a_journal_is_written_as_har() -> None:
    journal = Journal()
    record(journal, make_exchange("POST", "/a?b=c", route="/a"), 201, b'{"id": 7}')
    websocket = answer(make_exchange("GET", "/ws"), 101)
    websocket.frame_log = FrameLog()
    websocket.frame_log.add("received", 1, True, b"hi")
    journal.started(websocket)
    journal.complete(websocket)
    document = export(journal, pages=[Page(id="t", started_at=1.5)], pageref="t")
    har = validate(document)
    assert [entry.request.url for entry in har.log.entries] == [
        "http://shop.test:81/a?b=c",
        "ws://shop.test:81/ws",
    ]
    assert document["log"]["pages"] == [
        {
            "startedDateTime": "1970-01-01T00:00:01.500Z",
            "id": "t",
            "title": "t",
            "pageTimings": {},
        }
    ]
    assert document["log"]["creator"]["name"] == "wirekit"


def test_the_time_is_the_sum_of_the_phases_that_apply() -> None:
    timings = Timings(connect=5, ssl=4, send=1, wait=2, receive=3)
    document = dump([make_entry(timings=timings)])
    [entry] = validate(document).log.entries
    assert entry.time == entry.timings.total() == 11


def test_what_a_journal_has_dropped_is_told() -> None:
    journal = Journal(max_exchanges=1)
    for _ in range(100):
        record(journal, make_exchange())
    assert export(journal)["log"]["_kit"] == {"dropped": journal.dropped}
    assert export(journal, kit={"a": 1})["log"]["_kit"] == {"a": 1, "dropped": journal.dropped}
    assert "_kit" not in export([])["log"]


def test_secrets_are_taken_out_unless_nobody_wants_that() -> None:
    exchanges = [answer(make_exchange("GET", "/?token=abc"))]
    assert "token=abc" not in json.dumps(export(exchanges))
    assert "token=abc" in json.dumps(export(exchanges, redaction=None))
    assert "token=xx" in json.dumps(export(exchanges, redaction=Redaction(placeholder="xx")))


def test_repeated_fields_cookies_and_parameters_are_listed() -> None:
    headers = ((b"Cookie", b"a=b; c"), (b"X", b"1"), (b"x", b"\xe9"), (b"Cookie", b'd="e=f"'))
    request = dump_request(path="/?q=%C3%A9&q=&r", headers=headers)
    assert request["headers"][1:3] == [
        {"name": "X", "value": "1"},
        {"name": "x", "value": "é"},
    ]
    assert request["cookies"] == [{"name": "a", "value": "b"}, {"name": "d", "value": '"e=f"'}]
    assert request["queryString"] == [
        {"name": "q", "value": "é"},
        {"name": "q", "value": ""},
        {"name": "r", "value": ""},
    ]


def test_cookies_that_are_set_are_parsed() -> None:
    lines = [
        b"sid=a=b; Path=/x; Domain=a.test; Secure; HttpOnly; SameSite=Lax; Max-Age=3",
        b"old=; expires=Thu, 01 Jan 1970 00:00:00 GMT",
        b"odd=1; Expires=never",
    ]
    response = dump_response(headers=tuple((b"Set-Cookie", line) for line in lines))
    assert response["cookies"] == [
        {
            "name": "sid",
            "value": "a=b",
            "path": "/x",
            "domain": "a.test",
            "secure": True,
            "httpOnly": True,
            "sameSite": "Lax",
        },
        {"name": "old", "value": "", "expires": "1970-01-01T00:00:00.000Z"},
        {"name": "odd", "value": "1"},
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "text", "encoding"),
    [
        (b"application/json", '{"é": 1}'.encode(), '{"é": 1}', None),
        (b"text/plain; charset=iso-8859-1", b"\xe9", "é", None),
        (b"text/plain", b"\xe9", "6Q==", "base64"),
        (b"text/plain; charset=utf-16", b"a\x00", "YQA=", "base64"),
        (b"text/plain; charset=utf-16le", b"a\x00", "a", None),
        (b"application/octet-stream", b"words", "words", None),
        (b"image/png", b"a\x00b", "YQBi", "base64"),
        (b"text/plain; charset=base64", b"x", "eA==", "base64"),
        (b"text/plain", b"\x1b[31mred\r\n", "\x1b[31mred\r\n", None),
    ],
)
def test_bodies_are_text_where_that_gives_the_bytes_back(
    content_type: bytes, body: bytes, text: str, encoding: str | None
) -> None:
    headers = ((b"Content-Type", content_type),)
    content = dump_response(headers=headers, body=body)["content"]
    assert (content["text"], content.get("encoding")) == (text, encoding)
    assert content["mimeType"] == content_type.decode()
    post_data = dump_request(headers=headers, body=body)["postData"]
    assert post_data["text"] == content["text"]
    assert post_data.get("_encoding") == content.get("encoding")
    assert "params" not in post_data


def test_sizes_tell_what_crossed_the_wire_and_what_was_saved() -> None:
    headers = ((b"Content-Encoding", b"gzip"),)
    response = dump_response(headers=headers, body=b"x" * 100, body_size=20)
    assert response["bodySize"] == 20
    assert (response["content"]["size"], response["content"]["compression"]) == (100, 80)
    plain = dump_response(body=b"abc", body_size=9)
    assert (plain["content"]["size"], plain["bodySize"]) == (3, 9)
    assert "compression" not in plain["content"]


def test_a_redirect_and_an_error_have_their_fields() -> None:
    response = dump_response(headers=((b"Location", b"/there"),), error="broken")
    assert (response["redirectURL"], response["_error"]) == ("/there", "broken")


def test_an_entry_without_extras_has_no_field_for_them() -> None:
    assert dump_entry(make_entry()).keys() == {
        *("startedDateTime", "time", "request", "response", "cache", "timings"),
    }


# What is written is read again


TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=8
)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from([b"A", b"b", b"Content-Type", b"Set-Cookie"]),
        TEXT.map(lambda text: text.strip(" \t\r").encode("latin-1")),
    ),
    max_size=4,
).map(tuple)
MESSAGES: dict[str, Any] = {
    "headers": PAIRS,
    "body": st.binary(max_size=20),
    "is_encoded": st.booleans(),
    "headers_size": st.integers(-1, 99),
    "body_size": st.integers(-1, 99),
}


@settings(deadline=None)
@given(
    st.builds(make_request, st.sampled_from(["GET", "PUT"]), st.just("/a?b"), **MESSAGES),
    st.builds(make_response, st.sampled_from([0, 200, 404]), **MESSAGES),
)
def test_every_message_survives_being_written_and_read(request: Any, response: Any) -> None:
    entry = make_entry(request=request, response=response, server_ip="::1", connection="3")
    document = dump([entry], redaction=None)
    validate(document)
    assert load(format_document(document)).entries == (entry,)


def test_everything_of_an_entry_survives_being_written_and_read() -> None:
    entry = make_entry(
        request=make_request(body=b"abc", is_truncated=True, sha256="00", body_size=9),
        response=make_response(body=b"abcde", marks=((0.1, 2), (0.2, 3)), headers=JSON, error="x"),
        pageref="p",
        resource_type="fetch",
        kit={"role": "server", "matches": {"a": "b"}},
    )
    pages = (Page(id="p", title="t", started_at=3.25, kit={"outcome": "passed"}),)
    socket = make_entry(
        index=1,
        response=make_response(101),
        frames=(make_frame("send", 1, b"a", size=4), make_frame("receive", 8, b"\x03\xe8")),
        resource_type="websocket",
    )
    entries = (entry, socket)
    document = dump(entries, pages=pages, redaction=None, creator=("a", "1"), kit={"x": 1})
    validate(document)
    recording = load(format_document(document))
    assert recording.entries == entries
    assert (recording.pages, recording.creator, recording.kit) == (pages, ("a", "1"), {"x": 1})


def test_text_that_no_encoding_has_is_written_all_the_same(tmp_path: Path) -> None:
    entry: Entry = make_entry(kit={"exception": "in file '\udcff'"})
    write(tmp_path / "a.har", dump([entry]))
    assert load(tmp_path / "a.har").entries[0].kit == entry.kit


# Files


def test_a_file_is_written_with_the_directories_that_are_missing(tmp_path: Path) -> None:
    file = tmp_path / "some" / "where" / "a.har"
    document = export([answer(make_exchange())])
    write(file, document)
    assert json.loads(file.read_bytes()) == document
    assert [each.name for each in file.parent.iterdir()] == ["a.har"]


def test_the_same_entries_make_the_same_file() -> None:
    exchanges = [answer(make_exchange("GET", f"/{number}")) for number in range(3)]
    first, second = (format_document(dump(entries_of(exchanges))) for _ in range(2))
    assert first == second
    assert first.startswith(b'{\n  "log": {\n    "version": "1.2",\n')
    assert first.endswith(b"}\n")


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.har"
    file.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left on device"):
        write(file, export([]))
    assert file.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.har"]


def test_a_directory_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.har").mkdir()
    with pytest.raises(OSError, match=r"a\.har"):
        write(tmp_path / "a.har", export([]))
    assert [each.name for each in tmp_path.iterdir()] == ["a.har"]
