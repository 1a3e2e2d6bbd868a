"""What is known of a connection beside its exchanges."""

from __future__ import annotations

from support.exchanges import make_connection


def test_the_first_to_say_how_it_ends_knows_best() -> None:
    connection = make_connection()
    assert (connection.closed_at, connection.end) == (None, None)
    connection.note_end("after a refusal")
    connection.note_end("by the peer")
    assert connection.end == "after a refusal"
    assert connection.closed_at is None


def test_it_tells_of_itself() -> None:
    connection = make_connection(tls_version="TLSv1.3")
    connection.requests = 2
    assert repr(connection) == (
        f"<ConnectionInfo {connection.id} server 127.0.0.1:8080 peer 127.0.0.1:50123, "
        "2 requests, TLSv1.3>"
    )
