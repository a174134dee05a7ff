"""Which program to run, and as whom, as the configuration says it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Trouble
from exporter.models import Problems
from exporter.setting import FilePath, Secret, setting

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON: Final = ("PATH", "HOME", "TZ")
_TELLING: Final = re.compile(r"(?i)(?:^|_)(?:password|passwd|pwd|passphrase|secret|token|key|credentials?|dsn)(?:_|$)")
_HAS_PASSWORD: Final = re.compile(r"://[^/\s]*@")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSettings:
    """A program with its arguments. No shell reads them: nothing in them is expanded."""

    command: tuple[str, ...] = setting(
        help="The program and its arguments, each an item of the list. Every user of the machine can see them.",
        example="[python3, manage.py, check]",
    )
    environment: Mapping[str, str] = setting(
        {},
        help="Environment variables for it. Of the exporter's own it has PATH, HOME and TZ.",
        example="{DJANGO_SETTINGS_MODULE: shop.settings}",
    )
    secret_environment: Mapping[str, Secret] = setting(
        {}, help="More of them, whose values are kept secret.", example='{DATABASE_URL: "${DATABASE_URL}"}'
    )
    directory: FilePath = setting("/", help="The directory that it runs in.", example="/srv/shop")
    user: str = setting(
        "", help="The user that it runs as, where the exporter is root; else it runs as the exporter's.", example="shop"
    )

    def check(self) -> Problems:
        """Find a command without a program, users that are not there, and what no program can be given."""
        if not self.command or not self.command[0].strip():
            yield "command", "names no program; expected a list such as [python3, manage.py, check]"
        elif any("\0" in word for word in self.command):
            yield "command", "holds a NUL character; expected words without"
        yield from _check_variables("environment", self.environment)
        yield from _check_variables("secret_environment", _revealed(self.secret_environment))
        for name, value in self.environment.items():
            if _TELLING.search(name) or _HAS_PASSWORD.search(value):
                yield f"environment.{name}", "may be a secret, and would be shown; expected it in secret_environment"
        if self.user and _entry(self.user) is None:
            yield "user", f"there is no user {self.user!r} here; expected one that this machine knows"

    def identity(self) -> dict[str, Any]:
        """Return what makes the program run as its user."""
        if not self.user:
            return {}
        entry = _entry(self.user)
        if entry is None:
            raise Trouble(f"there is no user {self.user} any more", "create it, or correct `user`")
        if os.geteuid() == entry.pw_uid:
            return {}
        if os.geteuid() != 0:
            fix = f"run the exporter as {self.user} or as root, or leave `user` out"
            raise Trouble(f"only root can run a program as {self.user}", fix)
        groups = os.getgrouplist(self.user, entry.pw_gid)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}

    def variables(self) -> dict[str, str]:
        """Return the environment that the program sees."""
        own = {"PATH": _PATH, "LANG": "C.UTF-8"}
        own |= {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
        if self.user:
            own |= {"HOME": os.path.expanduser(f"~{self.user}"), "USER": self.user, "LOGNAME": self.user}
        return own | dict(self.environment) | _revealed(self.secret_environment)


def _revealed(secrets: Mapping[str, Secret]) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in secrets.items()}


def _check_variables(key: str, variables: Mapping[str, str]) -> Problems:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            yield f"{key}.{name}", "cannot be a variable of the environment; expected a name such as LANG"


def _entry(user: str) -> Any:
    """Return what the system knows of a user, None where there is no such; users are Unix'."""
    import pwd

    try:
        return pwd.getpwnam(user)
    except (KeyError, ValueError):
        return None
