"""What is said of certificates on disk, by the names of x509-certificate-exporter."""

from typing import Final

from exporter.metric import gauge, info

PARTS: Final = ("C", "ST", "L", "O", "OU", "CN")
PLACE: Final = ("filename", "filepath")
LABELS: Final = (
    *PLACE,
    "serial_number",
    *(f"subject_{part}" for part in PARTS),
    *(f"issuer_{part}" for part in PARTS),
)
TOLD: Final = ("filepath", "serial_number", "subject_CN", "issuer_CN")
"""What alerts name a certificate by."""

NOT_BEFORE = gauge(
    "x509_cert_not_before",
    "When the certificate begins to be good, in Unix time.",
    labels=LABELS,
    source="the file",
    fact=True,
)
NOT_AFTER = gauge(
    "x509_cert_not_after", "When the certificate ends, in Unix time.", labels=LABELS, source="the file", fact=True
)
EXPIRED = gauge(
    "x509_cert_expired", "1 where the certificate has ended, 0 where it has not.", labels=LABELS, source="the file"
)
ERROR = gauge(
    "x509_cert_error",
    "1 where the file cannot be read, or holds no certificate, 0 where it is well.",
    labels=PLACE,
    source="the file",
)
ERRORS = gauge(
    "x509_read_errors",
    "How many files and folders cannot be read, or hold no certificate, or are not there.",
    source="the files",
)
INFO = info(
    "runbook_certificate_info",
    "The names that the certificate is for, which its subject often leaves out; one for each of the other labels.",
    labels=(*TOLD, "names"),
    source="the file",
    fact=True,
)
AUTHORITY = gauge(
    "runbook_certificate_authority",
    "1 where the certificate may sign others, 0 where it is one of a server or a person.",
    labels=LABELS,
    source="the file",
    fact=True,
)
