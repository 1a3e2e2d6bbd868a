"""Typed messages of ten fields: to bytes and back."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

FIELDS: dict[str, Any] = {
    "name": "ada lovelace",
    "kind": "player",
    "x": 17,
    "y": -40_000,
    "speed": 2.75,
    "is_alive": True,
    "note": "the quick brown fox",
    "score": 123_456_789,
    "level": 3,
    "team": "red",
}

RoundTrip = Callable[[], object]


def build_wirekit() -> RoundTrip:
    from kit import Serializable

    class Message(Serializable):
        name: str
        kind: str
        x: int
        y: int
        speed: float
        is_alive: bool
        note: str
        score: int
        level: int
        team: str

    message = Message(**FIELDS)
    return lambda: Serializable.loadb(message.dumpb())


def build_mpgameserver() -> RoundTrip:
    from mpgameserver import Serializable

    # Fields are read from __annotations__, which must hold types, not strings.
    kinds = {name: type(value) for name, value in FIELDS.items()}
    defaults = {name: kind() for name, kind in kinds.items()}
    message_type = type("Message", (Serializable,), {**defaults, "__annotations__": kinds})
    message = message_type(**FIELDS)
    return lambda: Serializable.loadb(message.dumpb())


def build_json() -> RoundTrip:
    import dataclasses

    message_type = dataclasses.make_dataclass(
        "Message", [(name, type(value)) for name, value in FIELDS.items()]
    )
    message = message_type(**FIELDS)
    as_dict = dataclasses.asdict
    return lambda: message_type(**json.loads(json.dumps(as_dict(message)).encode()))


LIBRARIES = {"wirekit": build_wirekit, "mpgameserver": build_mpgameserver, "json": build_json}


def time_us(round_trip: RoundTrip, seconds: float) -> float:
    """Return the time of one round trip in microseconds."""
    count = 0
    start = time.process_time()
    while (elapsed := time.process_time() - start) < seconds:
        for _ in range(100):
            round_trip()
        count += 100
    return elapsed * 1e6 / count


def main() -> None:
    """Time one library."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("--seconds", type=float, default=0.5)
    asked = parser.parse_args()
    round_trip = LIBRARIES[asked.library]()
    found = round_trip()
    wrong = [name for name, value in FIELDS.items() if getattr(found, name) != value]
    if wrong:
        msg = f"came back changed: {', '.join(wrong)}"
        raise SystemExit(msg)
    print(json.dumps({"value": time_us(round_trip, asked.seconds)}))


if __name__ == "__main__":
    main()
