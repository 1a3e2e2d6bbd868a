"""The corpus that the fuzzer made, and its seeds, are fed to the protocols again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.seeds import SEEDS
from fuzz.targets import TARGETS
from kit.wire.http1.buffers import InputBuffer
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


@pytest.mark.parametrize("target", ["http1_server", "http1_client"])
def test_a_target_notices_what_must_not_be(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A buffer that forgets what has not been parsed yet when more arrives.
    monkeypatch.setattr(InputBuffer, "append", lambda buffer, data: setattr(buffer, "data", data))
    with pytest.raises(AssertionError):
        for sample in SEEDS[target]:
            TARGETS[target](sample)


def test_the_corpus_is_small() -> None:
    sizes = [path.stat().st_size for target in TARGETS for path in read_corpus(target)]
    assert sum(sizes) < MAX_CORPUS_BYTES
