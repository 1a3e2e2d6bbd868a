"""README.md is the manual: what it shows is run, and what it says comes out is compared."""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit import HTTPServer, JsonResponse, Request, Response, faults
from kit.expect import at_paths, partial
from kit.testing.lint import LINT_RULES
from support.deadlines import scaled
from support.interrupts import hearing_interrupts
from support.modules import ROOT
from support.readme import Block, Section, is_told, read_sections

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = read_sections(README)
LANGUAGES = {"", "ini", "js", "python", "sh", "text", "yaml"}

API = "https://api.example.com"
"""What README calls a service somewhere; a server of the test's own stands in for it."""

FAILING = {
    "Assertions": "2 failed",
    "Expectations": "1 failed, 1 passed",
    "Sloppy clients": "1 failed",
    "Verified by default": "1 failed",
    "Websockets": "1 failed, 1 passed",
}
"""Sections that show how a test fails, and what is left of them."""

AUTOLOADING = {"A first test"}
"""Sections that show that pytest finds the plugin by itself."""

MORE = {
    "Docker Compose": """
import os
import socket


def test_the_container_asks(rates, kit_ca):
    rates.expect("GET", "/rates").respond("0.92")
    assert os.environ["RATES_URL"] == f"https://host.docker.internal:{rates.port}"
    assert os.path.exists(os.environ["KIT_CA"])
    with (
        socket.create_connection(("127.0.0.1", rates.port)) as plain,
        kit_ca.client_context().wrap_socket(
            plain, server_hostname="host.docker.internal"
        ) as client,
    ):
        client.sendall(b"GET /rates HTTP/1.1\\r\\nHost: host.docker.internal\\r\\n\\r\\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
"""
}
"""Tests of what a section shows in part, as the rest cannot be had everywhere."""

CHECKED_AS_TEXT = ("docker ", "pip install ", "python3 -m venv ", "tox run ", ".ci/run")
"""Commands that are not run here: .ci/run runs some, others build machines."""

PROGRAMS = {"curl", "node"}
"""What a machine may not have."""


def list_run_sections() -> list[Section]:
    return [section for section in SECTIONS if is_run(section)]


def is_run(section: Section) -> bool:
    return bool(section.list_blocks("python")) or bool(list_commands(section))


def list_commands(section: Section) -> list[str]:
    commands = [line for block in section.list_blocks("sh") for line in block.list_commands()]
    return [command for command in commands if not command.startswith(CHECKED_AS_TEXT)]


def give_rates(request: Request) -> JsonResponse:
    return JsonResponse({"base": request.matches["currency"], "EUR": 0.92})


