from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit import Exchange
from kit.viewer.run import RealTime, RunRecord, Told, pack_test
from support.documents import Json
from support.exchanges import answer, make_exchange
from support.pages import read_page

SECRET = "Bearer kanarienvogel-17"


REAL_TIME = RealTime()


def pack(exchanges: list[Exchange], name: str = "test_a.py::test_one", **facts: Any) -> str:
    return pack_test(exchanges, name=name, real_time=REAL_TIME, **facts)


def tell(name: str = "test_a.py::test_one", outcome: str = "passed", **facts: Any) -> Told:
    return Told(name=name, outcome=outcome, **facts)


def make_log(*tests: tuple[Told, str | None], **options: bool) -> Json:
    record = RunRecord()
    for told, packed in tests:
        record.add(told, packed)
    log: Json = record.make_document(**options)["log"]
    return log


def make_answered(target: str = "/user/bob", status: int = 200, body: bytes = b"{}") -> Exchange:
    return answer(make_exchange("GET", target, route="/user/:name"), status, body)


def list_targets(log: Json) -> list[str]:
    return [entry["request"]["url"].partition(":81")[2] for entry in log["entries"]]


def test_a_test_and_its_exchanges_become_a_page_with_entries() -> None:
    told = tell(duration_s=0.25, started_at=1_700_000_000.5, worker="gw1")
    log = make_log((told, pack([make_answered()])))
    assert log["pages"] == [
        {
            "startedDateTime": "2023-11-14T22:13:20.500Z",
            "id": "test_a.py::test_one",
            "title": "test_a.py::test_one",
            "pageTimings": {},
            "_kit": {"outcome": "passed", "duration_s": 0.25, "worker": "gw1"},
        }
    ]
    [entry] = log["entries"]
    assert entry["pageref"] == "test_a.py::test_one"
    assert entry["_kit"]["route"]["pattern"] == "/user/:name"
    assert "_kit" not in log


def test_what_is_packed_is_ascii_so_that_any_channel_carries_it() -> None:
    packed = pack([make_answered(body="✓\u2028".encode())], failure="\ud800 ✗")
    assert packed.isascii()
    assert json.loads(packed)["page"]["kit"] == {"failure": "\ud800 ✗"}


def test_a_test_without_servers_is_a_page_without_entries() -> None:
    log = make_log((tell(), None))
    assert [page["id"] for page in log["pages"]] == ["test_a.py::test_one"]
    assert log["entries"] == []


def test_tests_are_in_the_order_they_began_and_entries_in_the_order_they_arrived() -> None:
    first, second, third = (make_answered(f"/user/{number}") for number in "123")
    second.received_at, third.received_at = first.received_at + 0.1, first.received_at + 0.2
    log = make_log(
        (tell("late", started_at=2.0), pack([third, first], "late")),
        (tell("early", started_at=1.0), pack([second], "early")),
    )
    assert [page["id"] for page in log["pages"]] == ["early", "late"]
    assert list_targets(log) == ["/user/1", "/user/2", "/user/3"]


def test_the_attempts_of_a_test_that_is_tried_again_are_told_apart() -> None:
    log = make_log(
        (tell(outcome="rerun"), pack([make_answered()])), (tell(), pack([make_answered()]))
    )
    assert [page["id"] for page in log["pages"]] == [
        "test_a.py::test_one",
        "test_a.py::test_one (2)",
    ]
    assert [entry["pageref"] for entry in log["entries"]] == [page["id"] for page in log["pages"]]


def test_connections_of_different_tests_are_not_mixed_up() -> None:
    log = make_log((tell("a"), pack([make_answered()], "a")), (tell("b"), pack([make_answered()])))
    assert len({entry["connection"] for entry in log["entries"]}) == 2


def test_secrets_are_taken_out_also_where_the_failure_repeats_them() -> None:
    exchange = make_answered(body=json.dumps({"token": "kanarienvogel-18"}).encode())
    exchange.request_head.raw_headers.append((b"Authorization", SECRET.encode()))
    packed = pack(
        [exchange],
        failure="assert 'kanarienvogel-18' == 'kanarienvogel-17'",
        problems="it said kanarienvogel-18",
    )
    assert "kanarienvogel" not in packed
    assert "assert 'REDACTED' == 'REDACTED'" in packed


def test_without_redaction_all_is_as_it_was() -> None:
    exchange = make_answered()
    exchange.request_head.raw_headers.append((b"Authorization", SECRET.encode()))
    assert SECRET in pack([exchange], redaction=None)


def test_what_came_near_is_what_the_answer_says() -> None:
    exchange = answer(make_exchange("GET", "/usr"), 404, "no route: ✗ /user".encode())
    exchange.endpoint = type(
        "Refusal", (), {"pattern": "", "name": "", "is_match": False, "method": "GET"}
    )()
    [entry] = make_log((tell(), pack([exchange])))["entries"]
    assert entry["_kit"]["near_misses"] == "no route: ✗ /user"


