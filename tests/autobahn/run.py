"""Run the Autobahn test suite against our server and client, beside those of `websockets`.

Ends with status 1 if a case fails with us, or was not run with us but with `websockets`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from autobahn import suite, summary, testees

CASES = tuple(f"{section}.*" for section in summary.SECTIONS)
# The sections that take an hour each have parts that can be run side by side.
_SUBSECTIONS = {"12.*": 5, "13.*": 7}
_LONG = ("12.", "13.")


class Part(NamedTuple):
    """What one process runs: a role, who plays it, and the cases."""

    role: str
    agent: str
    cases: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name, also that of its directory."""
        return "-".join([self.role, self.agent, *(case.strip(".*") for case in self.cases)])


def list_parts(roles: list[str], agents: list[str], cases: list[str]) -> list[Part]:
    """Divide the work: those parts first that take longest, as the others fill the gaps."""
    groups: list[tuple[str, ...]] = []
    for case in cases:
        if case in _SUBSECTIONS:
            groups += [(f"{case[:-1]}{at}.*",) for at in range(1, _SUBSECTIONS[case] + 1)]
        elif case.startswith(_LONG):
            groups.append((case,))
    short = tuple(case for case in cases if not case.startswith(_LONG))
    if short:
        groups.append(short)
    return [Part(role, agent, group) for group in groups for role in roles for agent in agents]


def run_part(part: Part, wstest: Path, reports: Path) -> dict[str, summary.Case]:
    """Let the suite be the peer of one testee; return the results by case."""
    directory = reports / part.name
    testee = testees.TESTEES[part.agent]
    if part.role == "server":
        with testee.serve() as url:
            suite.fuzz_servers(wstest, directory, {part.agent: url}, part.cases)
    else:
        with suite.fuzzing_server(wstest, directory, part.cases) as address:
            testee.play(address, part.agent)
    found: dict[str, summary.Case] = suite.read_index(directory).get(part.agent, {})
    return found


def run_parts(parts: list[Part], wstest: Path, reports: Path, jobs: int) -> summary.Findings:
    """Run parts side by side, each in a process of its own; tell of each that is done."""
    findings: summary.Findings = {}
    # A testee that was forked would begin with what the others have started.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        futures = {pool.submit(run_part, part, wstest, reports): part for part in parts}
        for future in as_completed(futures):
            part, results = futures[future], future.result()
            findings.setdefault((part.role, part.agent), {}).update(results)
            print(f"{part.name}: {summary.format_counts(results)}", flush=True)  # noqa: T201
    return findings


def main(arguments: list[str] | None = None) -> int:
    """Install, run, report; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".autobahn"), help="where to install")
    parser.add_argument("--reports", type=Path, default=Path(".autobahn/reports"))
    parser.add_argument("--role", choices=["server", "client"], action="append")
    parser.add_argument("--agent", choices=list(testees.TESTEES), action="append")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parts at once")
    parser.add_argument("cases", nargs="*", help="such as 1.* or 9.1.6")
    options = parser.parse_args(arguments)
    roles = options.role or ["server", "client"]
    agents = options.agent or list(testees.TESTEES)
    parts = list_parts(roles, agents, options.cases or list(CASES))
    wstest = suite.install(options.home.resolve() / "suite")
    findings = run_parts(parts, wstest, options.reports.resolve(), options.jobs)
    failed = [line for role in roles for line in _report(role, agents, findings)]
    print("\n".join(f"failed: {name}" for name in failed) or "nothing failed")  # noqa: T201
    return 1 if failed else 0


def _report(role: str, agents: list[str], findings: summary.Findings) -> list[str]:
    ours = findings.get((role, testees.OURS), {})
    theirs = findings.get((role, testees.THEIRS), {})
    lines = [summary.format_table(role, ours, theirs)]
    lines += [f"{role} {line}" for line in summary.find_differences(ours, theirs)]
    print("\n".join(lines), flush=True)  # noqa: T201 - this is the report
    if testees.OURS not in agents:
        return []
    failed = [f"{role} {name}" for name in summary.find_failures(ours, theirs)]
    return failed if ours else [f"{role}: nothing was run", *failed]


if __name__ == "__main__":
    sys.exit(main())
