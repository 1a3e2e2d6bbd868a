from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
from pathlib import Path

import pytest
from websockets.sync.client import connect

import kit
from support.command_line import Command, error_of, fetch, replace_file, run
from support.deadlines import scaled
from support.modules import ROOT
from support.recordings import write_recording

STUBS = str(ROOT / "fixtures" / "stubs" / "orders.json")

posix_signals = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")


def serve(directory: Path, *arguments: str) -> Command:
    return Command(directory, "serve", *arguments, "--port", "0")


# What is said before it serves


def test_help_of_serve_tells_every_option_and_default() -> None:
    text = run("serve", "--help").output
    options = ["--host", "--port", "--tls", "--ca-file", "--cert", "--privkey", "--watch"]
    options += ["--json", "-v, --verbose"]
    assert [each for each in options if each not in text] == []
    assert "127.0.0.1" in text
    assert "8000" in text
    assert "  kit serve shop.api:Orders stubs.yaml --watch\n" in text
    assert "  0  interrupted, by Ctrl-C or SIGTERM\n" in text


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
def test_a_resource_that_cannot_be_imported_is_wrong_usage() -> None:
    assert error_of("serve", "shop:Order") == (
        "Invalid value for 'SOURCE...': 'shop:Order': shop has no 'Order'; did you mean Orders?"
    )


def test_a_stub_file_that_cannot_be_read_is_an_error_with_exit_code_1(shop: Path) -> None:
    (shop / "stubs.json").write_text('{"stubs": [{}]}')
    assert error_of("serve", "stubs.json", exit_code=1) == (
        "stubs.json: $.stubs[0]: object missing required field `request`"
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


# Serving


@posix_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_until_a_signal_stops_it(shop: Path, number: int) -> None:
    with serve(shop, "shop:Orders") as command:
        url = command.read_url()
        assert fetch(f"{url}/order/7") == (200, b'{"id":"7"}')
        command.read_until("GET /order/7")
        assert command.stop(number) == (0, "", "")


def test_serve_lists_routes_and_stubs_before_it_announces_itself(shop: Path) -> None:
    with serve(shop, "shop:Orders", STUBS) as command:
        command.read_url()
        text = "".join(command.lines)
    assert "GET        /order/:id  Orders.get_order   X-Token, X-Other  page    5 MiB\n" in text
    assert "2     POST    /orders            headers, json  2 times " in text
    assert command.lines[-1].startswith("serving 3 routes and 4 stubs on http://127.0.0.1:")


def test_stubs_stand_before_routes(shop: Path) -> None:
    stub = {"request": {"path": "/order/1"}, "response": {"text": "stub"}}
    (shop / "stubs.json").write_text(json.dumps({"stubs": [stub]}))
    with serve(shop, "shop:Orders", "stubs.json") as command:
        url = command.read_url()
        assert fetch(f"{url}/order/1") == (200, b"stub")
        assert fetch(f"{url}/order/2") == (200, b'{"id":"2"}')


def test_each_exchange_is_a_line(shop: Path) -> None:
    with serve(shop, "shop:Orders", STUBS) as command:
        url = command.read_url()
        lines = []
        for target in ("/order/7?a=1", "/orders/7/status", "/nowhere"):
            fetch(url + target)
            lines.append(command.read_until(f"GET {target}  "))
    shown = [re.sub(r"\d+(\.\d+)? (ms|s)  ", "0 ms  ", line.partition("  ")[2]) for line in lines]
    assert shown == [
        "GET /order/7?a=1  200  0 ms  /order/:id\n",
        "GET /orders/7/status  202  0 ms  stub 3: GET /orders/7/status\n",
        "GET /nowhere  404  0 ms  no route\n",
    ]
    assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d  GET ", lines[-1])


def test_a_websocket_is_told_with_its_frames_where_they_are_asked_for(shop: Path) -> None:
    with serve(shop, "shop:Orders", "-v") as command:
        url = command.read_url()
        with connect(f"{url.replace('http', 'ws')}/events", open_timeout=scaled(30)) as socket_:
            command.read_until("websocket opened  /events")
            socket_.send("hi")
            assert socket_.recv(scaled(30)) == "hi"
        command.read_until("websocket closed 1000, 4 frames  /events")
    frames = [
        line.strip() for line in command.lines if line.endswith("  /events\n") and "GET" not in line
    ]
    assert frames == [
        "-> Text 'hi'  /events",
        "<- Text 'hi'  /events",
        "-> Close 1000  /events",
        "<- Close 1000  /events",
    ]


def test_everything_can_be_told_as_json(shop: Path) -> None:
    with serve(shop, "shop:Orders", STUBS, "--json", "-v") as command:
        start = command.read_event("serving")
        assert [each["pattern"] for each in start["routes"]] == ["/order/:id", "/order", "/events"]
        assert [each["number"] for each in start["stubs"]] == [1, 2, 3, 4]
        assert start["ca_file"] is None
        assert fetch(f"{start['url']}/order/7")[0] == 200
        exchange = command.read_event("exchange")
        assert exchange.pop("duration_ms") >= 0
        assert exchange.pop("time").endswith("+00:00")
        assert exchange == {
            "event": "exchange",
            "id": exchange["id"],
            "method": "GET",
            "target": "/order/7",
            "status": 200,
            "route": "/order/:id",
            "handler": "Orders.get_order",
            "error": None,
            "exception": None,
            "websocket": False,
            "close_code": None,
        }
        with connect(f"{start['url'].replace('http', 'ws')}/events") as socket_:
            socket_.send("hi")
            frame = command.read_event("frame")
            assert (frame["direction"], frame["opcode"], frame["payload"]) == (
                "received",
                "Text",
                "hi",
            )


@posix_signals
def test_output_that_nobody_reads_ends_the_command(shop: Path) -> None:
    with serve(shop, "shop:Orders") as command:
        url = command.read_url()
        command.close_output()
        fetch(f"{url}/order/7")
        code, _, err = command.wait()
        assert (code, err) == (1, "Error: nobody reads the output any more\n")


# TLS


def test_serve_speaks_tls_that_the_written_authority_vouches_for(shop: Path) -> None:
    ca_file = shop / "ca.pem"
    with serve(shop, "shop:Orders", "--tls", "--ca-file", "ca.pem") as command:
        url = command.read_url()
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=ca_file)
        assert fetch(f"{url}/order/7", context) == (200, b'{"id":"7"}')
        text = "".join(command.lines)
    assert f"  curl      curl --cacert {ca_file} {url}/\n" in text
    assert f"  requests  requests.get('{url}/', verify='{ca_file}')\n" in text
    assert f"  Node      NODE_EXTRA_CA_CERTS={ca_file} node ...\n" in text


