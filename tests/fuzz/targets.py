"""One function for each protocol that takes any bytes and knows what must always hold.

The first bytes of an input choose how the rest is cut up and what it is fed to, so that a
fuzzer finds these choices too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kit.errors import HandshakeError, RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1 import ClientProtocol, EndOfMessage, PeerClosed, RequestHead, ResponseHead
from kit.wire.websocket import (
    ClientHandshake,
    Closed,
    Event,
    Message,
    WebSocketProtocol,
    accept_handshake,
)
from support.wire import Event as HttpEvent
from support.wire import join_bodies, serve

LIMITS = Limits(target_bytes=64, head_bytes=512, head_fields=12)
MESSAGE_BYTES = 1000
STATUSES = frozenset((400, 413, 414, 417, 431, 501, 505))
ACCEPT = b"ACCEPT"
"""Stands in an input for the `Sec-WebSocket-Accept` that is right."""
METHODS = ("GET", "HEAD", "POST", "OPTIONS")

Outcome = tuple[list[HttpEvent], bool]


def split(data: bytes, size: int) -> list[bytes]:
    """Cut into pieces of `size` bytes; 0 for one piece."""
    if not size:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]


def fuzz_http1_server(data: bytes) -> None:
    """Feed a server's side: nothing but the documented error, and no split matters."""
    size, rest = data[:1], data[1:]
    whole = _serve([rest])
    if size:
        assert _serve(split(rest, size[0])) == whole
    events, _ = whole
    _check_order(events, RequestHead)
    for event in events:
        if isinstance(event, RequestHead):
            _take_handshake(event)


def _serve(pieces: Sequence[bytes]) -> Outcome:
    """Return the events, or that the stream was refused."""
    try:
        return serve(pieces, limits=LIMITS), False
    except RemoteProtocolError as error:
        # Of several mistakes the first to be seen is told, and that does depend on the split.
        if error.status_code not in STATUSES:
            raise
        return [], True


def _take_handshake(head: RequestHead) -> None:
    try:
        accepted = accept_handshake(
            head.method,
            head.http_version,
            head.raw_headers,
            compress=True,
            max_message_bytes=MESSAGE_BYTES,
        )
    except HandshakeError:
        return
    assert any(name == b"Sec-WebSocket-Accept" for name, _ in accepted.headers)


def fuzz_http1_client(data: bytes) -> None:
    """Feed a client's side that has sent a request: as with the server's."""
    size, choice, rest = data[:1], data[1:2], data[2:]
    method = METHODS[choice[0] % len(METHODS)] if choice else "GET"
    is_upgrade = bool(choice and choice[0] & 0x80)
    whole = _ask(method, [rest], is_upgrade=is_upgrade)
    if size:
        assert _ask(method, split(rest, size[0]), is_upgrade=is_upgrade) == whole
    events, _ = whole
    finals = [
        event
        for event in events
        if isinstance(event, ResponseHead) and (not event.is_informational or event.status == 101)
    ]
    assert len(finals) <= 1, "more than one response to a request"
    if method == "HEAD":
        assert not any(isinstance(event, bytes) for event in events)
    for head in finals:
        _take_answer(head)
    ends = [event for event in events if isinstance(event, EndOfMessage)]
    assert len(ends) <= len(finals)


def _take_answer(head: ResponseHead) -> None:
    """Take a head for the answer to a handshake: it opens a websocket, or is refused."""
    handshake = ClientHandshake(("chat",), compress=True, max_message_bytes=MESSAGE_BYTES)
    # The right value is made by chance, so no fuzzer can guess it.
    accept = handshake._accept.encode()
    fields = [(name, value.replace(ACCEPT, accept)) for name, value in head.raw_headers]
    try:
        protocol = handshake.finish(head.status, fields)
    except HandshakeError:
        return
    assert head.status == 101
    assert [value for name, value in fields if name.lower() == b"sec-websocket-accept"] == [accept]
    assert protocol.subprotocol in (None, "chat")


