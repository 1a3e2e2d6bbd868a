"""The corpus that the fuzzer made, and its seeds, are fed to the protocols again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.seeds import SEEDS
from fuzz.targets import TARGETS
from kit.wire.http1.buffers import InputBuffer
from kit.wire.websocket import ClientHandshake, WebSocketProtocol
from support.modules import ROOT

CORPUS = ROOT / "fixtures" / "corpus"
MAX_CORPUS_BYTES = 300_000


def read_corpus(target: str) -> list[Path]:
    return sorted((CORPUS / target).iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_fuzzer_kept_breaks_nothing(target: str) -> None:
    paths = read_corpus(target)
    assert paths
    for path in paths:
        try:
            TARGETS[target](path.read_bytes())
        except BaseException as error:
            error.add_note(f"fed {path.relative_to(ROOT)} to {target}")
            raise


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_fuzzer_starts_from_breaks_nothing(target: str) -> None:
    for sample in SEEDS[target]:
        TARGETS[target](sample)


def feed_seeds(target: str) -> None:
    for sample in SEEDS[target]:
        TARGETS[target](sample)


@pytest.mark.parametrize("target", ["http1_server", "http1_client"])
def test_a_target_notices_what_must_not_be(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A buffer that forgets what has not been parsed yet when more arrives.
    monkeypatch.setattr(InputBuffer, "append", lambda buffer, data: setattr(buffer, "data", data))
    with pytest.raises(AssertionError):
        feed_seeds(target)


@pytest.mark.parametrize("target", ["websocket_server", "websocket_client"])
def test_a_target_notices_bytes_that_a_websocket_forgets(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = WebSocketProtocol.receive
    monkeypatch.setattr(
        WebSocketProtocol, "receive", lambda protocol, data: receive(protocol, data[:1])
    )
    with pytest.raises(AssertionError):
        feed_seeds(target)


@pytest.mark.parametrize("target", ["websocket_server", "websocket_client"])
def test_a_target_notices_a_websocket_that_never_ends(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebSocketProtocol, "receive_eof", lambda protocol: [])
    with pytest.raises(AssertionError):
        feed_seeds(target)


def test_a_target_notices_a_handshake_that_opens_by_any_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ClientHandshake, "_check_response", lambda handshake, status, fields: None)
    with pytest.raises(AssertionError):
        feed_seeds("http1_client")


def test_the_corpus_is_small() -> None:
    sizes = [path.stat().st_size for target in TARGETS for path in read_corpus(target)]
    assert sum(sizes) < MAX_CORPUS_BYTES
