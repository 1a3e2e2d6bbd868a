"""Faults as values: what they say, what they refuse."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

import kit
from kit import ConfigurationError, faults
from kit.faults import Fault
from kit.faults.fault import PauseTampering
from kit.wire.faulty import Pause

TOLD = [
    (faults.Reset(), "Reset()", "reset before the first byte"),
    (faults.Reset(after=1), "Reset(after=1)", "reset after 1 byte"),
    (faults.Reset(after=10), "Reset(after=10)", "reset after 10 bytes"),
    (faults.Reset(after="end"), "Reset(after='end')", "reset after the last byte"),
    (faults.EmptyReply(), "EmptyReply()", "empty reply"),
    (faults.Truncate(5), "Truncate(after=5)", "truncated after 5 bytes"),
    (faults.Stall(5), "Stall(after=5)", "stalled after 5 bytes"),
    (faults.NeverAnswer(), "NeverAnswer()", "never answered"),
    (faults.Dribble(), "Dribble()", "dribbled, 1 byte each 0.01 s"),
    (faults.Dribble(3, 0.5), "Dribble(size=3, interval_s=0.5)", "dribbled, 3 bytes each 0.5 s"),
    (faults.StopReading(), "StopReading()", "stopped reading"),
    (faults.CloseOnReuse(), "CloseOnReuse()", "closed on reuse"),
    (faults.Refuse(), "Refuse()", "connections refused"),
    (faults.Delay(2), "Delay(seconds=2)", "delayed by 2 s"),
    (
        faults.UniformDelay(0.1, 0.2),
        "UniformDelay(low_s=0.1, high_s=0.2)",
        "delayed by 0.1 to 0.2 s",
    ),
    (
        faults.LogNormalDelay(0.1),
        "LogNormalDelay(median_s=0.1)",
        "delayed by about 0.1 s (log-normal, sigma 0.5)",
    ),
    (faults.ChunkDelay(0.1), "ChunkDelay(seconds=0.1)", "each piece delayed by 0.1 s"),
    (faults.MalformedChunk(), "MalformedChunk()", "malformed chunk"),
    (faults.WrongLength(3), "WrongLength(by=3)", "length off by +3"),
    (faults.WrongLength(-3), "WrongLength(by=-3)", "length off by -3"),
    (faults.Garbage(), "Garbage()", "garbage before the head"),
    (faults.Garbage("after"), "Garbage(at='after')", "garbage after the head"),
    (faults.RawBytes(b"ab"), "RawBytes(data=b'ab')", "2 raw bytes sent instead"),
    (faults.EarlyResponse(), "EarlyResponse()", "early response 413"),
    (faults.InterimBurst(), "InterimBurst()", "10 interim responses (103) first"),
    (
        faults.InterimBurst(1, 102),
        "InterimBurst(count=1, code=102)",
        "1 interim response (102) first",
    ),
    (faults.EndlessHeaders(), "EndlessHeaders()", "endless headers"),
    (faults.RefuseHandshake(500), "RefuseHandshake(code=500)", "handshake refused with 500"),
    (faults.WrongAccept(), "WrongAccept()", "wrong Sec-WebSocket-Accept"),
    (faults.ResetMidMessage(), "ResetMidMessage()", "reset in message 1"),
    (
        faults.CloseWithoutFrame(2),
        "CloseWithoutFrame(message=2)",
        "closed without a Close frame after message 2",
    ),
    (faults.NeverAnswerClose(), "NeverAnswerClose()", "Close never answered"),
    (faults.InvalidUtf8(), "InvalidUtf8()", "invalid UTF-8 in message 1"),
    (faults.StalledFragment(), "StalledFragment()", "stalled after a fragment of message 1"),
    (faults.WrongMask(3), "WrongMask(message=3)", "wrong mask on message 3"),
    (
        faults.OversizedFrame(length=1000),
        "OversizedFrame(length=1000)",
        "message 1 announced as 1000 bytes",
    ),
    (faults.UnaskedPong(), "UnaskedPong()", "unasked Pong before message 1"),
]


@pytest.mark.parametrize(("fault", "shown", "told"), TOLD, ids=lambda value: str(value)[:40])
def test_a_fault_shows_how_it_was_made_and_tells_what_it_does(
    fault: Fault, shown: str, told: str
) -> None:
    assert repr(fault) == shown
    assert str(fault) == fault.describe() == told


def test_every_fault_is_in_the_table_above() -> None:
    kinds = {
        thing
        for name in faults.__all__
        if isinstance(thing := getattr(faults, name), type) and issubclass(thing, Fault)
    }

    assert {type(fault) for fault, _, _ in TOLD} == kinds - {Fault}


def test_the_public_names_are_sorted_documented_and_there() -> None:
    assert faults.__all__ == sorted(faults.__all__)
    assert [name for name in faults.__all__ if not vars(getattr(faults, name)).get("__doc__")] == []
    assert kit.faults is faults


@pytest.mark.parametrize("fault", [fault for fault, _, _ in TOLD], ids=repr)
def test_a_fault_is_a_frozen_value(fault: Any) -> None:
    again = dataclasses.replace(fault)

    assert again == fault
    assert hash(again) == hash(fault)
    with pytest.raises(AttributeError):
        fault.after = 1


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        (faults.Reset, {"after": -1}, "Reset.after is a whole number of at least 0, not -1"),
        (
            faults.Reset,
            {"after": "start"},
            "Reset.after is a number of bytes or \"end\", not 'start'",
        ),
        (
            faults.Truncate,
            {"after": 1.5},
            "Truncate.after is a whole number of at least 0, not 1.5",
        ),
        (faults.Stall, {"after": True}, "Stall.after is a whole number of at least 0, not True"),
        (faults.Dribble, {"size": 0}, "Dribble.size is a whole number of at least 1, not 0"),
        (
            faults.Dribble,
            {"interval_s": -1},
            "Dribble.interval_s is seconds, 0 to 3600, not -1",
        ),
        (faults.Delay, {"seconds": "1"}, "Delay.seconds is seconds, 0 to 3600, not '1'"),
        (
            faults.Delay,
            {"seconds": float("nan")},
            "Delay.seconds is seconds, 0 to 3600, not nan",
        ),
        (
            faults.UniformDelay,
            {"low_s": 2, "high_s": 1},
            "UniformDelay.low_s is at most high_s, not 2 and 1",
        ),
        (faults.LogNormalDelay, {"median_s": 0}, "LogNormalDelay.median_s is above 0, not 0"),
        (
            faults.LogNormalDelay,
            {"median_s": 1, "sigma": -1},
            "LogNormalDelay.sigma is a number of 0 to 10, not -1",
        ),
        (
            faults.ChunkDelay,
            {"seconds": None},
            "ChunkDelay.seconds is seconds, 0 to 3600, not None",
        ),
        (
            faults.WrongLength,
            {"by": 0},
            "WrongLength.by is a number of bytes above or below 0, not 0",
        ),
        (faults.Garbage, {"at": "in"}, 'Garbage.at is "before" or "after", not \'in\''),
        (faults.Garbage, {"data": "x"}, "Garbage.data is bytes, such as b'...', not 'x'"),
        (faults.RawBytes, {"data": "x"}, "RawBytes.data is bytes, such as b'...', not 'x'"),
        (
            faults.EarlyResponse,
            {"code": 100},
            "EarlyResponse.code is a status from 200 to 599, not 100",
        ),
        (
            faults.InterimBurst,
            {"count": 0},
            "InterimBurst.count is a whole number of at least 1, not 0",
        ),
        (
            faults.InterimBurst,
            {"code": 101},
            "InterimBurst.code is 100 to 199 and not 101, which switches, not 101",
        ),
        (
            faults.EndlessHeaders,
            {"max_bytes": 0},
            "EndlessHeaders.max_bytes is a whole number of at least 1, not 0",
        ),
        (
            faults.RefuseHandshake,
            {"code": "403"},
            "RefuseHandshake.code is a status from 200 to 599, not '403'",
        ),
        (
            faults.InvalidUtf8,
            {"message": 0},
            "InvalidUtf8.message is a whole number of at least 1, not 0",
        ),
        (
            faults.OversizedFrame,
            {"length": 1 << 63},
            f"OversizedFrame.length is at most 2**63 - 1, as a frame's is, not {1 << 63}",
        ),
        (
            faults.UnaskedPong,
            {"payload": bytes(126)},
            "UnaskedPong.payload has at most 125 bytes, not 126",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_an_argument_that_cannot_work_is_told(
    kind: Any, arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        kind(**arguments)
    assert str(raised.value) == text


def draw(fault: Fault, seed: int) -> float:
    tamper = fault.make_tamper("server", random.Random(seed))
    assert isinstance(tamper, PauseTampering)
    (pause, data) = tamper.send(b"x")
    assert data == b"x"
    assert isinstance(pause, Pause)
    return pause.seconds


@pytest.mark.parametrize("fault", [faults.UniformDelay(1, 2), faults.LogNormalDelay(1)], ids=repr)
def test_a_random_delay_is_the_same_for_the_same_seed(fault: Fault) -> None:
    drawn = {draw(fault, seed) for seed in range(20)}

    assert drawn == {draw(fault, seed) for seed in range(20)}
    assert len(drawn) == 20


def test_a_uniform_delay_stays_within_its_bounds() -> None:
    drawn = [draw(faults.UniformDelay(1, 2), seed) for seed in range(200)]

    assert 1 <= min(drawn) < 1.1
    assert 1.9 < max(drawn) <= 2


def test_a_log_normal_delay_scatters_around_its_median_and_is_bounded() -> None:
    drawn = sorted(draw(faults.LogNormalDelay(1, sigma=1, max_s=5), seed) for seed in range(400))

    assert 0.8 < drawn[200] < 1.25
    assert drawn[0] < 0.3
    assert drawn[-1] == 5


def test_a_log_normal_delay_without_scatter_is_its_median() -> None:
    assert draw(faults.LogNormalDelay(0.5, sigma=0), 1) == pytest.approx(0.5)


def test_connections_are_refused_before_there_is_a_message_to_tamper_with() -> None:
    assert faults.Refuse().is_at_accept
    with pytest.raises(ConfigurationError) as caught:
        faults.Refuse().make_tamper("server", random.Random(1))
    told = "Refuse is for connections: order it by fault_connections()"
    assert str(caught.value) == told
