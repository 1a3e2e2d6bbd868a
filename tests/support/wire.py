"""Feeds wire samples to the sans-I/O protocols: whole, byte by byte, with bytes behind."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable

from kit.errors import RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1 import (
    ClientProtocol,
    EndOfMessage,
    PeerClosed,
    RequestHead,
    ResponseHead,
    ServerProtocol,
)

Split = Callable[[bytes], list[bytes]]
Event = RequestHead | ResponseHead | bytes | EndOfMessage | PeerClosed


def split_bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def split_at(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def is_receiving(protocol: ServerProtocol | ClientProtocol) -> bool:
    """Ask anew each time: a type checker takes the property for constant."""
    return protocol.is_receiving


def pull(protocol: ServerProtocol | ClientProtocol) -> list[Event]:
    """Pull events until more bytes, or a response, are needed."""
    events: list[Event] = []
    while True:
        event = protocol.next_event()
        if event is None:
            return events
        events.append(event)
        if isinstance(event, PeerClosed):
            return events


def join_bodies(events: list[Event]) -> list[Event]:
    """Join neighbouring pieces of one body."""
    joined: list[Event] = []
    for event in events:
        if isinstance(event, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += event
        else:
            joined.append(event)
    return joined


def serve(pieces: Iterable[bytes], *, limits: Limits | None = None) -> list[Event]:
    """Feed a server, answer each request as soon as it is complete, and end the stream."""
    protocol = ServerProtocol(limits) if limits else ServerProtocol()
    events: list[Event] = []
    for piece in [*pieces, None]:
        if piece is None:
            protocol.receive_eof()
        else:
            protocol.receive(piece)
        while True:
            new = pull(protocol)
            events += new
            if not new or isinstance(new[-1], PeerClosed):
                break
            last = new[-1]
            if isinstance(last, EndOfMessage) or (
                isinstance(last, RequestHead) and not last.has_body
            ):
                protocol.send_response(200, [])
    return join_bodies(events)


@dataclasses.dataclass
class Refusal:
    status_code: int
    reason: str


def refuse(pieces: Iterable[bytes], *, limits: Limits | None = None) -> Refusal | None:
    """Feed a server until it refuses; None if it does not, even at the stream's end."""
    try:
        serve(pieces, limits=limits)
    except RemoteProtocolError as error:
        return Refusal(error.status_code, error.reason)
    return None


def refuse_open(pieces: Iterable[bytes], *, limits: Limits | None = None) -> Refusal | None:
    """Feed a server until it refuses, without ending the stream."""
    protocol = ServerProtocol(limits) if limits else ServerProtocol()
    try:
        for piece in pieces:
            protocol.receive(piece)
            pull(protocol)
    except RemoteProtocolError as error:
        return Refusal(error.status_code, error.reason)
    return None
