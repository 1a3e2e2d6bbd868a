from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from support.deadlines import scaled
from support.interrupts import hearing_interrupts

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import contextlib, os, socket, sys, threading, time, urllib.request
from kit import HTTPClient, HTTPServer, Request, Response

def pong(request):
    return Response("pong")

def make_server(*routes):
    server = HTTPServer(("127.0.0.1", 0))
    server.registerRoutes([("GET", "/ping", pong), *routes])
    return server.start()

def fetch(server, path="/ping"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(server.url_for(path), timeout=20) as response:
        return response.read().decode()
"""


def start_script(script: str) -> subprocess.Popen[str]:
    with hearing_interrupts():
        return subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(script)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    with start_script(script) as process:
        try:
            out, err = process.communicate(timeout=scaled(30))
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"the process hung\n{out}\n{err}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is a POSIX function")
needs_rlimit = pytest.mark.skipif(
    sys.platform == "win32", reason="resource limits are a POSIX feature"
)


@needs_fork
def test_after_a_fork_parent_and_child_each_serve_on_their_own() -> None:
    done = run_script(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, from 3.12 on
        server = make_server()
        client = HTTPClient(server.addr).start()
        assert client.get("/ping").wait(20).payload == b"pong"
        idle = socket.create_connection(server.addr)
        idle.sendall(b"GET /ping HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        assert idle.recv(4096)
        pid = os.fork()
        if pid == 0:
            assert not server.is_running
            assert server.stop() == []
            own = make_server()
            assert fetch(own) == "pong"
            assert own.stop() == []
            assert not [t for t in threading.enumerate() if t.name.startswith("kit")]
            sys.exit(7)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 7, status
        idle.sendall(b"GET /ping HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        assert b"pong" in idle.recv(4096)
        idle.close()
        assert client.get("/ping").wait(20).payload == b"pong"
        assert fetch(server) == "pong"
        client.stop()
        assert server.stop() == []
        print("well")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


@needs_fork
def test_a_child_that_outlives_the_parent_holds_no_connection_open() -> None:
    done = run_script(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        server = make_server()
        peer = socket.create_connection(server.addr, timeout=20)
        peer.sendall(b"GET /ping HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        assert peer.recv(4096)
        read, write = os.pipe()
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            peer.close()
            os.close(write)
            os.write(tell, b"x")
            os.read(read, 1)
            os._exit(0)
        # The child lets go of the sockets as the first thing it does.
        assert os.read(told, 1)
        assert server.stop() == []
        assert peer.recv(4096) == b""
        try:
            socket.create_connection(server.addr, timeout=5).close()
        except ConnectionRefusedError:
            print("refused")
        os.write(write, b"x")
        os.waitpid(pid, 0)
        peer.close()
        for descriptor in (read, write, told, tell):
            os.close(descriptor)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")


@needs_fork
def test_a_handler_may_fork() -> None:
    done = run_script(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def fork(request):
            pid = os.fork()
            if pid == 0:
                return Response("the child's answer goes nowhere")
            return Response(str(pid))
        server = make_server(("GET", "/fork", fork))
        pid = int(fetch(server, "/fork"))
        deadline = time.monotonic() + 20
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, 9)
                raise SystemExit("the child did not end")
            time.sleep(0.01)
        assert fetch(server) == "pong"
        assert server.stop() == []
        print("well")
        """
    )
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr
    assert "unexpected error in the relay" not in done.stderr


@pytest.mark.parametrize("is_asleep", [False, True])
def test_ctrl_c_ends_run_without_a_traceback(is_asleep: bool) -> None:
    with start_script(
        f"""
        server = HTTPServer(("127.0.0.1", 0))
        server.limits = __import__("dataclasses").replace(server.limits, grace_s=0.2)
        def sleep(request):
            entered.set()
            time.sleep(60)
        def tell_when_it_runs():
            entered.wait()
            main = threading.main_thread().ident
            names = []
            while "run" not in names or names[0] != "wait":
                names, frame = [], sys._current_frames()[main]
                while frame is not None:
                    names.append(frame.f_code.co_name)
                    frame = frame.f_back
            print("runs")
        entered = threading.Event()
        threading.Thread(target=tell_when_it_runs, daemon=True).start()
        server.registerRoutes([("GET", "/sleep", sleep)])
        server.start()
        if {is_asleep}:
            peer = socket.create_connection(server.addr)
            peer.sendall(b"GET /sleep HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        else:
            entered.set()
        server.run()
        if {is_asleep}:
            peer.close()
        """
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        began = time.perf_counter()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=scaled(30))
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert time.perf_counter() - began < scaled(6)


@pytest.mark.parametrize("handler", ["def", "async def"])
def test_the_interpreter_exits_with_a_server_running_and_a_handler_asleep(handler: str) -> None:
    began = time.perf_counter()
    done = run_script(
        f"""
        import asyncio, atexit
        entered = threading.Event()
        {handler} sleep(request):
            entered.set()
            {"await asyncio.sleep(60)" if handler == "async def" else "time.sleep(60)"}
        server = make_server(("GET", "/sleep", sleep))
        client = HTTPClient(server.addr).start()
        client.get("/sleep")
        assert entered.wait(20)
        assert fetch(server) == "pong"
        print("leaving")
        """
    )
    assert (done.returncode, done.stdout) == (0, "leaving\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert time.perf_counter() - began < scaled(10)


def test_the_interpreter_exits_with_idle_users_left_running() -> None:
    done = run_script(
        """
        server = make_server()
        client = HTTPClient(server.addr).start()
        assert client.get("/ping").wait(20).payload == b"pong"
        """
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "unexpected error" not in done.stderr


def test_a_server_stopped_after_the_relay_at_exit_is_no_error() -> None:
    done = run_script(
        """
        import atexit
        from kit.engine.relay import Relay
        server = make_server()
        Relay._stop_shared()  # as at exit, before what was registered earlier than kit
        server.stop()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_rlimit
def test_a_lack_of_descriptors_is_waited_out() -> None:
    done = run_script(
        """
        import logging, resource
        def count():
            return len(os.listdir("/dev/fd"))
        server = make_server()
        before = count()
        assert fetch(server) == "pong"
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + 20, hard))
        warned = threading.Event()
        class Listening(logging.Handler):
            def emit(self, record):
                if "cannot accept a connection" in record.getMessage():
                    warned.set()
        logging.getLogger("kit").addHandler(Listening())
        logging.getLogger("kit").propagate = False
        # Until the end of that first connection is closed, a descriptor can still come free.
        while count() > before:
            assert not warned.wait(0.01)
        spare = []
        with contextlib.suppress(OSError):
            while True:
                spare.append(os.open(os.devnull, os.O_RDONLY))
        # One descriptor for a peer, and none for the server's end of it.
        os.close(spare.pop())
        peer = socket.create_connection(server.addr, timeout=20)
        assert warned.wait(20)
        for descriptor in spare:
            os.close(descriptor)
        peer.sendall(b"GET /ping HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        assert b"pong" in peer.recv(4096)
        peer.close()
        assert server.stop() == []
        print("well")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


def test_two_thousand_servers_leave_nothing_behind() -> None:
    done = run_script(
        """
        def count():
            files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
            return files, threading.active_count()
        make_server().stop()
        before = count()
        began = time.perf_counter()
        for index in range(2000):
            server = make_server()
            if index % 100 == 0:
                assert fetch(server) == "pong"
            assert server.stop() == []
        took = time.perf_counter() - began
        assert count() == before, (before, count())
        print("well" if took < 60 else f"took {took} s")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")
