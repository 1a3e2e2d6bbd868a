"""TLS that fails on purpose: servers that no careful client talks to."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from kit.errors import ConfigurationError
from kit.testing.raw_server import RawServer, RawServerConnection
from kit.wire import tls
from kit.wire.frozen_dates import settle_date_class

if TYPE_CHECKING:
    import ssl

WRONG_NAME: Final = "wrong.test"
CLIENT_NAME: Final = "client.test"
STALL_S: Final = 60.0
"""How long a stalled handshake is held, unless the server is stopped before."""

_EXPIRED = datetime(2001, 1, 1)  # noqa: DTZ001 - of certificates: UTC, without a zone
_FAR_AHEAD = datetime(2900, 1, 1)  # noqa: DTZ001
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_VERIFY = "CERTIFICATE_VERIFY_FAILED"


@dataclasses.dataclass(frozen=True, slots=True)
class TlsFault:
    """One way in which TLS fails; the text of one tells what goes wrong.

    Attributes:
        name: its name, for example "expired".
        text: what goes wrong, in words.
        reason: the reason that OpenSSL gives a client, as `ssl.SSLError.reason` has it;
            None where there is none, as nothing comes.
        detail: what OpenSSL finds wrong with the certificate: the beginning of
            `ssl.SSLCertVerificationError.verify_message`; None where it is not that.
    """

    name: str
    text: str
    reason: str | None = None
    detail: str | None = None

    def __str__(self) -> str:
        return self.text


TLS_FAULTS: Final = (
    TlsFault("expired", "the certificate expired in 2001", _VERIFY, "certificate has expired"),
    TlsFault(
        "not-yet-valid",
        "the certificate becomes valid in 2900",
        _VERIFY,
        "certificate is not yet valid",
    ),
    TlsFault(
        "wrong-host",
        f"the certificate is good for {WRONG_NAME} only",
        _VERIFY,
        "IP address mismatch",
    ),
    TlsFault(
        "self-signed",
        "the certificate is signed by itself",
        _VERIFY,
        "self-signed certificate",
    ),
    TlsFault(
        "unknown-ca",
        "the certificate is of an authority that nobody trusts",
        _VERIFY,
        "unable to get local issuer certificate",
    ),
    TlsFault(
        "missing-intermediate",
        "the certificate of the authority between is not sent along",
        _VERIFY,
        "unable to get local issuer certificate",
    ),
    TlsFault(
        "aborted",
        "the connection ends behind the client's first message of the handshake",
        "UNEXPECTED_EOF_WHILE_READING",
    ),
    TlsFault("stalled", "the handshake is never answered"),
    TlsFault("plain", "the port answers in plain HTTP", "WRONG_VERSION_NUMBER"),
    TlsFault(
        "wrong-version",
        "the server takes no version of TLS that a client offers",
        "TLSV1_ALERT_PROTOCOL_VERSION",
    ),
    TlsFault(
        "wrong-cipher",
        "the server takes no cipher that a client offers",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
    ),
    TlsFault(
        "no-client-certificate",
        "the server requires a client's certificate, and the client has none",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
    ),
    TlsFault(
        "wrong-client-certificate",
        "the server requires a client's certificate, and the client's is of another authority",
        "TLSV1_ALERT_UNKNOWN_CA",
    ),
)
"""Every fault there is."""

_FAULTS = {fault.name: fault for fault in TLS_FAULTS}

# Alerts of level fatal (RFC 8446 section 6): protocol_version, handshake_failure.
_ALERTS = {
    "wrong-version": b"\x15\x03\x01\x00\x02\x02\x46",
    "wrong-cipher": b"\x15\x03\x01\x00\x02\x02\x28",
}
_HANDSHAKE_HEADER_BYTES = 5


def find_tls_fault(name: str) -> TlsFault:
    """Return the fault of a name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return _FAULTS[name]
    except (KeyError, TypeError):
        raise ConfigurationError(
            f"there is no TLS fault {name!r}: expected one of {', '.join(_FAULTS)}"
        ) from None


