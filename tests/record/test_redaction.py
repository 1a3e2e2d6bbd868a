from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.record.canary import find_canary
from kit.record.entry import Page
from kit.record.har import dump, format_document
from kit.record.redaction import DEFAULT, Redaction, map_messages, move_marks
from support.har_entries import JSON, make_entry, make_frame, make_request, make_response

SECRET = "canary-4711-abcd"
FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)


def test_a_request_is_redacted_in_all_its_parts() -> None:
    request = make_request(
        "POST",
        "/a?api_key=k&b=c",
        headers=((b"Authorization", b"Bearer xyz"), *JSON),
        body=b'{"token": "t", "a": 1}',
    )
    redacted = DEFAULT.redact_request(request)
    assert redacted.url == "http://shop.test/a?api_key=REDACTED&b=c"
    assert redacted.fields.text("authorization") == "Bearer REDACTED"
    assert redacted.body == b'{"token":"REDACTED","a":1}'


def test_requests_that_differ_in_their_token_alone_are_equal_when_redacted() -> None:
    def ask(token: str) -> Any:
        headers = ((b"Authorization", b"Bearer " + token.encode()), *FORM)
        path = f"/users/{token}?token={token}"
        return make_request("POST", path, headers=headers, body=f"x={token}".encode())

    one, other = map(DEFAULT.redact_request, (ask("tok-1234-abc"), ask("tok-99999999-defghi")))
    assert replace(one, headers_size=0) == replace(other, headers_size=0)
    assert one.path == "/users/REDACTED"
    assert one.body == b"x=REDACTED"


def test_redacting_again_changes_nothing() -> None:
    entry = make_entry(
        request=make_request("POST", f"/a?token={SECRET}", headers=JSON, body=b'{"secret":"s"}'),
        response=make_response(headers=((b"Set-Cookie", b"a=b"),), body=SECRET.encode()),
    )
    once = DEFAULT.redact_entry(entry)
    assert DEFAULT.redact_entry(once) == once


def test_lengths_stay_consistent() -> None:
    body = b'{"token": "a-long-token-that-goes"}'
    headers = ((b"Content-Length", b"%d" % len(body)), *JSON)
    message = make_response(body=body, headers=headers, headers_size=100)
    redacted = DEFAULT.redact_response(message)
    assert redacted.body == b'{"token":"REDACTED"}'
    assert redacted.fields.text("content-length") == "20"
    assert (redacted.body_size, redacted.headers_size) == (20, 100)


def test_the_sizes_of_the_head_follow_what_was_taken_out() -> None:
    request = make_request(
        path="/?token=12345", headers=((b"X-Api-Key", b"12345678901"),), headers_size=100
    )
    assert DEFAULT.redact_request(request).headers_size == 100 + 3 - 3


def test_a_packed_body_is_plain_once_it_was_changed() -> None:
    headers = ((b"Content-Encoding", b"gzip"), (b"Content-Length", b"30"), *JSON)
    redacted = DEFAULT.redact_response(
        make_response(body=b'{"token": "x"}', body_size=30, headers=headers)
    )
    assert b"content-encoding" not in redacted.fields
    assert redacted.fields.text("content-length") == "20"
    assert redacted.body_size == 20


def test_an_unchanged_packed_body_stays_as_it_was_sent() -> None:
    headers = ((b"Content-Encoding", b"gzip"), (b"Content-Length", b"30"), *JSON)
    message = make_response(body=b'{"a": "x"}', body_size=30, headers=headers)
    assert DEFAULT.redact_response(message) == message


def test_a_truncated_body_keeps_count_of_what_is_not_there_and_loses_its_digest() -> None:
    headers = ((b"Content-Length", b"1000"), *JSON)
    message = make_response(
        body=b'{"token": "abc", "x": "y',
        body_size=1000,
        is_truncated=True,
        sha256="00",
        headers=headers,
    )
    redacted = DEFAULT.redact_response(message)
    assert redacted.body == b'{"token": "REDACTED", "x": "y'
    assert (redacted.body_size, redacted.sha256) == (1005, None)
    assert redacted.fields.text("content-length") == "1005"


def test_websocket_text_is_redacted() -> None:
    frames = (
        make_frame("send", 1, b'{"token": "abc"}'),
        make_frame("receive", 2, b"\x00\x01"),
        make_frame("receive", 1, b"nothing"),
    )
    [sent, *rest] = DEFAULT.redact_entry(make_entry(frames=frames)).frames or ()
    assert (sent.data, sent.size) == (b'{"token":"REDACTED"}', 20)
    assert tuple(rest) == frames[1:]


