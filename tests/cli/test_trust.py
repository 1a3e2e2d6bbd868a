from __future__ import annotations

from pathlib import Path

from kit.cli.trust import explain_trust


def test_each_client_has_a_line_to_copy() -> None:
    lines = explain_trust(Path("/tmp/ca.pem"), "https://127.0.0.1:8000").splitlines()
    assert lines == [
        "certificate authority, made for this run; trusted by nobody yet:",
        "  file      /tmp/ca.pem",
        "  curl      curl --cacert /tmp/ca.pem https://127.0.0.1:8000/",
        "  requests  requests.get('https://127.0.0.1:8000/', verify='/tmp/ca.pem')",
        "  Python    SSL_CERT_FILE=/tmp/ca.pem REQUESTS_CA_BUNDLE=/tmp/ca.pem python ...",
        "  Node      NODE_EXTRA_CA_CERTS=/tmp/ca.pem node ...",
        "  browser   import the file as an authority for websites",
    ]


def test_a_path_with_a_blank_is_quoted_for_the_shell() -> None:
    text = explain_trust(Path("/my files/ca.pem"), "https://localhost")
    assert "curl --cacert '/my files/ca.pem' https://localhost/" in text
    assert "verify='/my files/ca.pem'" in text
