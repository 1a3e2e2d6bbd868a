"""What the suite found, in a table, and what of it counts as a failure of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "close",
    "9": "limits",
    "10": "auto-fragmentation",
    "12": "compression, different payloads",
    "13": "compression, different parameters",
}
COLUMNS = ("ok", "non-strict", "informational", "failed")

_KINDS = {"OK": "ok", "NON-STRICT": "non-strict", "INFORMATIONAL": "informational"}
_RANKS = {kind: rank for rank, kind in enumerate(COLUMNS)}

Case = Mapping[str, Any]
Results = Mapping[str, Case]
# By role and agent.
Findings = dict[tuple[str, str], dict[str, Case]]


def judge(case: Case) -> str:
    """Return one of COLUMNS, the worse of how the case went and how it closed."""
    verdicts = (_KINDS.get(case[part], "failed") for part in ("behavior", "behaviorClose"))
    return max(verdicts, key=_RANKS.__getitem__)


def count_sections(results: Results) -> dict[str, Counter[str]]:
    """Count the verdicts of each section."""
    counts: dict[str, Counter[str]] = {}
    for name in sorted(results, key=_sort_key):
        counts.setdefault(name.partition(".")[0], Counter())[judge(results[name])] += 1
    return counts


def format_counts(results: Results) -> str:
    """Return how many cases went how, in one line."""
    counts = Counter(judge(case) for case in results.values())
    return ", ".join(f"{counts[column]} {column}" for column in COLUMNS if counts[column]) or "none"


def find_failures(ours: Results, theirs: Results) -> list[str]:
    """Name the cases that fail with us, or were run with the other alone."""
    failed = {name for name, case in ours.items() if judge(case) == "failed"}
    return sorted(failed | (theirs.keys() - ours.keys()), key=_sort_key)


def find_differences(ours: Results, theirs: Results) -> list[str]:
    """Describe each case that went otherwise with us than with the other."""
    return [
        f"{name}: {judge(ours[name])}, theirs {judge(theirs[name])}"
        for name in sorted(ours, key=_sort_key)
        if name in theirs and judge(ours[name]) != judge(theirs[name])
    ]


def format_table(role: str, ours: Results, theirs: Results) -> str:
    """Return a Markdown table: the verdicts of each section, ours beside theirs."""
    heading = f"| {role}: section | cases | " + " | ".join(
        f"{who} {column}" for who in ("wirekit", "websockets") for column in COLUMNS
    )
    lines = [heading + " |", "|---|" + "---:|" * 9]
    mine, other = count_sections(ours), count_sections(theirs)
    for section, counts in mine.items():
        title = f"{section} {SECTIONS.get(section, '')}".strip()
        lines.append(_format_row(title, counts, other.get(section, Counter())))
    lines.append(_format_row("all", sum(mine.values(), Counter()), sum(other.values(), Counter())))
    return "\n".join(lines)


def _format_row(title: str, ours: Counter[str], theirs: Counter[str]) -> str:
    numbers = [ours.total(), *(counts[column] for counts in (ours, theirs) for column in COLUMNS)]
    return f"| {title} | " + " | ".join(map(str, numbers)) + " |"


def _sort_key(name: str) -> list[int]:
    return [int(part) for part in name.split(".")]
