"""Fuzz the protocols with atheris for a bounded time, and keep a small corpus.

Each target runs in a process of its own, as libFuzzer ends the one it runs in. What is new
is merged into the corpus, which holds one input for each thing that inputs can reach.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("http1_server", "http1_client", "websocket_server", "websocket_client")
CORPUS = Path(__file__).resolve().parents[2] / "fixtures" / "corpus"
MAX_INPUT_BYTES = 600


def fuzz_here(program: str, target: str, arguments: list[str]) -> None:
    """Run libFuzzer on one target; never returns.

    Args:
        program: what libFuzzer may start to run this function again.
    """
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    # Instrumented as they are imported, so nothing here imports them before.
    with atheris.instrument_imports(include=["kit", "websockets"]):
        from fuzz.targets import TARGETS
    atheris.Setup([program, *arguments], TARGETS[target])
    atheris.Fuzz()


def fuzz(target: str, seconds: int, seed: int) -> int:
    """Fuzz one target in a new process, and merge what it finds; return the exit status."""
    from fuzz.seeds import SEEDS

    corpus = CORPUS / target
    with tempfile.TemporaryDirectory() as directory:
        program = _write_program(Path(directory, "run"), target)
        work, merged = Path(directory, "work"), Path(directory, "merged")
        work.mkdir()
        merged.mkdir()
        for sample in SEEDS[target]:
            (work / hashlib.sha1(sample).hexdigest()).write_bytes(sample)
        known = [str(corpus)] if corpus.is_dir() else []
        status = _start(
            [
                program,
                *(str(work), *known, f"-max_total_time={seconds}", f"-seed={seed}"),
                *(f"-max_len={MAX_INPUT_BYTES}", f"-artifact_prefix={target}-"),
                *("-print_final_stats=1", "-timeout=20"),
            ],
        )
        if status == 0:
            status = _start([program, "-merge=1", str(merged), str(work), *known])
        if status == 0:
            _replace(corpus, merged)
    return status


def _write_program(path: Path, target: str) -> str:
    """Write a program that runs one target, as libFuzzer starts itself anew to merge."""
    command = shlex.join([sys.executable, "-m", "fuzz.run", "--here", str(path), target])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def _start(command: list[str]) -> int:
    return subprocess.run(command, check=False).returncode


def _replace(corpus: Path, merged: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    kept = {path.name for path in merged.iterdir()}
    for path in corpus.iterdir():
        if path.name not in kept:
            path.unlink()
    for path in merged.iterdir():
        (corpus / path.name).write_bytes(path.read_bytes())


def main() -> int:
    """Fuzz the targets one after another; return the exit status."""
    if sys.argv[1:2] == ["--here"]:
        fuzz_here(sys.argv[2], sys.argv[3], sys.argv[4:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(NAMES))
    options = parser.parse_args()
    failed = [
        f"{target} ended with status {status}"
        for target in options.targets or NAMES
        if (status := fuzz(target, options.seconds, options.seed))
    ]
    print("\n".join(failed) or "nothing was found")  # noqa: T201 - this is the report
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
