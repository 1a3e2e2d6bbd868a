from __future__ import annotations

import pytest

from kit.record.entry import Recording, Timings
from support.har_entries import make_entry, make_frame, make_request, make_response


@pytest.mark.parametrize(
    ("url", "scheme", "host", "path", "query"),
    [
        ("http://a.test/x%2Fy?a=b?c#d", "http", "a.test", "/x%2Fy", "a=b?c"),
        ("HTTPS://u:p@a.test:8443", "https", "a.test:8443", "/", ""),
        ("ws://[::1]:80?x=@", "ws", "[::1]:80", "/", "x=@"),
        ("http://a.test/b@c", "http", "a.test", "/b@c", ""),
        ("", "", "", "", ""),
    ],
)
def test_the_parts_of_a_url_stay_undecoded(
    url: str, scheme: str, host: str, path: str, query: str
) -> None:
    from dataclasses import replace

    request = replace(make_request(), url=url)
    assert (request.scheme, request.host) == (scheme, host)
    assert (request.path, request.query) == (path, query)


def test_header_fields_are_found_in_any_case() -> None:
    message = make_response(headers=((b"CONTENT-type", b"Text/HTML; charset=x"),))
    assert message.fields.text("Content-Type") == message.content_type == "Text/HTML; charset=x"
    assert message.media_type == "text/html"
    assert make_response().media_type == ""


HEADERS = (
    (b"Connection", b"keep-alive, X-Hop"),
    (b"X-Hop", b"1"),
    (b"Content-Encoding", b"gzip"),
    (b"Content-Length", b"3"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Vary", b"x"),
    (b"Vary", b"y"),
)


def test_what_belongs_to_the_transfer_is_not_sent_again() -> None:
    message = make_response(body=b"abc", headers=HEADERS)
    assert message.sendable_headers == ((b"Vary", b"x"), (b"Vary", b"y"))


@pytest.mark.parametrize(("body", "is_encoded"), [(b"abc", True), (b"", False)])
def test_the_coding_of_a_body_that_is_still_in_it_stays(body: bytes, is_encoded: bool) -> None:
    message = make_response(body=body, headers=HEADERS, is_encoded=is_encoded)
    assert message.sendable_headers[0] == (b"Content-Encoding", b"gzip")


def test_a_streamed_body_is_cut_into_its_pieces() -> None:
    message = make_response(body=b"abcde", marks=((0.1, 2), (0.5, 3)))
    assert [(one.offset_s, one.data) for one in message.chunks] == [(0.1, b"ab"), (0.5, b"cde")]
    assert make_response(body=b"abc").chunks == ()


def test_frames_tell_who_sent_them_and_why_they_closed() -> None:
    frame = make_frame("send", 8, b"\x03\xe8bye")
    assert frame.is_from_client
    assert (frame.close_code, frame.close_reason, frame.size) == (1000, "bye", 5)
    assert make_frame("receive", 8, b"").close_code == 1005
    text = make_frame("receive", 1, b"ab", size=9)
    assert (text.is_from_client, text.close_code, text.close_reason) == (False, None, None)
    assert text.is_truncated
    assert not frame.is_truncated


def test_the_total_of_timings_counts_tls_once_and_what_does_not_apply_not_at_all() -> None:
    timings = Timings(blocked=-1, dns=1, connect=10, ssl=7, send=2, wait=3, receive=4.5)
    assert timings.total_ms == 20.5
    assert make_entry(timings=timings).duration_s == 0.0205


def test_entries_and_recordings_show_what_they_are() -> None:
    entry = make_entry("GET", "/a", frames=(make_frame("send", 1, b""),))
    assert repr(entry) == "<Entry 0 GET http://shop.test/a -> 200, 1 frames>"
    assert repr(make_entry(response=make_response(0))) == (
        "<Entry 0 GET http://shop.test/ -> no response>"
    )
    recording = Recording(entries=(entry,), path="a.har")
    assert repr(recording) == "<Recording 1 entries of a.har>"
    assert (list(recording), len(recording)) == ([entry], 1)
