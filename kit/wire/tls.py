"""TLS contexts, from PEM files or from a certificate authority made for tests."""

from __future__ import annotations

import os
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kit.errors import ConfigurationError, TlsFileError
from kit.wire.frozen_dates import settle_date_class

if TYPE_CHECKING:
    import ssl

    import trustme

    StrPath = str | os.PathLike[str]

ALPN_PROTOCOLS: Final = ("http/1.1",)
DEFAULT_HOSTNAMES: Final = ("localhost", "127.0.0.1", "::1")

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_CERTIFICATE_BLOCK = re.compile(_CERTIFICATE + rb"[^-]+-----END CERTIFICATE-----")
_PRIVATE_KEY = b"PRIVATE KEY-----"
# PKCS#8, and the older form that names its cipher in a header line (RFC 1421).
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
_DER_SEQUENCE = b"\x30"

_VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_VALID_TO = datetime(3000, 1, 1, tzinfo=UTC)
# RFC 5280 section 4.1.2.5
_EARLIEST = datetime(1950, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def server_context(cert: StrPath | None, privkey: StrPath | None = None) -> ssl.SSLContext:
    """Make a server's context: TLS 1.2 or later, ALPN `http/1.1`, SNI recorded.

    Args:
        cert: PEM file with the certificate, and the chain after it.
        privkey: PEM file with its private key; None when `cert` holds the key too.

    Raises:
        TlsFileError: a file is missing, unreadable, not PEM, encrypted, or the two do
            not belong together.
    """
    if cert is None:
        raise TlsFileError(
            "private key given without a certificate: give cert=, the PEM file of its certificate"
            if privkey is not None
            else "no certificate given: give cert= and privkey=, the paths of two PEM files"
        )
    cert_pem = _read_pem(cert, "certificate")
    _check_has_certificate(cert, cert_pem)
    if privkey is None:
        if _PRIVATE_KEY not in cert_pem:
            raise TlsFileError(
                f"certificate {_name(cert)} given without a private key: "
                "give privkey=, the PEM file of its key"
            )
        _check_has_key(cert, cert_pem)
    else:
        _check_has_key(privkey, _read_pem(privkey, "private key"))
    context = _bare_server_context()
    _load_chain(context, cert, privkey, cert_pem)
    return context


def client_context(cafile: StrPath | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Make a client's context: TLS 1.2 or later, ALPN `http/1.1`.

    Args:
        cafile: PEM file of certificates to trust; None trusts the system's.
        verify: False accepts any certificate for any name.

    Raises:
        TlsFileError: `cafile` cannot be read, or is not PEM.
    """
    import ssl

    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif cafile is None:
        context = ssl.create_default_context()
    else:
        pem = _read_pem(cafile, "CA file")
        _check_has_certificate(cafile, pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_trust(context, cafile, pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(ALPN_PROTOCOLS))
    return context


def record_sni(context: ssl.SSLContext) -> None:
    """Let `context` note the name a client asks for on its socket, as `kit_sni`.

    The attribute is None for a client that sends no SNI, and missing until the
    handshake has come that far. A context with an `sni_callback` of its own keeps it.
    """
    if context.sni_callback is None:
        context.sni_callback = _note_sni


class CertificateAuthority:
    """A throw-away authority whose certificates only those who trust it accept.

    Certificates are valid from 2000 to 3000 whatever the clock says, unless they are
    given dates of their own, so frozen time does not matter to them. Private keys are
    ECDSA P-256 and never leave the process, except by `issue_files`.
    """

    def __init__(self) -> None:
        self._made: trustme.CA | None = None
        self._lock = threading.Lock()
        self._server_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    @property
    def _authority(self) -> trustme.CA:
        # Made when first asked for: it takes a while, and where all is plain HTTP nobody asks.
        with self._lock:
            if self._made is None:
                import trustme

                settle_date_class()
                self._made = trustme.CA()
            return self._made

    def create_intermediate(self) -> CertificateAuthority:
        """Return a new authority that this one vouches for.

        Those who trust this one accept its certificates, as servers send its own along.
        """
        intermediate = CertificateAuthority()
        intermediate._made = self._authority.create_child_ca()
        return intermediate

    @property
    def pem(self) -> bytes:
        """The authority's certificate, for those who shall trust it."""
        return self._authority.cert_pem.bytes()

    def server_context(
        self,
        *hostnames: str,
        require_client_certificate: bool = False,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        sends_chain: bool = True,
        maximum_version: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        """Return a context that proves to be any of `hostnames`.

        Args:
            hostnames: DNS names (`*.` wildcards too) and IP addresses; by default
                `localhost`, `127.0.0.1` and `::1`. The same names, and otherwise the
                same arguments, give the same context.
            require_client_certificate: whether clients have to present a certificate of
                this authority, as `client_context(identity=...)` does (mutual TLS).
            valid_from: when the certificate becomes valid, in UTC if it has no time zone;
                2000 by default.
            valid_to: when it expires, alike; 3000 by default. OpenSSL, and so Python's
                `ssl`, compares both with the real clock, whatever is frozen.
            sends_chain: False leaves out the certificates of intermediate authorities,
                so that few clients can verify it.
            maximum_version: the latest version of TLS that is spoken; any if None.

        Raises:
            ConfigurationError: a name or a date cannot stand in a certificate.
        """
        _check_validity(valid_from, valid_to)
        rest = (require_client_certificate, valid_from, valid_to, sends_chain, maximum_version)
        key = (hostnames, *rest)
        context = self._server_contexts.get(key)
        if context is None:
            context = _bare_server_context()
            # There is nothing to resume on servers that live for a test, and a client that
            # reads in one thread while it writes in another trips over a ticket now and then:
            # the SSL objects of Python 3.11 have no lock, and the client waits for ever.
            context.num_tickets = 0
            leaf = self._issue(hostnames, valid_from, valid_to)
            if sends_chain:
                leaf.configure_cert(context)
            else:
                _load_leaf_alone(context, leaf)
            if require_client_certificate:
                self._require_clients(context)
            if maximum_version is not None:
                context.maximum_version = maximum_version
            context = self._server_contexts.setdefault(key, context)
        return context

    def client_context(self, *, identity: str | None = None) -> ssl.SSLContext:
        """Return a new context that trusts this authority and nothing else.

        Args:
            identity: whom a certificate of this authority says that the client is: a
                DNS name or an e-mail address. None presents no certificate.

        Raises:
            ConfigurationError: the identity cannot stand in a certificate.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(list(ALPN_PROTOCOLS))
        self.trust(context)
        if identity is not None:
            self.identify(context, identity)
        return context

    def identify(
        self,
        context: ssl.SSLContext,
        identity: str,
        *,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
    ) -> None:
        """Let a client's `context` present a certificate of this authority.

        Args:
            context: of a client, whoever it trusts.
            identity: as of `client_context`.
            valid_from: as of `server_context`.
            valid_to: as of `server_context`.

        Raises:
            ConfigurationError: the identity or a date cannot stand in a certificate.
        """
        _check_validity(valid_from, valid_to)
        self._issue((identity,), valid_from, valid_to).configure_cert(context)

    def trust(self, context: ssl.SSLContext) -> None:
        """Let `context` trust this authority, besides what it trusts already."""
        self._authority.configure_trust(context)

    def write_pem(self, path: StrPath) -> Path:
        """Write the authority's certificate to a file; return its path."""
        path = Path(path)
        path.write_bytes(self.pem)
        return path

    def issue_files(
        self,
        directory: StrPath,
        *hostnames: str,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
    ) -> tuple[Path, Path]:
        """Write a certificate and its private key as `cert.pem` and `key.pem`.

        Args:
            directory: made if it is missing; files of these names are replaced.
            hostnames: see `server_context`.
            valid_from: see `server_context`.
            valid_to: see `server_context`.

        Returns:
            The paths of the certificate and of the key, which only its owner can read.

        Raises:
            ConfigurationError: a name or a date cannot stand in a certificate.
        """
        _check_validity(valid_from, valid_to)
        leaf = self._issue(hostnames, valid_from, valid_to)
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        cert_path, key_path = directory / "cert.pem", directory / "key.pem"
        cert_path.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        # Removed first: an existing file would keep its own, perhaps wider, permissions.
        key_path.unlink(missing_ok=True)
        descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 -- a descriptor, not a path
            file.write(leaf.private_key_pem.bytes())
        return cert_path, key_path

    def _require_clients(self, context: ssl.SSLContext) -> None:
        import ssl

        context.verify_mode = ssl.CERT_REQUIRED
        authority: trustme.CA | None = self._authority
        while authority is not None:
            authority.configure_trust(context)
            authority = authority.parent_cert

    def _issue(
        self,
        hostnames: tuple[str, ...],
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
    ) -> trustme.LeafCert:
        try:
            return self._authority.issue_cert(
                *(hostnames or DEFAULT_HOSTNAMES), not_before=valid_from, not_after=valid_to
            )
        except (ValueError, TypeError) as error:
            names = ", ".join(repr(name) for name in hostnames)
            raise ConfigurationError(
                f"cannot issue a certificate for {names}: {error}; "
                "expected DNS names, such as 'api.test' or '*.api.test', and IP addresses"
            ) from error


def _check_validity(valid_from: object, valid_to: object) -> None:
    begin = _check_date("valid_from", valid_from, _VALID_FROM)
    end = _check_date("valid_to", valid_to, _VALID_TO)
    if begin >= end:
        raise ConfigurationError(
            f"a certificate cannot be valid from {begin.isoformat()} to {end.isoformat()}: "
            "give a valid_from before valid_to"
        )


def _check_date(name: str, date: object, default: datetime) -> datetime:
    if date is None:
        return default
    if not isinstance(date, datetime):
        raise ConfigurationError(f"{name} must be a datetime, not {date!r}")
    # As certificates are in UTC, so is a date that has no zone.
    aware = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    if not _EARLIEST <= aware <= _LATEST:
        raise ConfigurationError(
            f"{name} {date.isoformat()} cannot stand in a certificate: "
            f"expected a date from {_EARLIEST.isoformat()} to {_LATEST.isoformat()}"
        )
    return aware


def _bare_server_context() -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(ALPN_PROTOCOLS))
    record_sni(context)
    return context


def _load_leaf_alone(context: ssl.SSLContext, leaf: trustme.LeafCert) -> None:
    import trustme

    pem = leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()
    with trustme.Blob(pem).tempfile() as path:
        context.load_cert_chain(path)


def _note_sni(
    connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext
) -> None:
    connection.kit_sni = name  # type: ignore[union-attr]


def _name(path: StrPath) -> str:
    return repr(os.fspath(path))


def _read_pem(path: StrPath, what: str) -> bytes:
    if not isinstance(path, str | os.PathLike):
        raise TlsFileError(f"{what} must be the path of a PEM file, not {path!r}")
    try:
        pem = Path(path).read_bytes()
    except IsADirectoryError:
        raise TlsFileError(
            f"{what} {_name(path)} is a directory: give the path of a PEM file"
        ) from None
    except FileNotFoundError:
        raise TlsFileError(f"{what} {_name(path)} does not exist: check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        # Windows reports a directory as a lack of permission.
        raise TlsFileError(
            f"{what} {_name(path)} cannot be read: {reason}: check the path and its permissions"
        ) from error
    if not pem.strip():
        raise TlsFileError(f"{what} {_name(path)} is empty: give a PEM file")
    if b"-----BEGIN " not in pem:
        advice = (
            "it looks like DER: convert it with openssl's -inform DER"
            if pem.startswith(_DER_SEQUENCE)
            else "no line starts with -----BEGIN"
        )
        raise TlsFileError(f"{what} {_name(path)} is not PEM: {advice}")
    return pem


def _check_has_certificate(path: StrPath, pem: bytes) -> None:
    if _CERTIFICATE in pem:
        return
    if _PRIVATE_KEY in pem:
        raise TlsFileError(
            f"{_name(path)} holds a private key but no certificate: were cert and privkey swapped?"
        )
    raise TlsFileError(
        f"{_name(path)} holds no certificate: expected a line {_CERTIFICATE.decode()}"
    )


def _check_has_key(path: StrPath, pem: bytes) -> None:
    if any(mark in pem for mark in _ENCRYPTED):
        raise TlsFileError(
            f"private key {_name(path)} is encrypted and there is no way to give its password: "
            "decrypt it with `openssl pkey -in KEY -out PLAIN`, or pass an ssl_context"
        )
    if _PRIVATE_KEY in pem:
        return
    if _CERTIFICATE in pem:
        raise TlsFileError(
            f"{_name(path)} holds a certificate but no private key: were cert and privkey swapped?"
        )
    raise TlsFileError(
        f"{_name(path)} holds no private key: expected a line -----BEGIN PRIVATE KEY-----"
    )


def _load_chain(
    context: ssl.SSLContext, cert: StrPath, privkey: StrPath | None, cert_pem: bytes
) -> None:
    import ssl

    key = cert if privkey is None else privkey
    # OpenSSL does not say which of the files is damaged, so the certificate goes first.
    _load_trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cert, cert_pem)
    try:
        # Given a password, OpenSSL asks nobody on the terminal for one.
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsFileError(
                f"private key {_name(key)} does not match the certificate {_name(cert)}: "
                "give the key that the certificate was issued for"
            ) from None
        raise TlsFileError(
            f"private key {_name(key)} or certificate {_name(cert)} cannot be used: "
            f"{_reason(error)}"
        ) from error


def _load_trust(context: ssl.SSLContext, path: StrPath, pem: bytes) -> None:
    import ssl

    # Only the blocks: what stands between them may be a key, or text that is not ASCII.
    blocks = b"\n".join(_CERTIFICATE_BLOCK.findall(pem))
    if not blocks:
        raise TlsFileError(
            f"certificate {_name(path)} is damaged: no line -----END CERTIFICATE-----: "
            "write the PEM file anew"
        )
    try:
        context.load_verify_locations(cadata=blocks.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise TlsFileError(
            f"certificate {_name(path)} is damaged: {_reason(error)}: write the PEM file anew"
        ) from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)
