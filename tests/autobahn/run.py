"""Run the Autobahn test suite against our server and client, beside those of `websockets`.

Ends with status 1 if a case fails with us that `websockets` passes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autobahn import suite, summary, testees

OURS, THEIRS = "wirekit", "websockets"
CASES = tuple(f"{section}.*" for section in summary.SECTIONS)


def run_servers(wstest: Path, directory: Path, cases: list[str]) -> dict[str, Any]:
    """Let the suite be the client of both servers; return its results by agent."""
    with testees.serve_ours() as ours, testees.serve_websockets() as theirs:
        return suite.fuzz_servers(wstest, directory, {OURS: ours, THEIRS: theirs}, cases)


def run_clients(wstest: Path, directory: Path, cases: list[str]) -> dict[str, Any]:
    """Let the suite be the server of both clients; return its results by agent."""
    with suite.fuzzing_server(wstest, directory, cases) as address:
        testees.play_ours(address, OURS)
        testees.play_websockets(address, THEIRS)
    return suite.read_index(directory)


def main(arguments: list[str] | None = None) -> int:
    """Install, run, report; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".autobahn"), help="where to install")
    parser.add_argument("--reports", type=Path, default=Path(".autobahn/reports"))
    parser.add_argument("--role", choices=["server", "client"], action="append")
    parser.add_argument("cases", nargs="*", help="such as 1.* or 9.1.6")
    options = parser.parse_args(arguments)
    wstest = suite.install(options.home.resolve() / "suite")
    cases = options.cases or list(CASES)
    failed = []
    for role in options.role or ["server", "client"]:
        run = run_servers if role == "server" else run_clients
        results = run(wstest, options.reports.resolve() / role, cases)
        ours, theirs = results.get(OURS, {}), results.get(THEIRS, {})
        failed += [f"{role} {name}" for name in summary.find_regressions(ours, theirs)]
        if not ours:
            failed.append(f"{role}: nothing was run")
        print(summary.format_table(role, ours, theirs))  # noqa: T201 - this is the report
        for line in summary.find_differences(ours, theirs):
            print(f"{role} {line}")  # noqa: T201
        sys.stdout.flush()
    print("\n".join(f"failed: {name}" for name in failed) or "nothing failed")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