def test_a_fragmented_message_is_redacted_as_a_whole() -> None:
    frames = (
        make_frame("send", 1, b'{"tok', is_final=False),
        make_frame("receive", 9, b"ping"),
        make_frame("send", 0, b'en": "abc"}'),
    )
    redacted = DEFAULT.redact_entry(make_entry(frames=frames)).frames or ()
    assert [frame.data for frame in redacted] == [b'{"tok', b"ping", b'en":"REDACTED"}']
    assert [frame.is_final for frame in redacted] == [False, True, True]
    assert [frame.size for frame in redacted] == [5, 4, 15]


def test_the_code_of_a_close_frame_stays() -> None:
    close = make_frame("send", 8, b"\x03\xe8" + b"token=abc")
    [frame] = DEFAULT.redact_entry(make_entry(frames=(close,))).frames or ()
    assert (frame.close_code, frame.close_reason) == (1000, "token=REDACTED")


def test_a_secret_comes_out_wherever_it_comes_back() -> None:
    entry = make_entry(
        request=make_request(path=f"/u/{SECRET}", headers=((b"X-Api-Key", SECRET.encode()),)),
        response=make_response(
            headers=((b"X-Echo", SECRET.encode()),), body=b"\x00\xff" + SECRET.encode()
        ),
        kit={"exception": f"ValueError: {SECRET}", "matches": {"id": SECRET}, "ordinal": 3},
        frames=(make_frame("receive", 2, SECRET.encode() + b"\xff"),),
    )
    redacted = DEFAULT.redact_entry(entry)
    assert redacted.request.path == "/u/REDACTED"
    assert redacted.response.fields.text("x-echo") == "REDACTED"
    assert redacted.response.body == b"\x00\xffREDACTED"
    assert redacted.kit == {
        "exception": "ValueError: REDACTED",
        "matches": {"id": "REDACTED"},
        "ordinal": 3,
    }
    assert [frame.data for frame in redacted.frames or ()] == [b"REDACTED\xff"]


def test_a_short_secret_comes_out_of_the_texts_of_its_own_entry() -> None:
    entry = make_entry(
        request=make_request("POST", headers=FORM, body=b"password=hunter2"),
        response=make_response(500, b"hunter2 is a film", error="bad password hunter2"),
        kit={"exception": "ValueError: bad password hunter2"},
    )
    redacted = DEFAULT.redact_entry(entry)
    assert redacted.kit["exception"] == "ValueError: bad password REDACTED"
    assert redacted.response.error == "bad password REDACTED"
    assert redacted.response.body == b"hunter2 is a film"


def test_a_secret_of_one_entry_comes_out_of_all_and_of_the_pages() -> None:
    first = make_entry(path=f"/see/{SECRET}")
    second = make_entry(request=make_request(path=f"/?token={SECRET}"))
    page = Page(id=f"test[{SECRET}]", kit={"problems": [f"unmatched /see/{SECRET}"]})
    entries, pages = DEFAULT.redact_all([replace(first, pageref=page.id), second], [page])
    assert entries[0].request.path == "/see/REDACTED"
    assert entries[0].pageref == pages[0].id == "test[REDACTED]"
    assert pages[0].kit == {"problems": ["unmatched /see/REDACTED"]}


def test_a_shared_memory_takes_what_was_found_before_out_of_later_requests() -> None:
    secrets = DEFAULT.secrets()
    DEFAULT.redact_request(make_request(path=f"/?token={SECRET}"), secrets)
    request = make_request(path=f"/see/{SECRET}")
    assert DEFAULT.redact_request(request).path == f"/see/{SECRET}"
    assert DEFAULT.redact_request(request, secrets).path == "/see/REDACTED"


def test_rules_of_the_user_are_added_to_the_usual_ones() -> None:
    redaction = DEFAULT.extend(
        names=["iban"],
        keep=["token"],
        patterns=[r"cust-\d+"],
        functions=[lambda place, name, value: "0" if name == "phone" else None],
    )
    body = b'{"iban": "DE1", "token": "t", "phone": "0151", "secret": "s", "text": "cust-12"}'
    redacted = redaction.redact_response(make_response(headers=JSON, body=body))
    assert json.loads(redacted.body) == {
        "iban": "REDACTED",
        "token": "t",
        "phone": "0",
        "secret": "REDACTED",
        "text": "REDACTED",
    }
    assert DEFAULT.redact_request(make_request(path="/cust-12")).path == "/cust-12"


