"""Certificates for smtp_server.py: an authority of our own and what it vouches for.

    make_certificates.py DIR

Writes ca.pem, and for each of the following NAME.pem and NAME.key:
  good   for localhost, by the authority
  wrong  for another host, by the authority
  self   for localhost, vouched for by nobody else
"""

import datetime
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, host=None):
    """Signed by the issuer; an authority when there is no host."""
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def main():
    folder = pathlib.Path(sys.argv[1])
    pem = serialization.Encoding.PEM
    authority = ec.generate_private_key(ec.SECP256R1())
    ca = certificate("Test authority", authority, "Test authority", authority)
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    for name, host in [("good", "localhost"), ("wrong", "elsewhere.test"), ("self", "localhost")]:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, issuer_key = ("self", key) if name == "self" else ("Test authority", authority)
        made = certificate(name, key, issuer, issuer_key, host)
        (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(private)


main()
