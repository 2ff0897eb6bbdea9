"""The internal certificate authority, the certificates that it signs, and what may be wrong with one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=365)
WARN_BEFORE = timedelta(days=30)
_CLOCKS_DIFFER = timedelta(hours=1)


def new_key() -> str:
    """A private key of the curve P-256, in PEM."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def authority(key: str) -> str:
    """The certificate of an authority with the private key `key`; both in PEM."""
    private = _private(key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Groundplan internal CA")])
    builder = _builder(name, name, private.public_key(), AUTHORITY_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _pem(builder.sign(private, hashes.SHA256()))


def server(host: str, key: str, authority_certificate: str, authority_key: str) -> str:
    """The certificate of the server `host` with the private key `key`, signed by the authority."""
    issuer = x509.load_pem_x509_certificate(authority_certificate.encode())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    builder = _builder(name, issuer.subject, _private(key).public_key(), SERVER_LIFETIME)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(host)]), False),
        (identifier, False),
    ):
        builder = builder.add_extension(extension, critical)
    return _pem(builder.sign(_private(authority_key), hashes.SHA256()))


def problems(certificate: str, hosts: Iterable[str], key: str | None = None) -> Iterator[str]:
    """What is wrong with a server's certificate in PEM: its dates, its hosts, its private key."""
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
        public = _private(key).public_key() if key else read.public_key()
    except (ValueError, TypeError) as error:
        yield f"can't be read: {error}"
        return
    if public != read.public_key():
        yield "does not belong to its private key"
    now = datetime.now(UTC)
    if not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
        yield (
            f"is valid from {read.not_valid_before_utc:%Y-%m-%d} to {read.not_valid_after_utc:%Y-%m-%d} only"
        )
    named = _hosts(read)
    for host in hosts:
        if not any(_matches(pattern, host) for pattern in named):
            yield f"is for {', '.join(named) or 'no host'}, not for {host}"


def is_signed_by(certificate: str, authorities: str) -> bool:
    """True if one of the `authorities` (PEM, one after another) signed `certificate`."""
    signed = x509.load_pem_x509_certificate(certificate.encode())
    for issuer in x509.load_pem_x509_certificates(authorities.encode()):
        try:
            signed.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def days_left(certificate: str) -> int:
    """The whole days until the first certificate in `certificate` ends."""
    read = x509.load_pem_x509_certificate(certificate.encode())
    return (read.not_valid_after_utc - datetime.now(UTC)).days


def _builder(
    name: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    private = serialization.load_pem_private_key(key.encode(), password=None)
    return cast("ec.EllipticCurvePrivateKey", private)  # another kind is only compared


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.lower().partition(".")[2] == pattern[2:].lower()
    return pattern.lower() == host.lower()