def test_another_placeholder_is_used_everywhere() -> None:
    redaction = Redaction(placeholder="xxx").extend(names=["a"])
    request = redaction.redact_request(make_request(path="/?token=t&a=b"))
    assert (request.query, redaction.placeholder) == ("token=xxx&a=xxx", "xxx")


def test_without_the_defaults_only_the_given_rules_count() -> None:
    redaction = Redaction(names=["a"], is_default=False)
    request = make_request(path="/?token=t&a=b", headers=((b"Authorization", b"Bearer x"),))
    redacted = redaction.redact_request(request)
    assert (redacted.query, redacted.headers) == ("token=t&a=REDACTED", request.headers)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"token": "a"}', '{"token":"REDACTED"}'),
        ("GET /?token=abc", "GET /?token=REDACTED"),
        ("nothing \ud800", "nothing \ud800"),
    ],
)
def test_texts_are_redacted(text: str, redacted: str) -> None:
    assert DEFAULT.redact_text(text) == redacted


@pytest.mark.parametrize(
    ("marks", "old", "new", "moved"),
    [
        ([4, 4], b"a=x\nb=y\n", b"a=REDACTED\nb=y\n", [11, 4]),
        ([6, 2], b"a=x\nb=y\n", b"a=REDACTED\nb=y\n", [13, 2]),
        ([3, 5], b"a=x\nb=y\n", b"a=\nb=y\n", [2, 5]),
        ([1, 1, 1], b"abc", b"abcdef", [1, 1, 4]),
        ([5, 5], b"aaaaabbbbb", b"xyz", [3, 0]),
        ([2, 2], b"a\nb\n", b"{}", [2, 0]),
    ],
)
def test_pieces_are_moved_with_their_lines(
    marks: list[int], old: bytes, new: bytes, moved: list[int]
) -> None:
    times = [(float(index), size) for index, size in enumerate(marks)]
    assert [size for _, size in move_marks(times, old, new)] == moved


def test_the_pieces_of_a_stream_stay_whole_events() -> None:
    body = b'data: {"token": "abcdefgh"}\n\n' * 2
    half = len(body) // 2
    response = make_response(
        headers=((b"Content-Type", b"text/event-stream"),),
        body=body,
        marks=((0.1, half), (0.2, half)),
    )
    chunks = DEFAULT.redact_response(response).chunks
    assert [(chunk.offset_s, chunk.data) for chunk in chunks] == [
        (0.1, b'data: {"token":"REDACTED"}\n\n'),
        (0.2, b'data: {"token":"REDACTED"}\n\n'),
    ]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=8),
    st.binary(max_size=100),
    st.data(),
)
def test_moved_pieces_add_up(sizes: list[int], new: bytes, data: st.DataObject) -> None:
    old = data.draw(st.binary(min_size=sum(sizes), max_size=sum(sizes)))
    moved = move_marks([(0.0, size) for size in sizes], old, new)
    assert len(moved) == len(sizes)
    assert sum(size for _, size in moved) == len(new)
    assert all(size >= 0 for _, size in moved)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["send", "receive"]), st.binary(max_size=9), st.booleans()))
)
def test_frames_whose_message_does_not_change_are_the_same(
    given_frames: list[tuple[str, bytes, bool]],
) -> None:
    frames = tuple(make_frame(way, 1, data, is_final=fin) for way, data, fin in given_frames)
    assert map_messages(frames, lambda data: data) == frames


