"""The content codings that upstream is asked for where something records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CODINGS: Final = frozenset(("gzip", "x-gzip", "deflate", "identity"))
"""What a recording can undo, and so search for secrets."""


def narrow_codings(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Leave in Accept-Encoding the codings that a recording can undo.

    If it accepts none of them, upstream is asked for identity, or for gzip where
    identity is refused (RFC 9110 section 12.5.3).
    """
    return tuple(
        (name, _narrow(value) if name.lower() == b"accept-encoding" else value)
        for name, value in headers
    )


def _narrow(value: bytes) -> bytes:
    elements = [element.strip(" \t") for element in value.decode("latin-1").split(",")]
    kept = [one for one in elements if _name(one) in CODINGS]
    if len(kept) == len(elements):
        return value
    if not all(map(_is_refused, kept)):
        return ", ".join(kept).encode("latin-1")
    refused = {_name(one) for one in elements if _is_refused(one)}
    is_identity_refused = "identity" in refused or "*" in refused
    return b"gzip" if is_identity_refused else b"identity"


def _name(element: str) -> str:
    return element.partition(";")[0].strip(" \t").lower()


def _is_refused(element: str) -> bool:
    """Tell whether its weight is zero."""
    weight = element.partition(";")[2].replace(" ", "").replace("\t", "").lower()
    return weight.startswith("q=0") and not weight[3:].strip(".0")
