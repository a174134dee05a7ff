"""Writes a certificate of any age: certificate.py FILE DAYS_SINCE DAYS_LEFT"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def main(file: str, since: float, left: float) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clippy.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Our CA")]))
        .public_key(key.public_key())
        .serial_number(0xC11BB1)
        .not_valid_before(now - timedelta(days=since))
        .not_valid_after(now + timedelta(days=left))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("clippy.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = Path(file)
    new = path.with_suffix(".new")
    new.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    new.replace(path)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
