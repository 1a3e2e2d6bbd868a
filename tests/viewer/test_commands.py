from __future__ import annotations

import base64
from typing import Any

import pytest

from kit.viewer.commands import MAX_BODY, add_commands, write_command
from support.documents import make_document, make_entry, make_run, write_fields

TRUST = 'curl --cacert "$KIT_CA"'


def make_foreign(**request: Any) -> dict[str, Any]:
    """Make an entry as other tools write them."""
    return {"request": {"method": "GET", "url": "http://shop.test/a?b=c#d", **request}}


@pytest.mark.parametrize(
    ("request_facts", "command"),
    [
        ({}, "curl http://shop.test/a?b=c -H User-Agent: -H Accept:"),
        (
            {"headers": [{"name": ":authority", "value": "shop.test"}]},
            "curl http://shop.test/a?b=c -H User-Agent: -H Accept:",
        ),
        (
            {"url": "https://shop.test:444/", "headers": write_fields(Accept="text/html")},
            f"{TRUST} https://shop.test:444/ -H 'Accept: text/html' -H User-Agent:",
        ),
        (
            {
                "method": "POST",
                "url": "http://shop.test/",
                "postData": {"params": [{"name": "a b", "value": "é"}, {"name": "c"}]},
            },
            (
                "curl http://shop.test/ -H User-Agent: -H Accept: -H Content-Type: "
                "--data-raw 'a+b=%C3%A9&c='"
            ),
        ),
        (
            {
                "method": "PUT",
                "url": "http://shop.test/",
                "postData": {
                    "text": base64.b64encode(b"\xff\x00").decode(),
                    "_encoding": "base64",
                },
            },
            (
                "printf %s /wA= | base64 --decode | curl -X PUT http://shop.test/ -H User-Agent: "
                "-H Accept: -H Content-Type: --data-binary @-"
            ),
        ),
    ],
)
def test_an_entry_of_any_tool_has_a_command(request_facts: dict[str, Any], command: str) -> None:
    written = write_command(make_foreign(**request_facts))
    assert written is not None
    assert written.replace("'http://shop.test/a?b=c'", "http://shop.test/a?b=c") == command


def test_a_request_goes_where_the_recorder_got_it() -> None:
    assert write_command(make_entry("DELETE", "/a", kit={"local": "127.0.0.1:9"})) == (
        'curl -X DELETE --cacert "$KIT_CA" --connect-to ::127.0.0.1:9 https://localhost:4343/a '
        "-H User-Agent:"
    )


def test_a_body_of_which_only_the_beginning_was_kept_is_told() -> None:
    entry = make_entry("POST", "/a", sent="abc", kit={"request_body": {"truncated": True}})
    entry["request"]["bodySize"] = 70_000
    written = write_command(entry)
    assert written is not None
    assert written.splitlines()[0] == "# the body had 70000 bytes, only the first 3 were recorded"


def test_a_request_that_does_not_parse_is_sent_as_it_came() -> None:
    entry = make_entry("", "", kit={"unparsed": "GET /\xff\r\n\r\n", "tls": None})
    entry["request"]["url"] = "http://127.0.0.1:4343"
    written = write_command(entry)
    assert written is not None
    assert written.splitlines() == [
        "# the request does not parse, so that curl cannot send it",
        "printf %s R0VUIC//DQoNCg== | base64 --decode | nc 127.0.0.1 4343",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        make_foreign(url="http://[half"),
        make_foreign(url="http://shop.test:port/"),
        make_foreign(headers=[{"name": "A", "value": "b\r\nC: d"}]),
        make_foreign(headers=[{"name": "A", "value": "…"}]),
        make_foreign(headers=["A: b"]),
        make_foreign(postData={"text": "no Base64!", "encoding": "base64"}),
        make_foreign(postData={"text": "\ud800"}),
        make_foreign(postData={"text": "a" * (MAX_BODY + 1)}),
        make_entry(kit={"unparsed": "…"}),
    ],
)
def test_what_cannot_be_sent_again_has_none(entry: dict[str, Any]) -> None:
    assert write_command(entry) is None


@pytest.mark.parametrize(
    "document",
    [{}, {"log": None}, {"log": {"entries": {}}}, {"log": {"entries": [1, None, "a", []]}}],
)
def test_what_is_no_har_stays_as_it_is(document: dict[str, Any]) -> None:
    assert add_commands(document) == document


@pytest.mark.parametrize(
    "values", [None, 1, "a", [], {}, [None], [{}], {"method": 1, "url": [], "headers": 7}]
)
def test_an_entry_of_odd_values_does_no_harm(values: Any) -> None:
    entries = [{"request": values, "_kit": values}, {"_kit": {"role": values, "tls": values}}]
    commands = add_commands(make_document(entries))
    assert len(commands["log"]["entries"]) == 2


def test_a_command_that_is_there_is_kept() -> None:
    document = make_document([make_entry(kit={"curl": "curl of another"})])
    assert add_commands(document) == document


def test_all_of_a_run_have_one() -> None:
    entries = add_commands(make_run())["log"]["entries"]
    assert all("curl" in entry["_kit"] for entry in entries)
