"""What macOS and Windows lack is hidden, and all is imported and used without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.deadlines import scaled

# The standard library chooses by platform as it is imported, so it is imported before.
HIDE = """
import asyncio, getpass, http.client, importlib, logging, multiprocessing, os, pathlib, pkgutil
import select, selectors, shutil, signal, socket, ssl, subprocess, sys, tempfile, threading
import urllib.request, uuid
import pytest

MODULES = "fcntl grp posix pty pwd readline resource syslog termios tty"
NAMES = {
    os: "fork forkpty getpgid getuid killpg register_at_fork sched_getaffinity setsid wait4",
    select: "devpoll epoll kqueue poll",
    selectors: "DevpollSelector EpollSelector KqueueSelector PollSelector",
    signal: "SIGALRM SIGHUP SIGKILL SIGPIPE SIGUSR1 SIGUSR2 pthread_sigmask setitimer",
    socket: "MSG_DONTWAIT MSG_NOSIGNAL SO_REUSEPORT",
}

for name in MODULES.split():
    sys.modules[name] = None
for module, names in NAMES.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
selectors.DefaultSelector = selectors.SelectSelector
"""

IMPORT = """
imported = []
for package in ("kit", "pytest_plugin"):
    paths = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(paths, package + "."):
        importlib.import_module(module.name)
        imported.append(module.name)
print(len(imported) > 100, "kit.engine.relay" in imported, "pytest_plugin.fixtures" in imported)
"""

TALK = """
import kit

def hello(request):
    return kit.Response("hello")

class Echo(kit.Resource):
    @kit.websocket("/echo")
    def echo(self, request, opcode, payload):
        if payload:
            request.send(payload)

authority = kit.CertificateAuthority()
with kit.HTTPServer(("127.0.0.1", 0), ssl_context=authority.server_context()) as server:
    server.registerRoutes([("GET", "/", hello)])
    server.registerRoutes(Echo())
    client = kit.HTTPClient(server.addr, "https", ssl_context=authority.client_context())
    client.start()
    print(client.get("/").wait(60).text())
    socket = client.websocket("/echo")
    print(socket.receive(60)[0].name)
    socket.send("echoed")
    print(socket.receive(60)[1])
    socket.close()
    print(socket.receive(60)[0].name)
    client.stop()
print(threading.active_count())
"""


def run_elsewhere(code: str) -> list[str]:
    """Run code in a Python that lacks what is hidden, and give the lines it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDE + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled(60),
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    "code", ["import fcntl", "from os import fork", "from select import epoll"]
)
def test_what_is_hidden_cannot_be_imported(code: str) -> None:
    attempt = f"try:\n    {code}\nexcept ImportError:\n    print('hidden')"
    assert run_elsewhere(attempt) == ["hidden"]


def test_no_module_needs_what_only_some_platforms_have() -> None:
    assert run_elsewhere(IMPORT) == ["True True True"]


def test_http_tls_and_websockets_work_with_select_alone() -> None:
    assert run_elsewhere(TALK) == ["hello", "Open", "echoed", "Close", "1"]