PLACES: dict[str, Any] = {
    "query": {"path": f"/?access_token={SECRET}"},
    "header": {"headers": ((b"Authorization", f"Token {SECRET}".encode()),)},
    "cookie": {"headers": ((b"Cookie", f"a={SECRET}".encode()),)},
    "form": {"headers": FORM, "body": f"client_secret={SECRET}".encode()},
    "json": {"headers": JSON, "body": json.dumps({"a": [{"apiKey": SECRET}]}).encode()},
    "text": {"body": f"password={SECRET}".encode()},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_canary_is_found_in_no_form_in_a_redacted_file(place: str) -> None:
    entry = make_entry(
        request=make_request("POST", **PLACES[place]),
        response=make_response(body=b"\xff\x00" + SECRET.encode()),
        frames=(make_frame("send", 2, b"\x01" + SECRET.encode()),),
        kit={"exception": f"KeyError: {SECRET!r}"},
    )
    assert find_canary(SECRET, format_document(dump([entry], redaction=None))) is not None
    assert find_canary(SECRET, format_document(dump([entry]))) is None


# What HAR has no place for


def test_a_request_that_does_not_parse_is_redacted_as_a_head() -> None:
    head = "GET /a?token=abc HTP/1.1\r\nAuthorization: Basic eDp5\r\nCookie: a=b\r\n\r\n"
    redacted = DEFAULT.redact_entry(make_entry(kit={"unparsed": head}))
    assert redacted.kit["unparsed"] == (
        "GET /a?token=REDACTED HTP/1.1\r\n"
        "Authorization: Basic REDACTED\r\nCookie: a=REDACTED\r\n\r\n"
    )


@pytest.mark.parametrize("name", ["request_trailers", "response_trailers"])
def test_trailers_are_redacted_as_header_fields(name: str) -> None:
    fields = [["X-Api-Key", "abc"], ["Authorization", "Bearer abc"], ["X-Sum", "abc"]]
    redacted = DEFAULT.redact_entry(make_entry(kit={name: fields}))
    assert redacted.kit[name] == [
        ["X-Api-Key", "REDACTED"],
        ["Authorization", "Bearer REDACTED"],
        ["X-Sum", "abc"],
    ]


def test_trailers_that_a_file_has_otherwise_are_redacted_as_json() -> None:
    redacted = DEFAULT.redact_entry(make_entry(kit={"request_trailers": [{"token": "a"}, 7]}))
    assert redacted.kit["request_trailers"] == [{"token": "REDACTED"}, 7]


def test_errors_and_tracebacks_are_redacted_as_texts() -> None:
    entry = make_entry(
        response=make_response(0, error="X-Api-Key: abc is refused"),
        kit={"exception": "Error\nKeyError: at /?token=abc", "matches": {"token": "abc"}},
    )
    redacted = DEFAULT.redact_entry(entry)
    assert redacted.response.error == "X-Api-Key: REDACTED"
    assert redacted.kit["exception"] == "Error\nKeyError: at /?token=REDACTED"
    assert redacted.kit["matches"] == {"token": "REDACTED"}


def test_what_is_nested_too_deeply_to_be_searched_is_taken_out() -> None:
    deep: Any = "x"
    for _ in range(120):
        deep = [deep]
    assert DEFAULT.redact_entry(make_entry(kit={"a": deep})).kit == {"a": "REDACTED"}


def test_titles_of_pages_are_redacted() -> None:
    title = "https://shop.test/?access_token=abc"
    page = Page(id="page_1 token: abc1", title=title, kit={"token": "a"})
    [entry], [redacted] = DEFAULT.redact_all([make_entry(pageref=page.id)], [page])
    assert redacted.title == "https://shop.test/?access_token=REDACTED"
    assert entry.pageref == redacted.id == "page_1 token: REDACTED"
    assert redacted.kit == {"token": "REDACTED"}


# Bodies in a coding

CODED = ((b"Content-Encoding", b"gzip, br"), (b"X-Kept", b"a"))


def test_a_body_that_cannot_be_searched_is_left_out_and_that_is_told() -> None:
    entry = make_entry(
        request=make_request("POST", body=b"up", is_encoded=True, headers=CODED),
        response=make_response(
            body=b"down", is_encoded=True, headers=CODED, sha256="00", marks=((0.0, 4),)
        ),
    )
    redacted = DEFAULT.redact_entry(entry)
    assert redacted.request.body == redacted.response.body == b""
    assert redacted.response.is_truncated
    assert (redacted.response.sha256, redacted.response.marks) == (None, ())
    assert redacted.response.headers == ((b"X-Kept", b"a"),)
    assert redacted.response.body_size == 4
    told = "in a content coding that is not undone, so it cannot be searched for secrets"
    assert redacted.kit == {"left_out": {"request_body": told, "response_body": told}}
    assert DEFAULT.redact_entry(redacted) == redacted


def test_a_body_in_a_coding_that_is_to_be_kept_stays() -> None:
    entry = make_entry(response=make_response(body=b"down", is_encoded=True, headers=CODED))
    assert Redaction(keep=["br"]).redact_entry(entry) == entry


def test_names_that_are_kept_are_kept_in_cookies_and_credentials() -> None:
    headers = (
        (b"Authorization", b"Bearer abc"),
        (b"Cookie", b"theme=dark; sid=abc"),
        (b"Set-Cookie", b"theme=dark"),
    )
    redacted = Redaction(keep=["authorization", "theme"]).redact_request(
        make_request(headers=headers)
    )
    assert redacted.headers == (
        (b"Authorization", b"Bearer abc"),
        (b"Cookie", b"theme=dark; sid=REDACTED"),
        (b"Set-Cookie", b"theme=dark"),
    )
    assert Redaction(keep=["cookie"]).redact_request(make_request(headers=headers)).headers[1] == (
        b"Cookie",
        b"theme=dark; sid=abc",
    )
