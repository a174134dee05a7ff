"""Which program to run, and as whom, as the configuration says it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.lookup import looked_up
from exporter.models import Problems
from exporter.setting import FilePath, Secret, setting

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON: Final = ("PATH", "HOME", "TZ")
_TELLING: Final = re.compile(r"(?i)(?:^|_)(?:password|passwd|pwd|passphrase|secret|token|key|credentials?|dsn)(?:_|$)")
_HAS_PASSWORD: Final = re.compile(r"://[^/\s]*@")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATIENCE: Final = 2.0  # seconds for whoever knows the users, which may be a service on another machine


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
        if self.user and not _may_be_there(self.user):
            yield "user", f"there is no user {self.user!r} here; expected one that this machine knows"

    def identity(self) -> dict[str, Any]:
        """Return what makes the program run as its user."""
        if not self.user:
            return {}
        user = _known(self.user)
        if os.geteuid() == user.number:
            return {}
        if os.geteuid() != 0:
            fix = f"run the exporter as {self.user} or as root, or leave `user` out"
            raise Trouble(f"only root can run a program as {self.user}", fix)
        return {"user": user.number, "group": user.group, "extra_groups": user.groups}

    def variables(self) -> dict[str, str]:
        """Return the environment that the program sees."""
        own = {"PATH": _PATH, "LANG": "C.UTF-8"}
        own |= {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
        if self.user:
            own |= {"HOME": _known(self.user).home, "USER": self.user, "LOGNAME": self.user}
        return own | dict(self.environment) | _revealed(self.secret_environment)


def _revealed(secrets: Mapping[str, Secret]) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in secrets.items()}


def _check_variables(key: str, variables: Mapping[str, str]) -> Problems:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            yield f"{key}.{name}", "cannot be a variable of the environment; expected a name such as LANG"


class _User(NamedTuple):
    """What the system knows of a user."""

    number: int
    group: int
    groups: list[int]
    home: str


def _known(name: str) -> _User:
    try:
        user = looked_up(("user", name), partial(_found, name), _PATIENCE)
    except TimeoutError:
        fix = "see what the service that knows the users waits for, with `getent passwd`"
        raise Trouble(f"nobody has said within {_PATIENCE:g} s who the user {name} is", fix) from None
    if user is None:
        raise Trouble(f"there is no user {name} any more", "create it, or correct `user`")
    return user


def _may_be_there(name: str) -> bool:
    """Tell whether a user is known; where nobody answers, that is no mistake of the configuration."""
    try:
        return looked_up(("user", name), partial(_found, name), _PATIENCE) is not None
    except TimeoutError:
        return True


def _found(name: str) -> _User | None:
    """Return the user of this name, None where there is no such; users are Unix'."""
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    return _User(entry.pw_uid, entry.pw_gid, os.getgrouplist(name, entry.pw_gid), entry.pw_dir)
