"""The command line: `python -m bench` runs work loads, `python -m bench --check` compares."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bench import catalogue
from bench.chart import draw_report
from bench.goals import format_outcomes, judge, read_goals
from bench.harness import Bench, NotHere, is_selected, run_growth, run_workload
from bench.load import compile_load
from bench.machine import describe_machine
from bench.results import Report, read_report, write_report
from bench.table import format_growth, format_machine, format_work
from kit import CertificateAuthority

DEFAULT_OUTPUT = Path("bench-results")
NPM_S = 120


@click.command()
@click.argument("selected", nargs=-1, metavar="[WORK]...")
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(1, 1000))
@click.option(
    "--seconds",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.01, 600),
    help="How long each run takes, where it is a matter of time.",
)
@click.option("--list", "is_list", is_flag=True, help="List the work loads and end.")
@click.option(
    "--output",
    default=DEFAULT_OUTPUT,
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where bench.json and bench.svg go.",
)
@click.option(
    "--check",
    "is_check",
    is_flag=True,
    help="Compare the bench.json of the last run to the goals, and measure nothing.",
)
def main(
    selected: tuple[str, ...],
    *,
    rounds: int,
    seconds: float,
    is_list: bool,
    output: Path,
    is_check: bool,
) -> None:
    """Run the work loads named, by name, beginning or pattern; all of them if none is."""
    if is_list:
        for name, title in list_names():
            click.echo(f"{name:<22}{title}")
        return
    if not any(is_selected(name, selected) for name, _ in list_names()):
        raise click.BadParameter(f"no work load is named {', '.join(selected)}: see --list")
    if not is_check:
        run(selected, rounds, seconds, output)
        return
    path = output / "bench.json"
    if not path.exists():
        raise click.ClickException(f"there is no {path}: run the work loads first, `tox -e bench`")
    sys.exit(check(read_report(path), selected))


def list_names() -> list[tuple[str, str]]:
    """List everything that can be selected, with its title."""
    works = [(work.name, work.title) for work in catalogue.list_workloads()]
    return works + [(growth.name, growth.title) for growth in catalogue.list_growths()]


def run(selected: Sequence[str], rounds: int, seconds: float, output: Path) -> None:
    """Run what is selected; print it as it comes, and write it down."""
    start = time.monotonic()
    allow_many_files()
    report = Report(machine=describe_machine(), rounds=rounds, seconds=seconds)
    click.echo(format_machine(report.machine))
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bench = prepare(Path(directory), rounds, seconds)
        for text in run_selected(selected, bench, report):
            click.echo(f"\n{text}")
            write_report(report, output / "bench.json")
    svg = draw_report(report)
    (output / "bench.svg").write_text(svg, encoding="utf-8")
    minutes = (time.monotonic() - start) / 60
    click.echo(
        f"\nwritten after {minutes:.1f} min: {output / 'bench.json'}, {output / 'bench.svg'}"
    )


def run_selected(selected: Sequence[str], bench: Bench, report: Report) -> Iterator[str]:
    """Run work loads into the report; yield each as text when it is there."""
    for work in catalogue.list_workloads():
        if is_selected(work.name, selected):
            report.work.append(run_workload(work, bench))
            yield format_work(report.work[-1])
    for growth in catalogue.list_growths():
        if is_selected(growth.name, selected):
            report.growth.append(run_growth(growth, bench))
            yield format_growth(report.growth[-1])


def check(report: Report, selected: Sequence[str]) -> int:
    """Print how the goals fare; return 1 if one falls short, 2 if none was measured, else 0."""
    names = [name for name, _ in list_names() if is_selected(name, selected)]
    outcomes = judge(report, read_goals(), names)
    click.echo(format_outcomes(outcomes))
    verdicts = {outcome.verdict for outcome in outcomes}
    if "falls short" in verdicts:
        return 1
    return 0 if "holds" in verdicts else 2


def prepare(directory: Path, rounds: int, seconds: float) -> Bench:
    """Compile the generator, make certificates, and look what else is here."""
    try:
        load, load_has_tls = compile_load(directory)
    except NotHere as reason:
        raise click.ClickException(str(reason)) from None
    authority = CertificateAuthority()
    cert, key = authority.issue_files(directory / "tls", "127.0.0.1", "localhost")
    return Bench(
        directory=directory,
        rounds=rounds,
        seconds=seconds,
        load=load,
        load_has_tls=load_has_tls,
        wrk=shutil.which("wrk") or "",
        npm_modules=install_ws(directory / "npm"),
        cert=cert,
        key=key,
        authority=authority.write_pem(directory / "authority.pem"),
    )


def install_ws(directory: Path) -> Path | None:
    """Install Node's `ws`; None where that cannot be done."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    directory.mkdir()
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "ws"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=directory, capture_output=True, timeout=NPM_S, check=False)
    modules = directory / "node_modules"
    return modules if modules.exists() else None


def allow_many_files() -> None:
    """Let this process, and the programs it starts, have as many files open as is allowed."""
    import resource  # there is none on Windows, where the command line's own tests run too

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main(prog_name="bench")
