"""What a target of the collector `dependency` can be told: projects, their clients, and deadlines."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from exporter.models import Problems
from exporter.program import ProgramSettings
from exporter.request import check_proxy, check_url
from exporter.setting import FilePath, Seconds, Secret, SecretURL, setting
from exporter.tlssettings import Trusting

SEVERITIES: Final = ("critical", "high", "medium", "low", "unknown")
"""The worst first; `unknown` is what nobody has judged."""
LOCKS: Final = ("package-lock.json", "npm-shrinkwrap.json")
_SHORTEST: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """One project: what it is made of, and how its clients reach their sources."""

    python: FilePath = setting(
        "",
        help="The folder of a virtual environment, or a Python: what is installed there is looked at.",
        example="/srv/shop/.venv",
        shown=True,
    )
    npm: FilePath = setting(
        "",
        help="A lock file of npm, package-lock.json or npm-shrinkwrap.json.",
        example="/srv/shop/front/package-lock.json",
    )
    debian: bool = setting(False, help="Whether it is the packages of this host, by apt-get.")
    ignore: tuple[str, ...] = setting(
        (), help="Packages whose newer releases do not count; their vulnerabilities do.", example="[setuptools]"
    )
    private: tuple[str, ...] = setting(
        (),
        help="Packages of your own, or patterns of their names, that no public source knows: they are left out, and "
        "their names are not sent to OSV; `npm audit` alone sends them, so set `npm_advisories: osv` beside them.",
        example='["shop-*", "@shop/*"]',
    )
    accepted: tuple[str, ...] = setting(
        (),
        help="Advisories, by any of their names, that were judged and do not count.",
        example="[CVE-2019-10906]",
    )
    environment: Mapping[str, str] = setting(
        {},
        help="Environment variables for pip, npm and apt-get. Of the exporter's own they have PATH, HOME and TZ.",
        example="{PIP_INDEX_URL: https://mirror.example.com/simple}",
    )
    secret_environment: Mapping[str, Secret] = setting(
        {}, help="More of them, whose values are kept secret.", example='{PIP_INDEX_URL: "${PIP_INDEX_URL}"}'
    )
    user: str = setting(
        "",
        help="The user that they run as, where the exporter is root; else they run as the exporter's.",
        example="shop",
    )

    @property
    def ecosystems(self) -> tuple[str, ...]:
        """The ecosystems that it has packages of."""
        has = {"python": bool(self.python), "npm": bool(self.npm), "debian": self.debian}
        return tuple(name for name, there in has.items() if there)

    def program(
        self, command: tuple[str, ...], directory: str = "/", variables: Mapping[str, str] = {}
    ) -> ProgramSettings:
        """Return a program that runs with the project's environment, as its user."""
        return ProgramSettings(
            command=command, environment={**self.environment, **variables},
            secret_environment=self.secret_environment, directory=directory, user=self.user,
        )  # fmt: skip

    def check(self) -> Problems:
        """Find a project without packages, files that are no lock, and variables that cannot be given."""
        if not self.ecosystems:
            yield "python", "is missing, and npm and debian are too; expected one of them"
        if self.npm and os.path.basename(self.npm) not in LOCKS:
            yield "npm", f"is no lock file of npm; expected the path of a {LOCKS[0]} or {LOCKS[1]}"
        yield from self.program(("pip",)).check()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineSettings:
    """How long after it was first seen a vulnerability may be there, by its severity; null for ever."""

    critical: Seconds | None = setting(0.0, help="Of a critical one; 0s is at once.")
    high: Seconds | None = setting(86_400.0, help="Of a high one.")
    medium: Seconds | None = setting(7 * 86_400.0, help="Of a medium one.")
    low: Seconds | None = setting(None, help="Of a low one; without, it waits for the next release.", example="90d")
    unknown: Seconds | None = setting(86_400.0, help="Of one whose severity nobody has told.")

    def of(self, severity: str) -> float | None:
        """Return the deadline of a severity, None where it has none."""
        deadline: float | None = getattr(self, severity)
        return deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencySettings(Trusting):
    """Which projects are scanned, how often, and whose advisories count."""

    projects: Mapping[str, ProjectSettings] = setting(
        help="The projects by name.", example="{shop: {python: /srv/shop/.venv}, host: {debian: true}}"
    )
    scan_interval: Seconds = setting(86_400.0, help="How often each project is scanned.")
    scan_timeout: Seconds = setting(900.0, help="How long one scan may take.")
    osv_url: SecretURL = setting(
        lambda: SecretURL("https://api.osv.dev"),
        help="The address of OSV, or of a server that answers as it does, which is asked for advisories.",
        example="https://osv.example.com",
    )
    npm_advisories: Literal["audit", "osv"] = setting(
        "audit", help="Who is asked about packages of npm: their registry, by `npm audit`, or OSV."
    )
    npm_command: str = setting("npm", help="The npm that is run.", example="/opt/node/bin/npm")
    debian_security_severity: Literal["critical", "high", "medium", "low"] = setting(
        "high", help="What a pending security update of Debian counts as; apt tells no severity."
    )
    deadlines: DeadlineSettings = setting(
        DeadlineSettings, help="How long a vulnerability may stay, by severity.", example="{high: 12h}"
    )
    proxy: SecretURL | None = setting(
        None, help="An HTTP proxy on the way to OSV.", example="http://proxy.example.com:3128"
    )
    ca_file: FilePath = setting(
        "", help="Authorities to trust for OSV, as PEM, instead of the system's.", example="/etc/ssl/our-ca.pem"
    )
    client_cert: FilePath = setting("", help="A client certificate to show it, as PEM.", example="/etc/ssl/client.pem")
    client_key: FilePath = setting("", help="Its key, as PEM without a passphrase.", example="/etc/ssl/client.key")
    insecure_skip_verify: bool = setting(
        False, help="Whether any certificate of OSV is taken; who can answer in its place then can lie."
    )

    def check(self) -> Problems:
        """Find nothing to scan, times that burn the machine, and addresses that are none."""
        if not self.projects:
            yield "projects", "is empty; expected a project, such as {host: {debian: true}}"
        if self.scan_interval < _SHORTEST:
            yield "scan_interval", "is shorter than sources should be asked; expected 1h or more"
        if not 1 <= self.scan_timeout <= self.scan_interval:
            yield "scan_timeout", "is no time for a scan; expected 1s or more, and no more than scan_interval"
        yield from check_url(self.osv_url.reveal(), "osv_url")
        yield from check_proxy(self.proxy)
        yield from self.check_trust()