class Background:
    """A server of the command line that runs beside the other commands.

    Attributes:
        lines: what it has written.
    """

    def __init__(
        self, command: str, directory: Path, environment: dict[str, str], upstream: str
    ) -> None:
        self.lines: list[str] = []
        self._command = command
        self._upstream = upstream
        self._address: str | None = None
        self._is_told = threading.Event()
        with hearing_interrupts():
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=directory,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line)
                # It may name its upstream, which has an address too.
                found = re.search(r"127\.0\.0\.1:\d+", line.replace(self._upstream, ""))
                if found and self._address is None:
                    self._address = found[0]
                    self._is_told.set()
        self._is_told.set()

    def find_address(self) -> str:
        """Wait until it has told where it listens."""
        self._is_told.wait(scaled(60))
        assert self._address is not None, f"{self._command}: {self.lines}"
        return self._address

    def end(self) -> int:
        """Interrupt it; returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(scaled(60))
        finally:
            self._process.kill()
            self._reader.join()


class Stage:
    """A directory in which a section is played.

    Attributes:
        output: what has been written by everything that was run.
    """

    def __init__(self, directory: Path, api: HTTPServer) -> None:
        self.output = ""
        self._directory = directory
        self._api = api
        self._ports: dict[str, str] = {}
        self._servers: list[Background] = []
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
        }
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment |= {"PATH": programs, "COLUMNS": "80", "NO_COLOR": "1", "BROWSER": "true"}

    def load_only(self, *plugins: str) -> None:
        """Have pytest load no plugins but these; what is installed may be slow to start."""
        self._environment |= {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": ",".join(plugins),
        }

    def write(self, block: Block, name: str) -> str:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text.replace(API, self._api.url), encoding="utf-8")
        return name

    def run(self, command: str, *, codes: tuple[int, ...] = (0,)) -> None:
        """Run a command; a server is left running until `close`."""
        command = command.replace(API, self._api.url)
        for told, actual in self._ports.items():
            command = command.replace(told, actual)
        if command.startswith(("kit serve", "kit record")):
            self._serve(command)
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=scaled(120),
            check=False,
        )
        self._note(done.stdout)
        assert done.returncode in codes, f"{command}: exit code {done.returncode}\n{done.stdout}"

    def _serve(self, command: str) -> None:
        given = re.search(r"--port (\d+)", command)
        port = given[1] if given else "8000"
        server = Background(
            f"exec {command.replace(f' --port {port}', '')} --port 0",
            self._directory,
            self._environment,
            self._api.url,
        )
        self._servers.append(server)
        self._ports[f"127.0.0.1:{port}"] = server.find_address()

    def close(self) -> None:
        """End the servers as Ctrl-C does."""
        servers, self._servers = self._servers, []
        codes = [server.end() for server in servers]
        for server in servers:
            self._note("".join(server.lines))
        assert not any(codes), self.output

    def _note(self, text: str) -> None:
        self.output += text.replace(self._api.url, API)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with HTTPServer(("127.0.0.1", 0)) as api:
        api.registerRoutes([("GET", "/v1/rates/:currency", give_rates)])
        made = Stage(tmp_path, api)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("section", list_run_sections(), ids=lambda section: section.title)
def test_a_section_does_what_it_shows(section: Section, stage: Stage) -> None:
    skip_if_missing(section)
    if section.title not in AUTOLOADING:
        stage.load_only("pytest_plugin.plugin", *list_plugins(section))
    tests, scripts = write_files(section, stage)
    commands = list_commands(section)
    if tests and not any(command.startswith("pytest") for command in commands):
        codes = (1,) if section.title in FAILING else (0,)
        stage.run(f"python -m pytest -p no:cacheprovider {' '.join(tests)}", codes=codes)
        assert is_told(f"…= {FAILING.get(section.title, '')}…", stage.output), stage.output
    for script in scripts:
        stage.run(f"python {script}")
    for command in commands:
        stage.run(command)
    stage.close()
    for block in section.list_blocks("text"):
        assert is_told(block.text, stage.output), (
            f"README.md:{block.line} shows\n{block.text}\nbut what came out is\n{stage.output}"
        )


def list_plugins(section: Section) -> list[str]:
    """Name the other plugins that a section needs."""
    is_async = any("mark.asyncio" in block.text for block in section.blocks)
    return ["pytest_asyncio.plugin"] if is_async else []


def write_files(section: Section, stage: Stage) -> tuple[list[str], list[str]]:
    """Write a section's files; return those for pytest, and those to be run."""
    tests: list[str] = []
    scripts: list[str] = []
    for number, block in enumerate(section.list_blocks("python", "yaml", "js", "ini")):
        name = block.file_name
        if block.is_test:
            tests.append(stage.write(block, name or f"test_{number}.py"))
        elif name is not None:
            stage.write(block, name)
        elif block.language == "python":
            scripts.append(stage.write(block, f"script_{number}.py"))
    if section.title in MORE:
        tests.append(stage.write(Block("python", MORE[section.title], 0), "test_more.py"))
    return tests, scripts


