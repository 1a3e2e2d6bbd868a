from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import freezegun
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kit.errors import ConfigurationError, TlsFileError
from kit.wire.tls import CertificateAuthority, client_context, record_sni, server_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def files(authority: CertificateAuthority, tmp_path: Path) -> tuple[Path, Path]:
    return authority.issue_files(tmp_path)


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, hostname: str | None = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a handshake in memory; return the server's and the client's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=hostname),
    )
    unfinished = set(ends)
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
                unfinished.discard(end)
            except ssl.SSLWantReadError:
                pass
    assert not unfinished
    return ends


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(TlsFileError) as caught:
        call()
    return str(caught.value)


# Contexts from files


def test_files_make_a_context_that_a_client_trusts(
    authority: CertificateAuthority, files: tuple[Path, Path]
) -> None:
    server, client = shake_hands(server_context(*files), authority.client_context())
    assert server.version() == client.version() == "TLSv1.3"
    assert server.selected_alpn_protocol() == client.selected_alpn_protocol() == "http/1.1"


def test_paths_may_be_strings(files: tuple[Path, Path]) -> None:
    context = server_context(str(files[0]), str(files[1]))
    assert context.cert_store_stats() == {"x509": 0, "crl": 0, "x509_ca": 0}


def test_one_file_may_hold_certificate_and_key(
    authority: CertificateAuthority, files: tuple[Path, Path], tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    for pair in (files, files[::-1]):
        both.write_bytes("# für Tests\n".encode() + b"".join(path.read_bytes() for path in pair))
        assert shake_hands(server_context(both), authority.client_context())


def test_tls_1_2_is_the_least() -> None:
    assert client_context(verify=False).minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_server_context_takes_no_less_than_tls_1_2(files: tuple[Path, Path]) -> None:
    assert server_context(*files).minimum_version == ssl.TLSVersion.TLSv1_2


def encrypted_key(key: Path, form: serialization.PrivateFormat) -> bytes:
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    return loaded.private_bytes(
        serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret")
    )


@pytest.mark.parametrize(
    "form",
    [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL],
)
def test_an_encrypted_key_is_refused_without_asking_for_its_password(
    files: tuple[Path, Path], tmp_path: Path, form: serialization.PrivateFormat
) -> None:
    key = tmp_path / "locked.pem"
    key.write_bytes(encrypted_key(files[1], form))
    assert refusal(lambda: server_context(files[0], key)) == (
        f"private key {str(key)!r} is encrypted and there is no way to give its password: "
        "decrypt it with `openssl pkey -in KEY -out PLAIN`, or pass an ssl_context"
    )


def test_a_key_of_another_certificate_is_refused(
    authority: CertificateAuthority, files: tuple[Path, Path], tmp_path: Path
) -> None:
    _, other = authority.issue_files(tmp_path / "other")
    assert refusal(lambda: server_context(files[0], other)) == (
        f"private key {str(other)!r} does not match the certificate {str(files[0])!r}: "
        "give the key that the certificate was issued for"
    )


def test_swapped_files_are_told(files: tuple[Path, Path]) -> None:
    assert refusal(lambda: server_context(files[1], files[0])) == (
        f"{str(files[1])!r} holds a private key but no certificate: were cert and privkey swapped?"
    )


def test_a_certificate_in_place_of_the_key_is_told(files: tuple[Path, Path]) -> None:
    assert refusal(lambda: server_context(files[0], files[0])) == (
        f"{str(files[0])!r} holds a certificate but no private key: were cert and privkey swapped?"
    )


def test_no_file_at_all_is_refused() -> None:
    assert refusal(lambda: server_context(None)) == (
        "no certificate given: give cert= and privkey=, the paths of two PEM files"
    )


def test_a_key_without_a_certificate_is_refused(files: tuple[Path, Path]) -> None:
    assert refusal(lambda: server_context(None, files[1])) == (
        "private key given without a certificate: give cert=, the PEM file of its certificate"
    )


def test_a_certificate_without_a_key_is_refused(files: tuple[Path, Path]) -> None:
    assert refusal(lambda: server_context(files[0])) == (
        f"certificate {str(files[0])!r} given without a private key: "
        "give privkey=, the PEM file of its key"
    )


BAD_FILES: list[tuple[bytes | None, str]] = [
    (None, "{what} {path} does not exist: check the path"),
    (b"", "{what} {path} is empty: give a PEM file"),
    (b" \n", "{what} {path} is empty: give a PEM file"),
    (b"hello", "{what} {path} is not PEM: no line starts with -----BEGIN"),
    (
        b"\x30\x82\x01\x00",
        "{what} {path} is not PEM: it looks like DER: convert it with openssl's -inform DER",
    ),
]


@pytest.mark.parametrize(("content", "text"), BAD_FILES)
@pytest.mark.parametrize("what", ["certificate", "private key", "CA file"])
def test_a_file_that_is_no_pem_file_is_told(
    files: tuple[Path, Path], tmp_path: Path, content: bytes | None, text: str, what: str
) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    calls: dict[str, Callable[[], object]] = {
        "certificate": lambda: server_context(path, files[1]),
        "private key": lambda: server_context(files[0], path),
        "CA file": lambda: client_context(path),
    }
    assert refusal(calls[what]) == text.format(what=what, path=repr(str(path)))


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell directories apart")
def test_a_directory_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert refusal(lambda: server_context(tmp_path, files[1])) == (
        f"certificate {str(tmp_path)!r} is a directory: give the path of a PEM file"
    )


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="root and Windows read what chmod hides"
)
def test_an_unreadable_file_is_told(files: tuple[Path, Path]) -> None:
    files[1].chmod(0)
    assert refusal(lambda: server_context(*files)) == (
        f"private key {str(files[1])!r} cannot be read: Permission denied: "
        "check the path and its permissions"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows calls such a file missing")
def test_a_path_below_a_file_is_told(files: tuple[Path, Path]) -> None:
    path = files[1] / "key.pem"
    assert refusal(lambda: server_context(files[0], path)) == (
        f"private key {str(path)!r} cannot be read: Not a directory: "
        "check the path and its permissions"
    )


def test_a_path_that_no_file_can_have_is_told() -> None:
    assert refusal(lambda: server_context("a\0b", "c")) == (
        "certificate 'a\\x00b' cannot be read: embedded null byte: "
        "check the path and its permissions"
    )


def damaged(pem: bytes) -> bytes:
    lines = pem.splitlines(keepends=True)
    return b"".join([lines[0], *lines[2:]])


def test_a_damaged_certificate_is_told_from_a_damaged_key(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.pem"
    path.write_bytes(damaged(files[0].read_bytes()))
    assert refusal(lambda: server_context(path, files[1])).startswith(
        f"certificate {str(path)!r} is damaged: "
    )
    path.write_bytes(damaged(files[1].read_bytes()))
    assert refusal(lambda: server_context(files[0], path)).startswith(
        f"private key {str(path)!r} or certificate {str(files[0])!r} cannot be used: "
    )


def test_a_truncated_certificate_is_told(files: tuple[Path, Path]) -> None:
    files[0].write_bytes(files[0].read_bytes()[:100])
    text = (
        f"certificate {str(files[0])!r} is damaged: no line -----END CERTIFICATE-----: "
        "write the PEM file anew"
    )
    assert refusal(lambda: server_context(*files)) == text
    assert refusal(lambda: client_context(files[0])) == text


def test_pem_of_something_else_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "other.pem"
    path.write_bytes(b"-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n")
    assert refusal(lambda: server_context(path, files[1])) == (
        f"{str(path)!r} holds no certificate: expected a line -----BEGIN CERTIFICATE-----"
    )
    assert refusal(lambda: server_context(files[0], path)) == (
        f"{str(path)!r} holds no private key: expected a line -----BEGIN PRIVATE KEY-----"
    )


# Clients


def test_a_client_with_a_cafile_trusts_it_alone(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    client = client_context(authority.write_pem(tmp_path / "ca.pem"))
    server, _ = shake_hands(authority.server_context(), client)
    assert server.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(CertificateAuthority().server_context(), client)


def test_a_client_that_does_not_verify_takes_any_certificate(
    authority: CertificateAuthority,
) -> None:
    client = client_context(verify=False)
    assert shake_hands(authority.server_context("other.test"), client)


def test_a_client_without_a_cafile_does_not_trust_a_test_certificate(
    authority: CertificateAuthority,
) -> None:
    client = client_context()
    assert client.verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(authority.server_context(), client)


# SNI


def test_the_name_a_client_asks_for_is_noted(authority: CertificateAuthority) -> None:
    server, _ = shake_hands(authority.server_context(), authority.client_context())
    assert server.kit_sni == "localhost"  # type: ignore[attr-defined]


def test_a_client_without_sni_is_noted_as_none(authority: CertificateAuthority) -> None:
    server, _ = shake_hands(authority.server_context(), authority.client_context(), "127.0.0.1")
    assert server.kit_sni is None  # type: ignore[attr-defined]


def test_the_name_is_noted_on_a_real_socket_too(
    files: tuple[Path, Path], authority: CertificateAuthority
) -> None:
    near, far = socket.socketpair()
    names: list[object] = []

    def serve() -> None:
        with server_context(*files).wrap_socket(near, server_side=True) as end:
            names.append(end.kit_sni)  # type: ignore[attr-defined]
            end.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with authority.client_context().wrap_socket(far, server_hostname="localhost") as end:
        end.send(b"x")
        thread.join(10)
    assert names == ["localhost"]


def test_a_callback_of_the_context_s_own_is_kept() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = lambda *args: None  # noqa: E731
    context.sni_callback = own
    record_sni(context)
    assert context.sni_callback is own


# The authority


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "::1"])
def test_the_default_names_are_those_of_this_machine(
    authority: CertificateAuthority, hostname: str
) -> None:
    assert shake_hands(authority.server_context(), authority.client_context(), hostname)


@pytest.mark.parametrize("hostname", ["api.test", "a.wild.test", "bücher.test", "10.1.2.3"])
def test_names_may_be_chosen(authority: CertificateAuthority, hostname: str) -> None:
    server = authority.server_context("api.test", "*.wild.test", "bücher.test", "10.1.2.3")
    assert shake_hands(server, authority.client_context(), hostname)


def test_a_name_that_is_not_in_the_certificate_is_refused(
    authority: CertificateAuthority,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(authority.server_context("a.test"), authority.client_context(), "b.test")


def test_the_same_names_give_the_same_context(authority: CertificateAuthority) -> None:
    assert authority.server_context() is authority.server_context()
    assert authority.server_context("a.test") is authority.server_context("a.test")
    assert authority.server_context("a.test") is not authority.server_context("b.test")


def test_trust_adds_to_a_context(authority: CertificateAuthority) -> None:
    other = CertificateAuthority()
    client = other.client_context()
    authority.trust(client)
    assert shake_hands(authority.server_context(), client)
    assert shake_hands(other.server_context(), client)


def test_authorities_do_not_trust_each_other(authority: CertificateAuthority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(authority.server_context(), CertificateAuthority().client_context())


@pytest.mark.parametrize("name", ["bad name", "", "x" * 64 + ".test"])
def test_a_name_that_cannot_stand_in_a_certificate_is_refused(
    authority: CertificateAuthority, name: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        authority.server_context(name)
    text = str(caught.value)
    assert text.startswith(f"cannot issue a certificate for {name!r}: ")
    assert text.endswith(
        "; expected DNS names, such as 'api.test' or '*.api.test', and IP addresses"
    )


def test_issued_files_hold_the_names_that_were_asked_for(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    directory = tmp_path / "new" / "directory"
    cert, key = authority.issue_files(directory, "a.test", "::1")
    assert (cert, key) == (directory / "cert.pem", directory / "key.pem")
    names = x509.load_pem_x509_certificate(cert.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["a.test"]
    assert names.value.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("::1")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_an_issued_key_is_its_owner_s_alone_even_where_another_stood(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    _, key = authority.issue_files(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    authority.issue_files(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_written_authority_is_its_pem(authority: CertificateAuthority, tmp_path: Path) -> None:
    path = authority.write_pem(tmp_path / "ca.pem")
    assert path.read_bytes() == authority.pem
    assert authority.pem.startswith(b"-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("frozen", ["1999-01-01", "2020-02-29", "3500-01-01"])
def test_certificates_made_under_frozen_time_are_valid(frozen: str, tmp_path: Path) -> None:
    with freezegun.freeze_time(frozen):
        authority = CertificateAuthority()
        server, client = authority.server_context(), authority.client_context()
        assert shake_hands(server, client)
        cert, _ = authority.issue_files(tmp_path)
    assert shake_hands(server, client)
    for pem in (cert.read_bytes(), authority.pem):
        certificate = x509.load_pem_x509_certificate(pem)
        assert certificate.not_valid_before_utc == dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
        assert certificate.not_valid_after_utc == dt.datetime(3000, 1, 1, tzinfo=dt.UTC)


def test_an_authority_first_loaded_under_frozen_time_works() -> None:
    code = (
        "import sys\n"
        "from kit.wire.tls import CertificateAuthority\n"
        "assert 'trustme' not in sys.modules, 'loaded too early'\n"
        "import freezegun\n"
        "with freezegun.freeze_time('1980-01-01'):\n"
        "    authority = CertificateAuthority()\n"
        "    authority.server_context()\n"
        "authority.server_context('a.test')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""


# Mutual TLS, chains, validity


def test_a_server_may_require_a_certificate_of_its_clients(
    authority: CertificateAuthority,
) -> None:
    server = authority.server_context(require_client_certificate=True)
    end, _ = shake_hands(server, authority.client_context(identity="me@example.com"))
    presented = end.getpeercert()

    assert presented is not None
    assert presented["subjectAltName"] == (("email", "me@example.com"),)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(server, authority.client_context())
    stranger = authority.client_context()
    CertificateAuthority().identify(stranger, "client.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(server, stranger)


def test_an_intermediate_authority_is_trusted_with_the_one_above_it(
    authority: CertificateAuthority,
) -> None:
    between = authority.create_intermediate()
    identified = authority.client_context()
    between.identify(identified, "client.test")

    shake_hands(between.server_context(), authority.client_context())
    shake_hands(between.server_context(require_client_certificate=True), identified)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(between.server_context(sends_chain=False), authority.client_context())


@pytest.mark.parametrize(
    ("validity", "reason"),
    [
        ({"valid_to": dt.datetime(2001, 1, 1)}, "certificate has expired"),
        ({"valid_from": dt.datetime(2900, 1, 1)}, "certificate is not yet valid"),
    ],
)
def test_a_certificate_is_valid_as_long_as_it_is_told_to_be(
    authority: CertificateAuthority, validity: dict[str, dt.datetime], reason: str
) -> None:
    context = authority.server_context(
        valid_from=validity.get("valid_from"), valid_to=validity.get("valid_to")
    )
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        shake_hands(context, authority.client_context())


def test_files_are_valid_as_long_as_they_are_told_to_be(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    begin = dt.datetime(2031, 4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    end = dt.datetime(2031, 5, 1)
    cert, _ = authority.issue_files(tmp_path, "a.test", valid_from=begin, valid_to=end)
    certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    assert certificate.not_valid_before_utc == dt.datetime(2031, 4, 5, 4, tzinfo=dt.UTC)
    assert certificate.not_valid_after_utc == dt.datetime(2031, 5, 1, tzinfo=dt.UTC)


def test_the_dates_of_a_certificate_may_be_of_the_frozen_clock(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    with freezegun.freeze_time("2031-04-05 06:07:08"):
        now = dt.datetime.now(dt.UTC)
        cert, _ = authority.issue_files(
            tmp_path, valid_from=now - dt.timedelta(days=1), valid_to=now + dt.timedelta(days=1)
        )
    certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    assert certificate.not_valid_before_utc == dt.datetime(2031, 4, 4, 6, 7, 8, tzinfo=dt.UTC)
    assert certificate.not_valid_after_utc == dt.datetime(2031, 4, 6, 6, 7, 8, tzinfo=dt.UTC)


def test_an_identity_is_valid_as_long_as_it_is_told_to_be(
    authority: CertificateAuthority,
) -> None:
    client = authority.client_context()
    authority.identify(client, "client.test", valid_to=dt.datetime(2001, 1, 1))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        shake_hands(authority.server_context(require_client_certificate=True), client)


OUTSIDE = (
    "{} {} cannot stand in a certificate: "
    "expected a date from 1950-01-01T00:00:00+00:00 to 9999-12-31T23:59:59+00:00"
)
SWAPPED = "a certificate cannot be valid from {} to {}: give a valid_from before valid_to"


@pytest.mark.parametrize(
    ("validity", "message"),
    [
        ({"valid_from": "2031-01-01"}, "valid_from must be a datetime, not '2031-01-01'"),
        ({"valid_to": []}, "valid_to must be a datetime, not []"),
        (
            {"valid_to": dt.date(2031, 1, 1)},
            "valid_to must be a datetime, not datetime.date(2031, 1, 1)",
        ),
        (
            {"valid_from": dt.datetime(1949, 12, 31)},
            OUTSIDE.format("valid_from", "1949-12-31T00:00:00"),
        ),
        (
            {"valid_to": dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-2)))},
            OUTSIDE.format("valid_to", "9999-12-31T23:00:00-02:00"),
        ),
        (
            {"valid_to": dt.datetime(1999, 1, 1)},
            SWAPPED.format("2000-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00"),
        ),
        (
            {
                "valid_from": dt.datetime(2031, 1, 1),
                "valid_to": dt.datetime(2031, 1, 1, tzinfo=dt.UTC),
            },
            SWAPPED.format("2031-01-01T00:00:00+00:00", "2031-01-01T00:00:00+00:00"),
        ),
    ],
)
def test_dates_that_cannot_stand_in_a_certificate_are_refused(
    authority: CertificateAuthority, tmp_path: Path, validity: dict[str, Any], message: str
) -> None:
    issues: list[Callable[[], object]] = [
        lambda: authority.server_context(**validity),
        lambda: authority.issue_files(tmp_path, **validity),
        lambda: authority.identify(authority.client_context(), "client.test", **validity),
    ]
    for issue in issues:
        with pytest.raises(ConfigurationError) as caught:
            issue()
        assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_server_speaks_no_later_version_than_it_is_told_to(
    authority: CertificateAuthority,
) -> None:
    context = authority.server_context(maximum_version=ssl.TLSVersion.TLSv1_2)

    assert shake_hands(context, authority.client_context())[0].version() == "TLSv1.2"
    assert context is authority.server_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert shake_hands(authority.server_context(), authority.client_context())[0].version() == (
        "TLSv1.3"
    )


def test_an_identity_that_cannot_stand_in_a_certificate_is_refused(
    authority: CertificateAuthority,
) -> None:
    with pytest.raises(ConfigurationError, match="cannot issue a certificate for 'no body'"):
        authority.client_context(identity="no body")