@posix_signals
def test_the_authority_is_in_a_temporary_file_where_none_is_given(shop: Path) -> None:
    with serve(shop, "shop:Orders", "--tls", "--json") as command:
        start = command.read_event("serving")
        path = Path(start["ca_file"])
        context = ssl.create_default_context(cafile=path)
        assert fetch(f"{start['url']}/order/7", context)[0] == 200
        assert command.stop()[0] == 0
        assert not path.exists()


def test_serve_speaks_tls_with_given_files(shop: Path) -> None:
    authority = kit.CertificateAuthority()
    cert, key = authority.issue_files(shop)
    authority.write_pem(ca_file := shop / "ca.pem")
    with serve(shop, "shop:Orders", "--cert", str(cert), "--privkey", str(key)) as command:
        url = command.read_url()
        context = ssl.create_default_context(cafile=ca_file)
        assert fetch(f"{url}/order/7", context) == (200, b'{"id":"7"}')


# Watching


RESOURCE = """
import kit
from price import PRICE

class Prices(kit.Resource):
    @kit.get("/price")
    def show(self, request):
        return kit.Response(PRICE)
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    (tmp_path / "prices.py").write_text(RESOURCE)
    (tmp_path / "price.py").write_text("PRICE = 'one'\n")
    return tmp_path


def test_a_changed_module_is_served_anew(prices: Path) -> None:
    with serve(prices, "prices:Prices", "--watch") as command:
        url = command.read_url()
        assert fetch(f"{url}/price") == (200, b"one")
        replace_file(prices / "price.py", "PRICE = 'two'\n")
        assert command.read_until("reloaded") == "reloaded 1 route, as price.py changed\n"
        assert fetch(f"{url}/price") == (200, b"two")
        assert fetch(f"{url}/new")[0] == 404
        more = RESOURCE.replace('"/price")', '"/price")\n    @kit.get("/new")')
        replace_file(prices / "prices.py", more)
        assert command.read_until("reloaded") == "reloaded 2 routes, as prices.py changed\n"
        assert fetch(f"{url}/new") == (200, b"two")


def test_broken_code_leaves_the_old_routes_and_is_told(prices: Path) -> None:
    with serve(prices, "prices:Prices", "--watch") as command:
        url = command.read_url()
        replace_file(prices / "trouble.py", "def\n")
        replace_file(prices / "prices.py", RESOURCE + "import trouble\n")
        line = command.read_until("SyntaxError")
        assert line.startswith("not reloaded, prices.py changed: 'prices:Prices': importing prices")
        assert line.endswith("(trouble.py, line 1); served as before\n")
        assert fetch(f"{url}/price") == (200, b"one")
        # The new file is watched too, though it never was imported.
        replace_file(prices / "trouble.py", "x = 1\n")
        assert command.read_until("reloaded 1 ") == "reloaded 1 route, as trouble.py changed\n"


def test_a_module_that_exits_ends_nothing(prices: Path) -> None:
    with serve(prices, "prices:Prices", "--watch") as command:
        url = command.read_url()
        replace_file(prices / "prices.py", RESOURCE + "import sys\nsys.exit('no more')\n")
        line = command.read_until("not reloaded")
        assert "importing prices failed: SystemExit: no more" in line
        assert fetch(f"{url}/price") == (200, b"one")


def test_a_route_that_became_malformed_ends_nothing(prices: Path) -> None:
    with serve(prices, "prices:Prices", "--watch") as command:
        url = command.read_url()
        replace_file(prices / "prices.py", RESOURCE.replace('"/price"', '"price"'))
        assert command.read_until("not reloaded").endswith("; served as before\n")
        assert fetch(f"{url}/price") == (200, b"one")


def test_a_changed_recording_is_served_anew_and_a_broken_one_is_not(tmp_path: Path) -> None:
    other = write_recording(tmp_path / "other.har", ["/b"]).read_text("utf-8")
    write_recording(tmp_path / "calls.har", ["/a"])
    with serve(tmp_path, "calls.har", "--watch") as command:
        url = command.read_url()
        assert fetch(f"{url}/a")[0] == 200
        replace_file(tmp_path / "calls.har", other)
        assert command.read_until("reloaded") == "reloaded 1 recording, as calls.har changed\n"
        assert [fetch(f"{url}{path}")[0] for path in ("/a", "/b")] == [404, 200]
        replace_file(tmp_path / "calls.har", "{")
        assert command.read_until("not reloaded").startswith("not reloaded, calls.har changed: ")
        assert fetch(f"{url}/b")[0] == 200


def test_a_module_that_is_missing_is_waited_for(prices: Path) -> None:
    with serve(prices, "prices:Prices", "--watch") as command:
        command.read_url()
        replace_file(prices / "prices.py", RESOURCE + "import later\n")
        assert "No module named 'later'" in command.read_until("not reloaded")
        replace_file(prices / "later.py", "x = 1\n")
        assert command.read_until("reloaded 1 ") == "reloaded 1 route, as later.py changed\n"


def test_a_changed_stub_file_is_served_anew(tmp_path: Path) -> None:
    def write(text: str) -> None:
        stub = {"request": {"path": "/"}, "response": {"file": "answer.txt"}}
        replace_file(tmp_path / "answer.txt", text)
        replace_file(tmp_path / "stubs.json", json.dumps({"stubs": [stub]}))

    write("one")
    with serve(tmp_path, "stubs.json", "--watch", "--json") as command:
        url = command.read_event("serving")["url"]
        assert fetch(url) == (200, b"one")
        replace_file(tmp_path / "answer.txt", "two")
        told = command.read_event("reloaded")
        assert told["changed"] == [str(tmp_path / "answer.txt")]
        assert fetch(url) == (200, b"two")
        replace_file(tmp_path / "stubs.json", "{")
        failed = command.read_event("reload failed")
        assert failed["error"].startswith("stubs.json: this is not JSON that can be read")
        assert fetch(url) == (200, b"two")
