from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import kit
from kit.cli import main
from kit.cli.listing import format_size
from support.deadlines import scaled

ROOT = Path(kit.__file__).parents[1]

SHOP = '''
import kit

class Orders(kit.Resource):
    @kit.get("/order/:id")
    @kit.header("X-Token")
    @kit.header("X-Other")
    @kit.param("page")
    def get_order(self, request):
        """Give one order."""
        return kit.JsonResponse(request.matches)

    @kit.post("/order", max_content_length=100)
    def make_order(self, request):
        return kit.Response(request.read())

    @kit.websocket("/events")
    def watch(self, request, opcode, payload):
        pass

class Empty(kit.Resource):
    pass

class Needy(kit.Resource):
    def __init__(self, name):
        self.name = name

    @kit.get("/name")
    def get_name(self, request):
        return kit.Response(self.name)

class Broken(kit.Resource):
    def routes(self):
        return [("GET", "broken", print)]

class Other:
    class Inner(Orders):
        pass

needy = Needy("bob")
number = 3
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "raises.py").write_text("x = 1\nraise KeyError('y')\n")
    (tmp_path / "wants.py").write_text("import not_there_at_all\n")
    (tmp_path / "bare.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("def\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name in {"shop", "raises", "wants", "bare", "wrong"}:
            del sys.modules[name]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="kit")


def error_of(*arguments: str, exit_code: int = 2) -> str:
    result = run(*arguments)
    assert result.exit_code == exit_code, result.output
    return result.stderr.rpartition("\nError: ")[2].removeprefix("Error: ").strip()


def test_the_version_is_told() -> None:
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"kit (wirekit) {kit.__version__}\n")


@pytest.mark.parametrize("arguments", [("--help",), ("routes", "--help"), ("serve", "-h")])
def test_help_tells_the_exit_codes(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Exit codes:\n" in result.output
    assert "2  wrong usage" in result.output


def test_help_of_serve_tells_every_option_and_default() -> None:
    text = run("serve", "--help").output
    options = ["--host", "--port", "--tls", "--ca-file", "--cert", "--privkey"]
    assert [each for each in options if each not in text] == []
    assert "127.0.0.1" in text
    assert "8000" in text


# routes


@pytest.mark.usefixtures("shop")
def test_routes_are_shown_as_a_table() -> None:
    result = run("routes", "shop:Orders", "shop:needy")
    assert result.exit_code == 0
    assert result.output == (
        "METHOD     PATTERN     HANDLER            HEADERS           PARAMS  MAX BODY\n"
        "GET        /order/:id  Orders.get_order   X-Token, X-Other  page    5 MiB\n"
        "POST       /order      Orders.make_order  -                 -       100 B\n"
        "websocket  /events     Orders.watch       -                 -       -\n"
        "GET        /name       Needy.get_name     -                 -       5 MiB\n"
    )


@pytest.mark.usefixtures("shop")
def test_routes_are_written_as_json() -> None:
    listed = json.loads(run("routes", "--json", "shop:Orders").output)
    assert listed[0] == {
        "method": "GET",
        "pattern": "/order/:id",
        "handler": "Orders.get_order",
        "doc": "Give one order.",
        "websocket": False,
        "headers": ["X-Token", "X-Other"],
        "params": ["page"],
        "max_content_length": 5242880,
    }
    assert (listed[1]["max_content_length"], listed[1]["doc"]) == (100, "")
    assert (listed[2]["websocket"], listed[2]["max_content_length"]) == (True, None)


@pytest.mark.usefixtures("shop")
def test_a_resource_without_routes_gives_the_heading_alone() -> None:
    assert run("routes", "shop:Empty").output.split() == [
        "METHOD", "PATTERN", "HANDLER", "HEADERS", "PARAMS", "MAX", "BODY",
    ]  # fmt: skip
    assert json.loads(run("routes", "--json", "shop:Empty").output) == []


@pytest.mark.usefixtures("shop")
def test_a_nested_name_is_found() -> None:
    assert "Orders.watch" in run("routes", "shop:Other.Inner").output


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1025, "1025 B"),
        (5 << 20, "5 MiB"),
        (3 << 30, "3 GiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_a_size_is_written_exactly(size: int, text: str) -> None:
    assert format_size(size) == text


# Targets


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("shop:Order", "'shop:Order': shop has no 'Order'; did you mean Orders?"),
        (
            "shop:Zzzzzz",
            (
                "'shop:Zzzzzz': shop has no 'Zzzzzz'; "
                "did you mean Orders or Empty or Needy or Broken or needy?"
            ),
        ),
        ("shop:Other.Iner", "'shop:Other.Iner': Other has no 'Iner'; did you mean Inner?"),
        ("bare:Orders", "'bare:Orders': bare has no 'Orders'"),
        (
            "shop",
            (
                "'shop' lacks the resource's name, name one: shop:Orders, shop:Empty,"
                " shop:Needy, shop:Broken, shop:needy"
            ),
        ),
        ("bare:", "'bare:' lacks the resource's name, and bare has none"),
        (
            "shop:number",
            "'shop:number' is int, expected a subclass of kit.Resource or an instance of one",
        ),
        (
            "shop:Other",
            (
                "'shop:Other' is the class Other,"
                " expected a subclass of kit.Resource or an instance of one"
            ),
        ),
        (
            "shop.py:Orders",
            "'shop.py:Orders': give the module's name as in an import, not a file: shop.api:Orders",
        ),
        ("a-b:C", "'a-b:C': 'a-b' is not the name of a module; expected module:Resource"),
        (":C", "':C': '' is not the name of a module; expected module:Resource"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_target_that_names_no_resource_is_refused(target: str, text: str) -> None:
    assert error_of("routes", target) == f"Invalid value for 'MODULE:RESOURCE...': {text}"


def test_a_module_that_is_missing_is_told_with_what_was_tried(shop: Path) -> None:
    text = error_of("routes", "nosuch.api:Orders")
    where = f"in {os.getcwd()} nor elsewhere on sys.path"  # noqa: PTH109
    assert text.endswith(f"'nosuch.api:Orders': no module named 'nosuch' {where}")


def test_a_module_that_raises_is_told_with_the_line(shop: Path) -> None:
    file = shop / "raises.py"
    text = error_of("routes", "raises:Orders")
    assert text.endswith(f"importing raises failed: KeyError: 'y' ({file.resolve()}, line 2)")


@pytest.mark.usefixtures("shop")
def test_a_module_that_lacks_another_names_that_one() -> None:
    text = error_of("routes", "wants:Orders")
    assert "importing wants failed: ModuleNotFoundError" in text
    assert "'not_there_at_all'" in text


@pytest.mark.usefixtures("shop")
def test_a_module_that_does_not_parse_is_told_with_the_line() -> None:
    text = error_of("routes", "wrong:Orders")
    assert "importing wrong failed: SyntaxError: invalid syntax (wrong.py, line 1)" in text


@pytest.mark.usefixtures("shop")
def test_a_class_that_needs_arguments_is_told_with_the_way_out() -> None:
    text = error_of("routes", "shop:Needy")
    assert "calling Needy() failed: TypeError" in text
    assert text.endswith("if it needs arguments, name an instance instead")


@pytest.mark.usefixtures("shop")
def test_a_malformed_route_is_told_with_the_resource() -> None:
    assert error_of("routes", "shop:Broken", exit_code=1) == (
        "Broken: pattern 'broken' is wrong at index 0: it must start with \"/\""
    )


@pytest.mark.parametrize("command", ["routes", "serve"])
def test_a_command_without_a_resource_is_wrong_usage(command: str) -> None:
    assert error_of(command) == "Missing argument 'MODULE:RESOURCE...'."


# serve


@pytest.mark.usefixtures("shop")
def test_options_of_serve_that_contradict_each_other_are_refused() -> None:
    pem = str(Path("shop.py"))
    assert error_of("serve", "shop:Orders", "--tls", "--cert", pem) == (
        "give either --tls, which makes a certificate, or --cert and --privkey"
    )
    assert error_of("serve", "shop:Orders", "--ca-file", "ca.pem") == (
        "--ca-file writes the authority that --tls makes: give --tls too"
    )


@pytest.mark.usefixtures("shop")
def test_an_address_in_use_is_an_error_with_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = error_of("serve", "shop:Orders", "--port", str(port), exit_code=1)
    assert text.startswith(f"cannot listen on 127.0.0.1:{port}: ")


@pytest.mark.usefixtures("shop")
def test_a_certificate_that_is_none_is_an_error_that_names_the_file() -> None:
    text = error_of("serve", "shop:Orders", "--cert", "shop.py", "--port", "0", exit_code=1)
    assert "shop.py" in text


@contextlib.contextmanager
def serving(directory: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `python -m kit serve`, and give the process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kit", "serve", *arguments, "--port", "0"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serving 3 routes on "), process.communicate(timeout=scaled(30))
            assert line.endswith(" (press Ctrl-C to stop)\n")
            yield process, line.split()[4]
        finally:
            process.kill()


def read(url: str, context: ssl.SSLContext | None = None) -> Any:
    with urllib.request.urlopen(url, context=context, timeout=scaled(30)) as response:
        return json.loads(response.read())


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_until_a_signal_stops_it(shop: Path, number: signal.Signals) -> None:
    with serving(shop, "shop:Orders") as (process, url):
        assert read(f"{url}/order/7") == {"id": "7"}
        process.send_signal(number)
        out, err = process.communicate(timeout=scaled(30))
        assert (process.returncode, out, err) == (0, "", "")


def test_serve_speaks_tls_that_the_written_authority_vouches_for(shop: Path) -> None:
    ca_file = shop / "ca.pem"
    with serving(shop, "shop:Orders", "--tls", "--ca-file", str(ca_file)) as (_, url):
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=ca_file)
        assert read(f"{url}/order/7", context) == {"id": "7"}


def test_serve_speaks_tls_with_given_files(shop: Path) -> None:
    authority = kit.CertificateAuthority()
    cert, key = authority.issue_files(shop)
    ca_file = shop / "ca.pem"
    authority.write_pem(ca_file)
    with serving(shop, "shop:Orders", "--cert", str(cert), "--privkey", str(key)) as (_, url):
        context = ssl.create_default_context(cafile=ca_file)
        assert read(f"{url}/order/7", context) == {"id": "7"}


def test_the_module_can_be_run(shop: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "kit", "routes", "shop:Orders"],
        cwd=shop,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "/order/:id" in result.stdout
