"""The tests' own certificate authority, and the certificates that it issues.

    with Authority() as ca:
        cert, key = ca.issue("mx.remote.test")             # files: chain, key
        cert, key = ca.issue("old.test", days=-1)          # expired
        ... STAGEPOST_CA_FILE=ca.file ..."""

import datetime
import ipaddress
import itertools
import shutil
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(text):
    if "@" in text:
        return x509.RFC822Name(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    def __init__(self, name="Stagepost test authority"):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-ca-"))
        self.numbers = itertools.count(1)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self.certificate = self._sign(self.name, self.key.public_key(), 30, [
            (x509.BasicConstraints(ca=True, path_length=None), True)])
        self.file = self.dir / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, public_key, days, extensions):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=10))
                   .not_valid_after(now + datetime.timedelta(days=days)))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, *names, days=5, purpose=None):
        """purpose: one of ExtendedKeyUsageOID; None: any."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)]
        if purpose is not None:
            extensions.append((x509.ExtendedKeyUsage([purpose]), True))
        certificate = self._sign(_name(names[0]), key.public_key(), days, extensions)
        stem = self.dir / f"{next(self.numbers)}"
        cert_file, key_file = stem.with_suffix(".pem"), stem.with_suffix(".key")
        key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption())
        key_file.write_bytes(key_pem)
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) +
                              self.certificate.public_bytes(serialization.Encoding.PEM))
        return cert_file, key_file

    def both(self, *names, **kwargs):
        """Certificate and key in one file."""
        cert, key = self.issue(*names, **kwargs)
        together = cert.with_suffix(".both")
        together.write_bytes(cert.read_bytes() + key.read_bytes())
        return together

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir, ignore_errors=True)
