"""The dashboard of certificates: when those that servers show and those on disk end, and whether they are trusted."""

from typing import Final

from grafana.declare import YES_NO, Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

SHOWN: Final = "{{instance}} {{target}}"
EACH: Final = f"{SHOWN} {{{{subject_CN}}}} {{{{filepath}}}}"
NAMES: Final = {"instance": "Instance", "target": "Target"}
ON_DISK: Final = {**NAMES, "filepath": "File", "subject_CN": "Name", "issuer_CN": "Issuer", "serial_number": "Number"}
_BY: Final = "by (instance, target)"
_OF_FILE: Final = "by (instance, target, filepath, subject_CN, issuer_CN, serial_number)"
_NONE: Final = "no certificate is watched"
_NOT_SHOWN: Final = "no server that is probed speaks TLS"
_NO_FILES: Final = "no target has files with certificates"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Next end", "When the next certificate of each target ends.",
         f"min {_BY} (runbook:certificate_left:seconds{{$match}})", SHOWN, unit="s", width=16, empty=_NONE),
    table(
        "Shown by servers", "What each server shows: when the first of its certificates ends, and the chain by which it"
        " was found good.",
        NAMES,
        Column("Left", f"min {_BY} (runbook:certificate_left:seconds{{$match}} and on (job, instance, target)"
               " probe_ssl_earliest_cert_expiry{$match})", "s"),
        Column("Ends", f"1000 * min {_BY} (probe_ssl_earliest_cert_expiry{{$match}})", "dateTimeAsIso"),
        Column("Chain ends", f"1000 * min {_BY} (probe_ssl_last_chain_expiry_timestamp_seconds{{$match}})",
               "dateTimeAsIso"),
        Column("Trusted", f"min {_BY} (runbook_probe_tls_verified{{$match}})", "bool_yes_no"),
        width=10, empty=_NOT_SHOWN,
    ),
    table(
        "On disk", "Each certificate in each file.",
        ON_DISK,
        Column("Ends", f"1000 * max {_OF_FILE} (x509_cert_not_after{{$match}})", "dateTimeAsIso"),
        Column("Began", f"1000 * max {_OF_FILE} (x509_cert_not_before{{$match}})", "dateTimeAsIso"),
        Column("Authority", f"max {_OF_FILE} (runbook_certificate_authority{{$match}})", "bool_yes_no"),
        width=14, empty=_NO_FILES,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Left", "How long until each certificate ends that a server needs, and each on disk; those that have ended"
           " left out.",
           "CertificateExpiresSoon", legend=EACH, width=8, empty=_NONE),
    signal("Ending", "The same by how much its target matters.", "CertificateExpiresNow", legend=EACH, width=8,
           empty=_NONE),
    signal("Over", "How long until each ends, by how much its target matters; below nothing it is over.",
           "CertificateExpired", legend=EACH, width=8, empty=_NONE),
    signal("Trusted", "Whether what the server shows is trusted and its own; not there once it is over.",
           "CertificateNotVerified", legend=SHOWN, width=8, unit="none", states=YES_NO, empty=_NOT_SHOWN),
    signal("Age", "How long ago each certificate on disk began; not those of authorities.",
           "CertificateRotationOverdue", legend=EACH, width=8, empty=_NO_FILES),
    signal("Files that cannot be read", "Whether each file that should hold certificates cannot be read, is gone, or"
           " holds none.",
           "CertificateNotReadable", legend=f"{SHOWN} {{{{filepath}}}}", width=8, unit="none",
           states={"0": ("well", "green"), "1": ("cannot be read", "red")}, empty=_NO_FILES),
]  # fmt: skip

TLS: Final[list[Panel]] = [
    table("Certificates of servers", "What each server's own certificate says.",
          {**NAMES, "subject": "Subject", "issuer": "Issuer", "subjectalternative": "Names"},
          Column("There", "max by (instance, target, subject, issuer, subjectalternative)"
                 " (probe_ssl_last_chain_info{$match})", "bool_yes_no"),
          empty=_NOT_SHOWN),
    table("Versions and ciphers", "What was agreed on with each server.",
          {**NAMES, "version": "Version", "cipher": "Cipher"},
          Column("There", "max by (instance, target, version, cipher) (probe_tls_version_info{$match}"
                 " * on (job, instance, target) group_left (cipher) probe_tls_cipher_info{$match})", "bool_yes_no"),
          width=12, empty=_NOT_SHOWN),
    lines("Files", "Whether a file cannot be read, or holds no certificate.",
          ("x509_cert_error{$match}", f"{SHOWN} {{{{filepath}}}}"), unit="none",
          states={"0": ("well", "green"), "1": ("cannot be read", "red")}, height=9, empty=_NO_FILES),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="certificate",
    title="Certificates",
    text="When certificates end, those that servers show and those on disk, and whether they are trusted.",
    presence="runbook:certificate_left:seconds",
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("TLS", TLS)],
)