def skip_if_missing(section: Section) -> None:
    """Skip where a library, a program or a protocol that the section needs is not there."""
    own = {Path(block.file_name).stem for block in section.blocks if block.file_name}
    python = section.list_blocks("python")
    needed = {name for block in python for name in block.list_modules()} - own
    needed |= {plugin.partition(".")[0] for plugin in list_plugins(section)}
    for module in needed:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    programs = {
        name for block in section.list_blocks("python", "sh") for name in block.list_programs()
    }
    for program in {*(programs & PROGRAMS), "bash"}:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    if any('"::1"' in block.text for block in python) and not has_ipv6():
        pytest.skip("this machine has no ::1")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("2 hits\n", True),
        ("3 hits\n", False),
        ("hits\n", False),
        ("2 …\n", True),
        ("2 hits\nin 8 ms on 127.0.0.1:1\n", True),
        ("2 hits\nover\n", False),
        ("2 hits\n…\nover\n", True),
        ("over\n…\n2 hits\n", False),
    ],
)
def test_lines_are_told_if_the_output_has_them_in_a_row(shown: str, told: bool) -> None:
    assert is_told(shown, "begin\n2 hits\nin 11.5 ms on 127.0.0.1:4711 \nover") is told


@pytest.mark.parametrize("block", [block for section in SECTIONS for block in section.blocks])
def test_a_block_is_in_a_language_that_is_checked(block: Block) -> None:
    assert block.language in LANGUAGES


def list_blocks(language: str) -> list[Block]:
    return [block for section in SECTIONS for block in section.list_blocks(language)]


@pytest.mark.parametrize("block", list_blocks("yaml"), ids=lambda block: f"line {block.line}")
def test_yaml_can_be_read(block: Block) -> None:
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", list_blocks("ini"), ids=lambda block: f"line {block.line}")
def test_settings_can_be_read(block: Block) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    assert parser.sections()


def test_commands_that_are_not_run_name_what_there_is() -> None:
    commands = [line for block in list_blocks("sh") for line in block.list_commands()]
    others = [command for command in commands if command.startswith(CHECKED_AS_TEXT)]
    known = set(
        re.findall(r"^\[testenv:([\w-]+)\]", (ROOT / "tox.ini").read_text("utf-8"), re.MULTILINE)
    )
    for command in others:
        named = re.search(r"tox run -e (\S+)", command)
        assert named is None or set(named[1].split(",")) <= known | {"py"}, command
        installed = re.match(r"pip install (.+)", command)
        assert installed is None or "wirekit" in installed[1], command
    assert others


def test_a_link_leads_to_a_file() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


WIREMOCK = re.findall(
    r"^\| .+ \| `(server\.expect\(.+?\))`[^`]*(?:`[^`]*`)? \|$", README, re.MULTILINE
)


@pytest.mark.parametrize("source", WIREMOCK)
def test_what_stands_for_a_stub_of_wiremock_makes_one(source: str) -> None:
    server = HTTPServer(("127.0.0.1", 0))
    names: dict[str, Any] = {"server": server, "partial": partial, "at_paths": at_paths}
    names |= {"re": re, "faults": faults, "stub": server.expect("GET", "/b").respond("c")}
    names |= {"Response": Response, "answer": lambda request: Response()}
    made = eval(source, names)
    assert made is list(server.stubs)[-1]


def test_a_link_within_leads_to_a_heading() -> None:
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    wanted = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert wanted
    assert wanted <= anchors


def test_each_option_of_the_plugin_is_told() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "pytest_plugin").glob("*.py")
    )
    options = set(re.findall(r'addoption\(\s*"(--kit-[\w-]+)"', source))
    assert options
    assert {option for option in options if option not in README} == set()


def test_each_fixture_of_the_plugin_is_told() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "pytest_plugin").glob("*.py")]
    fixtures = {
        name
        for source in sources
        for name in re.findall(r"^@pytest\.fixture.*\ndef (kit_\w+)\(", source, re.MULTILINE)
    }
    assert len(fixtures) > 10
    assert {name for name in fixtures if f"`{name}`" not in README} == set()


def test_each_fault_is_told() -> None:
    names = set(faults.__all__) - {"Fault", "FaultBook", "FaultRule"}
    assert {name for name in names if f"`{name}`" not in README} == set()


def test_each_rule_of_lint_is_told() -> None:
    assert {name for name in LINT_RULES if f"`{name}`" not in README} == set()


def test_each_command_of_the_command_line_is_told() -> None:
    from kit.cli import main

    commands = set(main.commands)
    assert {name for name in commands if f"kit {name}" not in README} == set()