def test_entries_have_the_real_time_whatever_the_test_has_frozen() -> None:
    exchange = make_answered()
    exchange.started_at = 0.0
    [entry] = make_log((tell(), pack([exchange])))["entries"]
    assert entry["startedDateTime"] == "1970-01-01T00:00:00.000Z"
    assert entry["_kit"]["started_at"] == pytest.approx(REAL_TIME.date(exchange), abs=1e-5)


# Bounds


def test_of_too_many_exchanges_the_last_are_kept_and_the_others_counted() -> None:
    exchanges = [make_answered(f"/user/{number}") for number in range(5)]
    log = make_log((tell(), pack(exchanges, max_exchanges=2, dropped=10)))
    assert list_targets(log) == ["/user/3", "/user/4"]
    assert log["_kit"] == {"dropped": 13}
    assert log["pages"][0]["_kit"]["dropped"] == 13


def test_of_what_is_too_long_the_last_are_kept() -> None:
    exchanges = [make_answered(f"/user/{number}", body=b"a" * 5000) for number in range(5)]
    log = make_log((tell(), pack(exchanges, max_bytes=15_000)))
    assert list_targets(log) == ["/user/3", "/user/4"]
    assert log["_kit"] == {"dropped": 3}


def test_of_a_long_failure_the_end_is_kept() -> None:
    packed = pack([], failure="a" * 30_000 + "the end")
    failure = json.loads(packed)["page"]["kit"]["failure"]
    assert failure.startswith("(10007 characters left out)\naaa")
    assert failure.endswith("athe end")


def test_what_a_run_holds_is_bounded_and_failed_tests_are_forgotten_last() -> None:
    names = ["failed", "passed 1", "passed 2", "passed 3"]
    packs = {name: pack([make_answered(f"/{name[-1]}")], name) for name in names}
    record = RunRecord(max_bytes=sum(map(len, packs.values())) - 1)
    for name in names:
        record.add(tell(name, name.split()[0]), packs[name])
    log = record.make_document()["log"]
    assert list_targets(log) == ["/d", "/2", "/3"]
    assert log["_kit"] == {"dropped": 1}
    assert [page["_kit"].get("dropped") for page in log["pages"]] == [None, 1, None, None]


def test_where_nothing_is_left_to_forget_the_tests_themselves_stay() -> None:
    record = RunRecord(max_bytes=1)
    record.add(tell("silent"), None)
    record.add(tell("empty"), pack([], "empty"))
    record.add(tell("loud"), pack([make_answered(), make_answered()], "loud"))
    log = record.make_document()["log"]
    assert log["entries"] == []
    assert [page["id"] for page in log["pages"]] == ["silent", "empty", "loud"]
    assert [page["_kit"].get("dropped") for page in log["pages"]] == [None, None, 2]


def test_an_entry_that_names_no_connection_has_none_made_up() -> None:
    packed = json.loads(pack([make_answered()]))
    assert packed["entries"][0].pop("connection")
    [entry] = make_log((tell(), json.dumps(packed)))["entries"]
    assert "connection" not in entry


# What is kept


def test_only_bad_tests_are_kept_where_that_is_asked_for() -> None:
    outcomes = ["passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun"]
    tests = [(tell(outcome, outcome), pack([make_answered()], outcome)) for outcome in outcomes]
    log = make_log(*tests, is_bad_only=True)
    assert [page["id"] for page in log["pages"]] == ["failed", "error", "xpassed", "rerun"]
    assert len(log["entries"]) == 4


@pytest.mark.parametrize(
    ("outcome", "has"), [("passed", False), ("skipped", False), ("error", True)]
)
def test_a_run_tells_whether_a_test_failed(outcome: str, has: bool) -> None:
    record = RunRecord()
    assert not record.has_failures
    record.add(tell(outcome=outcome), None)
    assert record.has_failures == has


def test_a_har_file_has_the_tests_that_have_exchanges(tmp_path: Path) -> None:
    record = RunRecord()
    record.add(tell("with"), pack([make_answered(), make_answered()], "with"))
    record.add(tell("without"), None)
    assert record.write_har(tmp_path / "new" / "run.har") == (1, 2)
    log = json.loads((tmp_path / "new" / "run.har").read_bytes())["log"]
    assert [page["id"] for page in log["pages"]] == ["with"]


def test_a_report_has_every_test(tmp_path: Path) -> None:
    record = RunRecord()
    record.add(tell("with"), pack([make_answered()], "with"))
    record.add(tell("without", "failed"), None)
    assert record.write_report(tmp_path / "run.html", title="all") == (2, 1)
    page = read_page((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert page.title == "all"
    assert len(page.document["log"]["pages"]) == 2
    assert record.write_report(tmp_path / "run.html", is_bad_only=True) == (1, 0)
