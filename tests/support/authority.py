"""One certificate authority for all tests of a process, as making one takes a while."""

from __future__ import annotations

import functools

from kit import CertificateAuthority


@functools.cache
def authority() -> CertificateAuthority:
    return CertificateAuthority()
