"""What machine it was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = (
    "aiohttp",
    "falcon",
    "granian",
    "httptools",
    "httpx",
    "mpgameserver",
    "msgspec",
    "pytest",
    "pytest-httpserver",
    "pytest-localserver",
    "starlette",
    "urllib3",
    "uvicorn",
    "uvloop",
    "websockets",
    "werkzeug",
    "wirekit",
)


def describe_machine() -> dict[str, str]:
    """Tell processor, cores, memory, load, systems and versions."""
    return {
        "processor": find_processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{read_field('/proc/meminfo', 'MemTotal')}",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "node": ask("node", "--version"),
        "packages": ", ".join(list_versions()),
    }


def find_processor() -> str:
    """Name the processor."""
    return read_field("/proc/cpuinfo", "model name") or platform.processor() or "unknown"


def read_field(path: str, name: str) -> str:
    """Return the first field of this name in a file of `name: value` lines, "" if none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in fields if key.strip() == name), "")


def ask(command: str, *arguments: str) -> str:
    """Return what a command prints, or that it is not here."""
    if shutil.which(command) is None:
        return "not here"
    asked = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def list_versions() -> list[str]:
    """List what is installed of the packages that take part."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
