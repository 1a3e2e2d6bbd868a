"""Keeping the shared threads between servers."""

from __future__ import annotations

import contextlib
import threading

import kit


def kit_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("kit-")}


def run_a_server() -> set[threading.Thread]:
    """Start and stop a server; return the threads that served."""
    with kit.HTTPServer(("127.0.0.1", 0)):
        return kit_threads()


def test_servers_inside_the_block_share_its_threads() -> None:
    with kit.keep_relay():
        kept = kit_threads()
        assert kept
        assert run_a_server() == kept
        assert run_a_server() == kept
        assert kit_threads() == kept


def test_the_threads_end_with_the_outermost_block() -> None:
    with kit.keep_relay():
        with kit.keep_relay():
            kept = kit_threads()
        assert kit_threads() == kept
    assert not kit_threads()


def test_a_server_that_outlives_the_block_goes_on() -> None:
    with kit.keep_relay():
        server = kit.HTTPServer(("127.0.0.1", 0)).start()
    assert kit_threads()
    server.stop()
    assert not kit_threads()


def test_the_threads_end_with_a_block_that_fails() -> None:
    with contextlib.suppress(LookupError), kit.keep_relay():
        raise LookupError
    assert not kit_threads()
