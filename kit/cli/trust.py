"""How clients come to trust a certificate authority that was made for one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.testing.curl import quote

if TYPE_CHECKING:
    from pathlib import Path


def explain_trust(ca_file: Path, url: str) -> str:
    """Write what to do in the usual clients to have them trust the authority."""
    path = quote(str(ca_file))
    rows = {
        "file": str(ca_file),
        "curl": f"curl --cacert {path} {url}/",
        "requests": f"requests.get({url + '/'!r}, verify={str(ca_file)!r})",
        "Python": f"SSL_CERT_FILE={path} REQUESTS_CA_BUNDLE={path} python ...",
        "Node": f"NODE_EXTRA_CA_CERTS={path} node ...",
        "browser": "import the file as an authority for websites",
    }
    lines = (f"  {name:<8}  {text}" for name, text in rows.items())
    return "\n".join(["certificate authority, made for this run; trusted by nobody yet:", *lines])
