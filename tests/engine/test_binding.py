"""Where a server listens. What a server does with it is told in test_server.py."""

from __future__ import annotations

import pytest

from kit import AddressError, ConfigurationError
from kit.engine.binding import check_address, format_base, listen, quote_path


@pytest.mark.parametrize("address", ["a", ("a",), ("a", "1"), ("a", True), ("a", 65536), (1, 1)])
def test_what_is_no_address_is_refused(address: object) -> None:
    with pytest.raises(ConfigurationError, match=r"addr must be \(host, port\)"):
        check_address(address)


def test_an_address_may_be_a_list() -> None:
    assert check_address(["localhost", 0]) == ("localhost", 0)


def test_a_socket_listens_on_a_free_port() -> None:
    with listen(("127.0.0.1", 0)) as sock:
        host, port = sock.getsockname()
        assert host == "127.0.0.1"
        assert port > 0
        with pytest.raises(AddressError) as caught:
            listen((host, port))
    assert "the address is in use: stop what listens there, or take port 0" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("::", "http://[::1]:80"),
        ("shop.test", "http://shop.test:80"),
    ],
)
def test_a_base_url_is_what_a_client_dials(host: str, base: str) -> None:
    assert format_base("http", (host, 80)) == base


@pytest.mark.parametrize(
    ("path", "quoted"),
    [("a b", "/a%20b"), ("/ä?b=c#d", "/%C3%A4?b=c#d"), ("/a%2Fb", "/a%2Fb"), ("", "/")],
)
def test_a_path_is_quoted_where_needed(path: str, quoted: str) -> None:
    assert quote_path(path) == quoted
