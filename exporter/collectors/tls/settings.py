"""What a target of the collector `tls` can be told: which files are looked at."""

import re
from dataclasses import dataclass
from typing import Final

from exporter.models import Problems
from exporter.setting import Bytes, FilePath, Seconds, Secret, setting

WILD: Final = re.compile(r"[*?[]")
_ENDINGS: Final = (".pem", ".crt", ".cer", ".cert", ".der", ".p7b", ".p12", ".pfx", ".jks", ".keystore", ".truststore")


@dataclass(frozen=True, slots=True)
class TLSFilesSettings:
    """Which files hold certificates, and what opens the keystores among them."""

    paths: tuple[FilePath, ...] = setting(
        help="Files; folders, whose files with one of the `endings` are taken; or patterns of such, with `*`, `?` and "
        "`[...]`.",
        example="[/etc/letsencrypt/live/*/fullchain.pem, /etc/nginx/tls]",
    )
    endings: tuple[str, ...] = setting(
        _ENDINGS, help="How the names of files end that are taken from folders, in small letters."
    )
    password: Secret | None = setting(
        None,
        help="The password of the keystores in PKCS#12. The certificates of those in JKS can be read without.",
        example='"${KEYSTORE_PASSWORD}"',
    )
    max_bytes: Bytes = setting(4 << 20, help="How large a file may be.")
    max_files: int = setting(1000, help="How many files are looked at, the first by name.")
    path_timeout: Seconds = setting(
        2.0, help="How long a file system may take to answer before what is on it is left out."
    )

    def check(self) -> Problems:
        """Find a target that looks at nothing, and limits that leave nothing."""
        if not self.paths:
            yield "paths", "is empty; expected a file, a folder or a pattern, such as /etc/nginx/tls"
        for path in self.paths:
            if "**" in path:
                yield "paths", "has `**`, which stands for one folder only here; expected `*` for each folder"
        for limit, most in (("max_bytes", 64 << 20), ("max_files", 10_000)):
            if not 1 <= getattr(self, limit) <= most:
                yield limit, f"is out of range; expected 1 to {most}"
        if self.path_timeout <= 0:
            yield "path_timeout", "leaves no time at all; expected more than 0, such as 1s"
