"""Which Redis server, and what to look at in it."""

import re
from dataclasses import dataclass, replace
from typing import Final

from exporter.collectors.redis.address import LOCAL, Address, parse
from exporter.models import Problems
from exporter.setting import FilePath, Secret, SecretURL, setting
from exporter.tlssettings import Trusting

_KEY: Final = re.compile(r"db(\d{1,9})=(.+)", re.DOTALL)
_MOST_KEYS: Final = 1000
_MOST_PATTERNS: Final = 20
_MOST_SCANNED: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class RedisSettings(Trusting):
    """Which server, how it lets us in, and which keys are looked at."""

    url: SecretURL | None = setting(
        None,
        help="The server or sentinel, as `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://...` for TLS, or "
        "`unix:///PATH?db=DATABASE`; a password without a user is `redis://:PASSWORD@HOST`. "
        f"Without it `{LOCAL}`.",
        example='"redis://monitor:${REDIS_PASSWORD}@127.0.0.1:6379"',
        shown=True,
    )
    username: str = setting("", help="The user of its ACL, where `url` names none.", example="monitor")
    password: Secret | None = setting(None, help="The password, where `url` has none.", example='"${REDIS_PASSWORD}"')
    ca_file: FilePath = setting(
        "", help="Authorities to trust for this server, as PEM, instead of the system's.", example="/etc/ssl/our-ca.pem"
    )
    client_cert: FilePath = setting("", help="A client certificate to show, as PEM.", example="/etc/ssl/client.pem")
    client_key: FilePath = setting("", help="Its key, as PEM without a passphrase.", example="/etc/ssl/client.key")
    insecure_skip_verify: bool = setting(
        False, help="Whether any certificate of the server is taken; who can answer in its place then can lie."
    )
    keys: tuple[str, ...] = setting(
        (),
        help="Keys whose length is told, as of queues: `NAME` in the database of `url`, `dbN=NAME` in another.",
        example="[celery, db2=jobs]",
    )
    key_patterns: tuple[str, ...] = setting(
        (),
        help="Patterns of further keys, counted and measured once a minute: `PATTERN` or `dbN=PATTERN`, with `*`, `?` "
        "and `[...]`. Each database is searched with SCAN once for all its patterns.",
        example="['queue:*', 'db2=job:*']",
    )
    scan_most: int = setting(
        100_000, help="How many keys a database may have and still be searched for patterns; the read fails otherwise."
    )
    top: int = setting(
        100,
        help="How many commands, errors, databases, replicas and primaries of a sentinel have series of their own; the "
        "others add up in `other`.",
    )

    def check(self) -> Problems:
        """Find an address that is none, and settings that contradict each other."""
        try:
            address = self.address()
        except ValueError as error:
            yield "url", str(error)
            address = parse(LOCAL)
        yield from self._check_login()
        yield from self._check_tls(address)
        for name, texts, most in (("keys", self.keys, _MOST_KEYS), ("key_patterns", self.key_patterns, _MOST_PATTERNS)):
            if len(texts) > most:
                yield name, f"has more than are looked at; expected {most} at most"
            if "" in texts or len({self._key(text, address) for text in texts}) < len(texts):
                yield name, "has one that is empty, or one twice; expected each once"
        if self.top < 0:
            yield "top", "is no number of series; expected 0 or more"
        if not 0 <= self.scan_most <= _MOST_SCANNED:
            yield "scan_most", f"is no number of keys to search through; expected 0 to {_MOST_SCANNED}"

    def address(self) -> Address:
        """Return where the server is and who asks; ValueError where `url` is not understood."""
        found = parse(self.url.reveal() if self.url is not None else LOCAL)
        password = self.password.reveal() if self.password is not None else found.password
        return replace(found, user=self.username or found.user, password=password)

    def key(self, text: str) -> tuple[int, str]:
        """Return the database and the name of a key."""
        return self._key(text, self.address())

    def _key(self, text: str, address: Address) -> tuple[int, str]:
        found = _KEY.fullmatch(text)
        return (int(found[1]), found[2]) if found else (address.database, text)

    def _check_login(self) -> Problems:
        try:
            given = parse(self.url.reveal()) if self.url is not None else parse(LOCAL)
        except ValueError:
            return
        if self.username and given.user:
            yield "username", "stands beside the user in url; expected only one of them"
        if self.password is not None and given.password:
            yield "password", "stands beside the password in url; expected only one of them"
        if (self.username or given.user) and not (self.password or given.password):
            yield "username" if self.username else "url", "has a user without a password; expected both"

    def _check_tls(self, address: Address) -> Problems:
        yield from self.check_trust()
        for key in ("ca_file", "client_cert", "insecure_skip_verify"):
            if getattr(self, key) and not address.tls:
                yield key, "has no effect without TLS; expected rediss:// in url"
