"""Which broker Celery's messages go through, and what is expected of its workers."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from exporter.collectors.redis.address import Address, parse
from exporter.fetchline import trusted
from exporter.models import Problems
from exporter.setting import FilePath, Seconds, SecretURL, setting

REDIS: Final = ("redis", "rediss")
RABBITMQ: Final = ("amqp", "amqps", "pyamqp")
_EXPECTED: Final = "expected `redis://HOST:PORT/DATABASE` or `amqp://USER:PASSWORD@HOST:PORT/VHOST`"
_MOST_QUEUES: Final = 1000
_MOST_TOP: Final = 2000
_QUEUE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Beat:
    """A periodic task: how often beat sends it."""

    interval: Seconds = setting(help="How often the task is sent.", example="1m")


@dataclass(frozen=True, slots=True)
class CelerySettings:
    """The broker, the queues, and how many workers there should be."""

    url: SecretURL = setting(
        help="The broker, as the application has it: `redis://...`, `rediss://...`, `amqp://...` or `amqps://...`.",
        example='"redis://127.0.0.1:6379/0"',
    )
    management: SecretURL | None = setting(
        None,
        help="RabbitMQ's management API; with it the age of what waits is known, and what is not acknowledged.",
        example='"http://monitor:${RABBITMQ_PASSWORD}@127.0.0.1:15672"',
    )
    ca_file: FilePath = setting(
        "", help="Authorities to trust for the broker, as PEM, instead of the system's.", example="/etc/ssl/our-ca.pem"
    )
    client_cert: FilePath = setting("", help="A client certificate to show, as PEM.", example="/etc/ssl/client.pem")
    client_key: FilePath = setting("", help="Its key, as PEM without a passphrase.", example="/etc/ssl/client.key")
    insecure_skip_verify: bool = setting(
        False, help="Whether any certificate of the broker is taken; who can answer in its place then can lie."
    )
    queues: tuple[str, ...] = setting(
        (), help="The queues to look at; without them those that workers consume, and `celery`.", example="[celery]"
    )
    workers: int = setting(1, help="How many workers there should be; 0 where that is not known.", example="2")
    beat: Mapping[str, Beat] = setting(
        dict,
        help="Periodic tasks by name, and how often beat sends each; when each was last seen is told.",
        example="{app.tasks.cleanup: {interval: 10m}}",
    )
    control_interval: Seconds = setting(15.0, help="How often workers are asked what they do.")
    broker_interval: Seconds = setting(5.0, help="How often the queues are looked at in the broker.")
    hostnames: bool = setting(
        True, help="Whether tasks are counted by worker; `false` where workers have another name each time."
    )
    task_top: int = setting(200, help="How many task names have series of their own; the others add up in `other`.")
    worker_top: int = setting(50, help="How many workers have counters of their own; the others add up in `other`.")
    queue_top: int = setting(100, help="How many queues have counters of their own; the others add up in `other`.")
    event_exchange: str = setting("celeryev", help="The exchange of events, `event_exchange` of the application.")
    control_exchange: str = setting("celery", help="The exchange of remote control, `control_exchange` there.")
    global_keyprefix: str = setting("", help="What every key in Redis begins with, where the application says so.")
    priority_steps: tuple[int, ...] = setting(
        (0, 3, 6, 9), help="The steps of priorities in Redis, `priority_steps` of the application's transport options."
    )
    priority_separator: str = setting(
        "\x06\x16", help="What stands between a queue's name and the priority in Redis, `sep` in the same place."
    )

    @property
    def is_redis(self) -> bool:
        return urlsplit(self.url.reveal()).scheme in REDIS

    def redis_address(self) -> Address:
        """Return the address for Redis; what Celery wants to read of certificates in it is left out."""
        return parse(self.url.reveal().partition("?")[0])

    def context(self) -> ssl.SSLContext:
        """Return what TLS trusts and shows."""
        verify = False if self.insecure_skip_verify else self.ca_file or True
        return trusted(verify, (self.client_cert, self.client_key) if self.client_cert else None)

    def check(self) -> Problems:
        """Find an address that is no broker's, and settings that cannot be meant."""
        yield from self._check_addresses()
        yield from self._check_ranges()
        if len(self.queues) > _MOST_QUEUES or not all(map(_QUEUE.fullmatch, self.queues)):
            yield "queues", f"has what is no queue, or too many; expected {_MOST_QUEUES} names at most"
        for task, beat in self.beat.items():
            if beat.interval <= 0:
                yield f"beat.{task}.interval", "is not positive; expected how often the task is sent"
        if any(not 0 <= step <= 255 for step in self.priority_steps) or not self.priority_steps:
            yield "priority_steps", "is no list of priorities; expected numbers from 0 to 255, as [0, 3, 6, 9]"

    def _check_ranges(self) -> Problems:
        if self.workers < 0:
            yield "workers", "is negative; expected how many there should be, or 0"
        for name in ("task_top", "worker_top", "queue_top"):
            if not 1 <= getattr(self, name) <= _MOST_TOP:
                yield name, f"is out of range; expected 1 to {_MOST_TOP}"
        for name in ("control_interval", "broker_interval"):
            if not 1 <= getattr(self, name) <= 300:
                yield name, "is out of range; expected 1s to 5m"

    def _check_addresses(self) -> Problems:
        try:
            address = urlsplit(self.url.reveal())
            known = address.scheme in (*REDIS, *RABBITMQ) and (address.port or 1) > 0
            if known and self.is_redis:
                self.redis_address()
        except ValueError:
            known = False
        if not known:
            yield "url", f"is no address of a broker that is known here; {_EXPECTED}"
            return
        if self.management is not None and not self.management.reveal().startswith(("http://", "https://")):
            yield "management", "is no address of a web server; expected `http://USER:PASSWORD@HOST:15672`"
        if self.management is not None and self.is_redis:
            yield "management", "is RabbitMQ's, and the broker is Redis; leave it out"
        if bool(self.client_cert) != bool(self.client_key):
            yield "client_cert", "needs `client_key` beside it; give both or none"
        if (self.ca_file or self.client_cert) and address.scheme not in ("rediss", "amqps"):
            yield "url", "has no TLS, and certificates are given; expected `rediss://` or `amqps://`"