class TlsFaultServer:
    """A server whose TLS fails in one way, for every connection.

        with TlsFaultServer("expired", authority) as server:
            with pytest.raises(ssl.SSLCertVerificationError, match=server.fault.detail):
                urllib.request.urlopen(server.url, context=server.client_context())

    Where a certificate is at fault, whoever connects all the same gets a 200 with an empty
    body: a client that verifies nothing, or that presents a certificate of `authority` where
    one is asked for. With the other faults no handshake succeeds; a stalled one lasts until
    the client leaves, for 60 seconds at most.

    Faults with client certificates speak TLS 1.2, in which a client learns of its refusal
    within the handshake; in TLS 1.3 it would with the first byte it reads.

    Args:
        fault: the fault, or its name; see `TLS_FAULTS`.
        authority: whom the client trusts; by default one of its own.

    Attributes:
        fault: what goes wrong, and the reason that OpenSSL gives for it.
        authority: whom the client is to trust.

    Raises:
        ConfigurationError: there is no such fault.
    """

    def __init__(
        self, fault: TlsFault | str, authority: tls.CertificateAuthority | None = None
    ) -> None:
        self.fault: TlsFault = fault if isinstance(fault, TlsFault) else find_tls_fault(fault)
        self.authority: tls.CertificateAuthority = authority or tls.CertificateAuthority()
        name = self.fault.name
        if name in _RAW_SCRIPTS:
            self._server = RawServer(_RAW_SCRIPTS[name], timeout_s=STALL_S)
        else:
            self._server = RawServer(_greet, ssl_context=_make_context(name, self.authority))

    @property
    def addr(self) -> tuple[str, int]:
        """Its (host, port)."""
        return self._server.addr

    @property
    def host(self) -> str:
        """The host it listens on: 127.0.0.1."""
        return self._server.host

    @property
    def port(self) -> int:
        """The port it listens on; 0 before its start."""
        return self._server.port

    @property
    def url(self) -> str:
        """Its base URL, of https, without a trailing slash."""
        return f"https://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Its base URL for websockets, of wss, without a trailing slash."""
        return f"wss://{self.host}:{self.port}"

    @property
    def accepted(self) -> int:
        """How many connections there were: of a client that tries again, more than one."""
        return self._server.accepted

    @property
    def errors(self) -> list[Exception]:
        """What the server met on its side, for example the alert of a client."""
        return self._server.errors

    def client_context(self) -> ssl.SSLContext:
        """Return a context for a careful client that trusts `authority`.

        Where a wrong client's certificate is the fault, it presents that.
        """
        context = self.authority.client_context()
        self.prepare(context)
        return context

    def prepare(self, context: ssl.SSLContext) -> None:
        """Give a client's own context the certificate that the fault asks for, if it does."""
        if self.fault.name == "wrong-client-certificate":
            tls.CertificateAuthority().identify(context, CLIENT_NAME)

    def start(self) -> Self:
        """Listen, and accept from now on."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Close everything."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self._server.__exit__(*details)

    def __repr__(self) -> str:
        return f"<TlsFaultServer {self.fault.name} {self.url}>"


# With a certificate


def _make_context(name: str, authority: tls.CertificateAuthority) -> ssl.SSLContext:
    if name == "expired":
        return authority.server_context(valid_to=_EXPIRED)
    if name == "not-yet-valid":
        return authority.server_context(valid_from=_FAR_AHEAD)
    if name == "wrong-host":
        return authority.server_context(WRONG_NAME)
    if name == "self-signed":
        return _make_self_signed()
    if name == "unknown-ca":
        return tls.CertificateAuthority().server_context()
    if name == "missing-intermediate":
        return authority.create_intermediate().server_context(sends_chain=False)
    return _make_demanding(authority)


def _make_self_signed() -> ssl.SSLContext:
    import trustme

    settle_date_class()
    # The one certificate of an authority that is signed by itself is its own.
    itself = trustme.CA()
    pem = itself.private_key_pem.bytes() + itself.cert_pem.bytes()
    with trustme.Blob(pem).tempfile() as path:
        return tls.server_context(path)


def _make_demanding(authority: tls.CertificateAuthority) -> ssl.SSLContext:
    import ssl

    return authority.server_context(
        require_client_certificate=True, maximum_version=ssl.TLSVersion.TLSv1_2
    )


def _greet(connection: RawServerConnection) -> None:
    connection.read_head()
    connection.answer(b"", "200 OK", "Connection: close")
    _linger(connection)


# Without one


def _read_hello(connection: RawServerConnection) -> None:
    header = connection.read_exactly(_HANDSHAKE_HEADER_BYTES)
    connection.read_exactly(int.from_bytes(header[3:5]))


def _abort(connection: RawServerConnection) -> None:
    _read_hello(connection)
    _linger(connection)


def _stall(connection: RawServerConnection) -> None:
    while connection.receive():
        pass


def _answer_plainly(connection: RawServerConnection) -> None:
    _read_hello(connection)
    connection.send(_BAD_REQUEST)
    _linger(connection)


def _alert(connection: RawServerConnection, alert: bytes) -> None:
    _read_hello(connection)
    connection.send(alert)
    _linger(connection)


def _linger(connection: RawServerConnection) -> None:
    """End the connection, and close it after the client, whose bytes would reset it else."""
    connection.end()
    with contextlib.suppress(OSError):
        while connection.receive():
            pass


_RAW_SCRIPTS = {
    "aborted": _abort,
    "stalled": _stall,
    "plain": _answer_plainly,
    "wrong-version": lambda connection: _alert(connection, _ALERTS["wrong-version"]),
    "wrong-cipher": lambda connection: _alert(connection, _ALERTS["wrong-cipher"]),
}
