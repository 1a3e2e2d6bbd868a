"""`kit_tls_fault`: a test's client meets TLS that fails, in one way after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import kit
    import kit.testing

# Those of kit.testing.TLS_FAULTS, which is not imported before a test needs it.
NAMES = (
    "expired",
    "not-yet-valid",
    "wrong-host",
    "self-signed",
    "unknown-ca",
    "missing-intermediate",
    "aborted",
    "stalled",
    "plain",
    "wrong-version",
    "wrong-cipher",
    "no-client-certificate",
    "wrong-client-certificate",
)


@pytest.fixture(params=NAMES)
def kit_tls_fault(
    request: pytest.FixtureRequest, kit_ca: kit.CertificateAuthority
) -> Iterator[kit.testing.TlsFaultServer]:
    """Server whose TLS fails: the test runs once for each way there is.

    `.url` and `.ws_url` are where it is, `.fault` tells what goes wrong and the reason that
    OpenSSL gives, `.client_context()` is of a careful client that trusts `kit_ca`. For some
    only: `@pytest.mark.parametrize("kit_tls_fault", ["expired", "stalled"], indirect=True)`.
    """
    __tracebackhide__ = True
    import kit
    import kit.testing

    try:
        server = kit.testing.TlsFaultServer(request.param, kit_ca)
    except kit.ConfigurationError as error:
        pytest.fail(f"kit_tls_fault: {error}", pytrace=False)
    with server:
        yield server
