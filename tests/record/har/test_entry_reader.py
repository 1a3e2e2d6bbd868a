from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from kit.errors import RecordingError
from kit.expect.multipart import parse_multipart
from kit.record.entry import Entry, Timings
from kit.record.har import HarLimits, load
from support.har_entries import har_of, make_frame, raw_entry


def read(**given: Any) -> Entry:
    return load(har_of(raw_entry(**given))).entries[0]


def refuse(limits: HarLimits | None = None, **given: Any) -> str:
    with pytest.raises(RecordingError) as caught:
        load(har_of(raw_entry(**given)), limits=limits or HarLimits())
    assert caught.value.entry == 0
    return caught.value.reason


def answer(**given: Any) -> dict[str, Any]:
    return {"status": 200, **given}


def _code(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _receive(opcode: int, data: bytes) -> dict[str, Any]:
    return {"type": "receive", "opcode": opcode, "data": _code(data)}


def test_what_a_client_has_sent_may_be_what_nobody_sends_again() -> None:
    message = {"type": "send", "opcode": 8, "data": _code(b"\x27\x0f")}
    (frame,) = read(_webSocketMessages=[message]).frames or ()
    assert frame.close_code == 9999


def test_a_field_with_many_lines_counts_as_that_many_fields() -> None:
    headers = [{"name": "A", "value": "\n" * 1_000_000}]
    assert refuse(response=answer(headers=headers)) == (
        "it has 1000001 header fields: the limit header_fields is 1000"
    )


def test_header_fields_keep_order_case_and_repetitions() -> None:
    fields = [("B", "1"), ("a", "2"), ("B", "3"), (":path", "/"), ("", "x"), ("C", "\u20ac")]
    headers = [{"name": name, "value": value} for name, value in fields]
    assert read(response=answer(headers=headers)).response.headers == (
        (b"B", b"1"),
        (b"a", b"2"),
        (b"B", b"3"),
        (b"C", b"\xe2\x82\xac"),
    )


def test_fields_that_a_browser_has_joined_are_taken_apart() -> None:
    headers = [{"name": "Set-Cookie", "value": "a=1\nb=2"}]
    entry = read(response=answer(headers=headers))
    assert entry.response.headers == ((b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"))


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (None, b""),
        ({}, b""),
        ({"text": ""}, b""),
        ({"text": "é"}, b"\xc3\xa9"),
        ({"text": "é", "mimeType": "text/plain; charset=iso-8859-1"}, b"\xe9"),
        ({"text": "\u20ac", "mimeType": "text/plain; charset=iso-8859-1"}, b"\xe2\x82\xac"),
        ({"text": "é", "mimeType": "text/plain; charset=base64"}, b"\xc3\xa9"),
        ({"text": "/w==", "encoding": "base64"}, b"\xff"),
        ({"text": "/w\n==\n", "encoding": "BASE64"}, b"\xff"),
    ],
)
def test_bodies_are_bytes(content: Any, body: bytes) -> None:
    assert read(response=answer(content=content)).response.body == body


@pytest.mark.parametrize(
    ("post_data", "body"),
    [
        (None, b""),
        ({"text": "a=1", "params": [{"name": "b", "value": "2"}]}, b"a=1"),
        ({"text": "/w==", "_encoding": "base64"}, b"\xff"),
        ({"text": "/w==", "encoding": "base64"}, b"\xff"),
        ({"params": [{"name": "a b", "value": "c&d"}, {"name": "e"}]}, b"a+b=c%26d&e="),
        ({"params": []}, b""),
    ],
)
def test_posted_bodies_are_bytes(post_data: Any, body: bytes) -> None:
    assert read(request={"postData": post_data}).request.body == body


def test_a_text_with_a_character_for_each_byte_is_told_by_its_length() -> None:
    post_data = {"text": "\x00\xff"}
    assert read(request={"postData": post_data, "bodySize": 2}).request.body == b"\x00\xff"
    assert read(request={"postData": post_data, "bodySize": 3}).request.body == b"\x00\xc3\xbf"


def test_a_multipart_body_that_was_taken_apart_is_put_together() -> None:
    kind = "multipart/form-data; boundary=cut"
    params = [
        {"name": "a", "value": "1"},
        {"name": 'f"', "value": "é", "fileName": "x.txt", "contentType": "text/plain"},
    ]
    body = read(request={"postData": {"mimeType": kind, "params": params}}).request.body
    first, second = parse_multipart(kind, body)
    assert (first.name, first.filename, first.content) == ("a", None, b"1")
    assert (second.name, second.filename, second.content_type) == ("f%22", "x.txt", "text/plain")
    assert second.content == "é".encode()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"response": answer(content={"text": "?", "encoding": "base64"})},
            "content.text is not base64: ",
        ),
        (
            {"response": answer(content={"text": "a", "encoding": "gzip"})},
            "the encoding of content.text is 'gzip', expected base64 or none",
        ),
        *(
            (
                {"response": answer(headers=[{"name": name, "value": value}])},
                f"the response's headers cannot be sent: header {told}",
            )
            for name, value, told in (
                ("A", "a\rb", "A holds the control character b'\\r' at index 1 of its value"),
                ("A", "\0", "A holds the control character b'\\x00' at index 0 of its value"),
                ("bad name", "x", "name b'bad name' is not a token (RFC 9110 section 5.6.2)"),
            )
        ),
        *(
            (
                {"_webSocketMessages": [_receive(opcode, data)]},
                f"a websocket message cannot be sent: {told}",
            )
            for opcode, data, told in (
                (8, b"\x27\x0f", "close code 9999, allowed are 1000 to 1003, 1007 to 1014 and"),
                (8, b"\x03\xed", "close code 1005, allowed are"),
                (8, b"\x03\xe8\xff", "the reason of a Close is not UTF-8"),
                (8, b"\x03\xe8" + bytes(124), "the payload of a Close has 126 bytes, allowed"),
                (9, bytes(126), "the payload of a Ping has 126 bytes, allowed are 125"),
            )
        ),
        ({"timings": {"wait": 1e308}}, "its timing wait is 1e+308 ms, expected at most 3.1536e+12"),
        (
            {"response": answer(content={"text": "a"}), "_kit": {"chunks": [[1e308, 1]]}},
            "a chunk in _kit is at 1e+308 ms, expected at most 3.1536e+12",
        ),
        (
            {"_kit": {"response_trailers": [["a b", "c"]]}},
            "the response trailers in _kit cannot be sent: header name b'a b' is not a token",
        ),
        (
            {"_kit": {"response_trailers": [["A", "\u20ac"]]}},
            "a response trailer in _kit holds what is not latin-1: '\\u20ac'",
        ),
        ({"_kit": {"response_trailers": 3}}, "its _kit is not what it should be: "),
        ({"response": answer(status=1000)}, "the response's status is 1000, expected 100 to 999"),
        (
            {"request": {"url": "http://a/\r\nX: y"}},
            "the request's url 'http://a/\\r\\nX: y' holds a control character",
        ),
        (
            {"_webSocketMessages": [{"type": "up", "opcode": 1, "data": ""}]},
            "a websocket message's type is 'up', not send or receive",
        ),
        (
            {"_webSocketMessages": [{"type": "send", "opcode": 16, "data": ""}]},
            "a websocket message's opcode is 16, expected 0 to 15",
        ),
        (
            {"_webSocketMessages": [{"type": "send", "opcode": 2, "data": "?"}]},
            "the data of a websocket message is not base64: ",
        ),
        (
            {"_kit": {"frames": 3}},
            "its _kit is not what it should be: Expected `array | null`, got `int`",
        ),
        (
            {"response": answer(content={"text": "abc"}), "_kit": {"chunks": [[0, 1], [1, 1]]}},
            "the chunks in _kit have 2 bytes, its body has 3",
        ),
        (
            {"response": answer(content={"_file": "x"})},
            "its body is in the file 'x': load the recording by path",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(given: dict[str, Any], reason: str) -> None:
    assert refuse(**given).startswith(reason)


def test_frames_that_keep_more_than_they_have_are_refused() -> None:
    frame = {"direction": "send", "opcode": 1, "fin": True, "time": 0, "size": 1, "kept": 2}
    assert refuse(_webSocketMessages=[], _kit={"frames": [frame]}) == (
        "a frame in _kit keeps 2 bytes of 1"
    )


def test_a_frame_that_claims_to_be_huge_takes_no_memory() -> None:
    frame = {"direction": "send", "opcode": 1, "fin": True, "time": 0, "size": 2**60}
    message = {"type": "send", "opcode": 1, "data": "a"}
    entry = read(_webSocketMessages=[message], _kit={"frames": [frame]})
    assert [one.size for one in entry.frames or ()] == [1]


@pytest.mark.parametrize(
    ("limits", "given", "reason"),
    [
        (
            HarLimits(header_fields=1),
            {"request": {"headers": [{"name": "a", "value": "b"}] * 2}},
            "it has 2 header fields: the limit header_fields is 1",
        ),
        (
            HarLimits(body_bytes=2),
            {"response": answer(content={"text": "abc"})},
            "content.text has 3 bytes: the limit body_bytes is 2",
        ),
        (
            HarLimits(body_bytes=2),
            {"_webSocketMessages": [{"type": "send", "opcode": 1, "data": "abc"}]},
            "a websocket message is too long: the limit body_bytes is 2",
        ),
        (
            HarLimits(frames=1),
            {"_webSocketMessages": [{"type": "send", "opcode": 1, "data": "a"}] * 2},
            "it has 2 websocket messages: the limit frames is 1",
        ),
        (
            HarLimits(frames=1),
            {"response": answer(), "_eventSourceMessages": [{"data": "a"}] * 2},
            "it has 2 server-sent events: the limit frames is 1",
        ),
        (
            HarLimits(frames=1),
            {"_kit": {"chunks": [[0, 0]] * 2}},
            "it has 2 chunks in _kit: the limit frames is 1",
        ),
    ],
)
def test_an_entry_that_passes_a_limit_is_refused(
    limits: HarLimits, given: dict[str, Any], reason: str
) -> None:
    assert refuse(limits, **given) == reason


# Files beside the recording


def load_with_file(directory: Path, name: str) -> Entry:
    file = directory / "some.har"
    file.write_bytes(har_of(raw_entry(response=answer(content={"_file": name}))))
    return load(file).entries[0]


def test_a_body_is_read_from_a_file_beside_the_recording(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "body.bin").write_bytes(b"\x00\xff")
    assert load_with_file(tmp_path, "sub/body.bin").response.body == b"\x00\xff"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.txt", "its body is in a file beside the recording, but unsafe file name "),
        ("/etc/passwd", "its body is in a file beside the recording, but unsafe file name "),
        ("leaving.txt", "its body is in a file beside the recording, but unsafe file name "),
        ("nothing.txt", "its body is in the file 'nothing.txt', which is not there"),
        ("sub", "its body is in the file 'sub', which is not there"),
    ],
)
def test_no_other_file_is_read(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "recordings"
    (inside / "sub").mkdir(parents=True)
    (inside / "leaving.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(RecordingError) as caught:
        load_with_file(inside, name)
    assert caught.value.reason.startswith(reason)


def test_a_file_beside_it_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(bytes(10))
    file = tmp_path / "some.har"
    file.write_bytes(har_of(raw_entry(response=answer(content={"_file": "body"}))))
    with pytest.raises(RecordingError) as caught:
        load(file, limits=HarLimits(body_bytes=9))
    assert caught.value.reason == "the file 'body' is too long: the limit body_bytes is 9"


def test_messages_in_a_file_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("{}")
    content = {"_file": "m.jsonl"}
    file = tmp_path / "some.har"
    entry = raw_entry(response=answer(status=101, content=content), _resourceType="websocket")
    file.write_bytes(har_of(entry))
    with pytest.raises(RecordingError) as caught:
        load(file)
    assert caught.value.reason.startswith("the file 'm.jsonl' holds no websocket messages: ")


# Times, streams, and what is not there


def test_phases_that_do_not_apply_are_minus_one() -> None:
    timings = {"send": -1, "wait": 2.5, "receive": None, "dns": -3, "connect": 4, "ssl": 3}
    assert read(timings=timings).timings == Timings(connect=4, ssl=3, wait=2.5)
    assert read().timings == Timings()


@pytest.mark.parametrize(
    ("response", "status", "error"),
    [
        (None, 0, "the file has no response"),
        ({"status": 0, "_error": "net::ERR_FAILED"}, 0, "net::ERR_FAILED"),
        ({"status": -1, "_failureText": "refused"}, 0, "refused"),
        ({"status": 204}, 204, None),
    ],
)
def test_a_missing_response_has_the_status_0(response: Any, status: int, error: Any) -> None:
    found = read(response=response).response
    assert (found.status, found.error) == (status, error)


def test_sizes_that_are_not_known_are_minus_one() -> None:
    request = read(request={"headersSize": None, "bodySize": -1}).request
    assert (request.headers_size, request.body_size) == (-1, -1)


def test_the_pieces_of_a_stream_come_back() -> None:
    content = {"text": "abcde"}
    entry = read(response=answer(content=content), _kit={"chunks": [[100.5, 2], [200, 3]]})
    assert entry.response.marks == ((0.1005, 2), (0.2, 3))
    assert entry.kit == {}


def test_events_that_a_browser_has_parsed_become_a_stream() -> None:
    events = [
        {"time": 1_767_225_600.5, "eventName": "message", "eventId": "", "data": "a\nb"},
        {"time": 1_767_225_601.0, "eventName": "tick", "eventId": "7", "data": "c"},
    ]
    response = read(response=answer(), _eventSourceMessages=events).response
    assert response.body == b"data: a\ndata: b\n\nid: 7\nevent: tick\ndata: c\n\n"
    assert [chunk.offset_s for chunk in response.chunks] == [0.25, 0.75]


@pytest.mark.parametrize("factor", [1, 1000], ids=["seconds", "milliseconds"])
def test_messages_are_read_whatever_unit_their_times_have(factor: int) -> None:
    messages = [
        {"type": "send", "time": 1_767_225_600.5 * factor, "opcode": 1, "data": "hé"},
        {"type": "receive", "time": 0, "opcode": 2, "data": base64.b64encode(b"\xff").decode()},
    ]
    assert read(_webSocketMessages=messages).frames == (
        make_frame("send", 1, "hé".encode(), offset_s=0.25),
        make_frame("receive", 2, b"\xff"),
    )


def test_messages_are_used_as_they_are_where_the_frames_are_not_theirs() -> None:
    frame = {"direction": "receive", "opcode": 1, "fin": True, "time": 0, "size": 1}
    messages = [{"type": "send", "time": 0, "opcode": 1, "data": "a"}]
    entry = read(_webSocketMessages=messages, _kit={"frames": [frame]})
    assert entry.frames == (make_frame("send", 1, b"a"),)


@pytest.mark.parametrize(
    ("given", "is_websocket"),
    [
        ({"response": {"status": 101}, "request": {"url": "wss://a.test/"}}, True),
        ({"response": {"status": 101}, "_resourceType": "websocket"}, True),
        ({"response": {"status": 101}}, False),
        ({"response": {"status": 403}, "_resourceType": "websocket"}, False),
        ({"request": {"url": "ws://a.test/"}}, False),
    ],
)
def test_a_websocket_is_told_by_its_answer(given: dict[str, Any], is_websocket: bool) -> None:
    entry = read(**given)
    assert entry.is_websocket is is_websocket
    assert (entry.resource_type == "websocket") is (is_websocket or "_resourceType" in given)


def _name_files(folder: Path, *names: str) -> Path:
    entries = [raw_entry(response=answer(content={"_file": name})) for name in names]
    file = folder / "a.har"
    file.write_bytes(har_of(*entries))
    return file


def test_a_file_that_several_entries_name_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_bytes(b"x" * 600)
    bodies = [
        entry.response.body
        for entry in load(_name_files(tmp_path, *["body.txt"] * 100), limits=FEW).entries
    ]
    assert len({id(body) for body in bodies}) == 1


def test_the_files_that_entries_name_have_a_bound_together(tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(40)]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 600)
    file = _name_files(tmp_path, *names)
    with pytest.raises(RecordingError) as caught:
        load(file, limits=FEW)
    assert (
        caught.value.reason
        == "the files of bodies have more than 20000 bytes: the limit file_bytes"
    )
    assert caught.value.entry == 33


FEW = HarLimits(file_bytes=20_000)