def _ask(method: str, pieces: Sequence[bytes], *, is_upgrade: bool) -> Outcome:
    """Return the events up to an error, and whether there was one."""
    fields = [(b"Host", b"a")]
    if is_upgrade:
        fields += [(b"Connection", b"upgrade"), (b"Upgrade", b"x")]
    client = ClientProtocol(LIMITS)
    client.body_limit = MESSAGE_BYTES
    client.send_request(method, "/", fields)
    events: list[HttpEvent] = []
    try:
        for piece in pieces:
            client.receive(piece)
            _pull_into(events, client)
        client.receive_eof()
        _pull_into(events, client)
    except RemoteProtocolError:
        return join_bodies(_without_bodies(events)), True
    return join_bodies(events), False


def _pull_into(events: list[HttpEvent], client: ClientProtocol) -> None:
    while True:
        event = client.next_event()
        if event is None:
            return
        events.append(event)
        if isinstance(event, PeerClosed):
            return


def _without_bodies(events: list[HttpEvent]) -> list[HttpEvent]:
    """Leave out how much of a body came before an error, which does depend on the split."""
    return [event for event in events if not isinstance(event, bytes)]


def _check_order(events: list[HttpEvent], kind: type[RequestHead]) -> None:
    """Each body lies behind a head that announces it, and ends."""
    is_open = False
    for event in events:
        if isinstance(event, kind):
            assert not is_open, "a head within a body"
            is_open = event.has_body
        elif isinstance(event, PeerClosed):
            assert not is_open, "the end within a body"
        else:
            assert is_open, "a body without a head"
            is_open = not isinstance(event, EndOfMessage)


def fuzz_websocket_server(data: bytes) -> None:
    """Feed a server's side of an open websocket: nothing is raised, and no split matters."""
    _fuzz_websocket(data, 0)


def fuzz_websocket_client(data: bytes) -> None:
    """Feed a client's side of an open websocket."""
    _fuzz_websocket(data, 1)


def _fuzz_websocket(data: bytes, side: int) -> None:
    size, choice, rest = data[:1], data[1:2], data[2:]
    is_compressed = bool(choice and choice[0] & 1)
    is_closing = bool(choice and choice[0] & 2)
    whole = _receive([rest], side, is_compressed=is_compressed, is_closing=is_closing)
    if size:
        pieces = split(rest, size[0])
        again = _receive(pieces, side, is_compressed=is_compressed, is_closing=is_closing)
        assert again == whole
    events = whole[0]
    closed = [event for event in events if isinstance(event, Closed)]
    assert len(closed) == 1
    assert events[-1] is closed[0]
    for event in events:
        if isinstance(event, Message):
            assert len(event.payload) <= MESSAGE_BYTES


def _receive(
    pieces: Sequence[bytes], side: int, *, is_compressed: bool, is_closing: bool
) -> tuple[list[Event], bytes]:
    """Return the events through the end of the stream, and what was sent in answer."""
    protocols = open_websocket(is_compressed=is_compressed)
    protocol, peer = protocols[side], protocols[1 - side]
    if is_closing:
        protocol.send_close()
    events: list[Event] = []
    for piece in pieces:
        events += protocol.receive(piece)
    events += protocol.receive_eof()
    assert protocol.receive(b"\x81\x00") == []
    assert protocol.is_closed
    sent = protocol.data_to_send()
    answers = peer.receive(sent)
    # What is sent in answer is never at fault, and nothing follows a close frame.
    assert all(not isinstance(answer, Closed) or answer.is_clean for answer in answers)
    assert not sent or peer._parser is None
    # The client masks by chance: what its frames say is compared, not their bytes.
    return events, repr(answers).encode()


def open_websocket(*, is_compressed: bool) -> tuple[WebSocketProtocol, WebSocketProtocol]:
    """Return the server's and the client's side of a connection that has just been opened."""
    handshake = ClientHandshake(compress=is_compressed, max_message_bytes=MESSAGE_BYTES)
    accepted = accept_handshake(
        "GET",
        "1.1",
        [(b"Host", b"a"), *handshake.headers],
        compress=is_compressed,
        max_message_bytes=MESSAGE_BYTES,
    )
    return accepted.protocol, handshake.finish(101, accepted.headers)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "http1_server": fuzz_http1_server,
    "http1_client": fuzz_http1_client,
    "websocket_server": fuzz_websocket_server,
    "websocket_client": fuzz_websocket_client,
}
