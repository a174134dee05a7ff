"""Which broker Celery's messages go through, and what is expected of its workers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.collectors.celery.address import REDIS, Sentinels, checked, redis_of, scheme_of, sentinels_of
from exporter.collectors.redis.address import Address
from exporter.models import Problems
from exporter.setting import FilePath, Seconds, Secret, SecretURL, setting
from exporter.tlssettings import Trusting

_MOST_QUEUES: Final = 1000
_MOST_TOP: Final = 2000
_QUEUE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Beat:
    """A periodic task: how often beat sends it."""

    interval: Seconds = setting(help="How often the task is sent.", example="1m")


@dataclass(frozen=True, slots=True)
class CelerySettings(Trusting):
    """The broker, the queues, and how many workers there should be."""

    url: SecretURL = setting(
        help="The broker, as the application has it: `redis://...`, `rediss://...`, `redis+socket://...`, "
        "`sentinel://...;sentinel://...`, `amqp://...` or `amqps://...`.",
        example='"redis://127.0.0.1:6379/0"',
    )
    management: SecretURL | None = setting(
        None,
        help="RabbitMQ's management API; with it the age of what waits is known, and what is not acknowledged.",
        example='"http://monitor:${RABBITMQ_PASSWORD}@127.0.0.1:15672"',
    )
    master_name: str = setting(
        "", help="The primary's name with sentinels, `master_name` of the transport options.", example="mymaster"
    )
    sentinel_user: str = setting("", help="The user that sentinels ask for, where they ask for one.")
    sentinel_password: Secret | None = setting(
        None, help="The password that sentinels ask for; that of Redis itself is in `url`.", example='"${SENTINEL}"'
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
        (),
        help="The queues to look at; without them those that workers consume or tasks are sent to, and `celery`.",
        example="[celery]",
    )
    workers: int = setting(1, help="How many workers there should be; 0 where that is not known.", example="2")
    beat: Mapping[str, Beat] = setting(
        dict,
        help="Periodic tasks by name, and how often beat sends each; when each was last seen is told.",
        example="{app.tasks.cleanup: {interval: 10m}}",
    )
    control: bool = setting(True, help="Whether workers are asked what they do; `false` where the user may not.")
    control_interval: Seconds = setting(15.0, help="How often workers are asked what they do.")
    broker_interval: Seconds = setting(5.0, help="How often the queues are looked at in the broker.")
    hostnames: bool = setting(
        True, help="Whether tasks are counted by worker; `false` where workers have another name each time."
    )
    task_top: int = setting(200, help="How many task names have series of their own; the others add up in `other`.")
    worker_top: int = setting(50, help="How many workers have series of their own; the others add up in `other`.")
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
    fanout_prefix: str = setting(
        "/{db}.",
        help="What channels of Redis begin with, `fanout_prefix` in the same place; empty where that is `False` there.",
    )
    unacked_index_key: str = setting(
        "unacked_index", help="The key in Redis of what is not acknowledged, `unacked_index_key` in the same place."
    )

    @property
    def is_redis(self) -> bool:
        return scheme_of(self.url.reveal()) in REDIS

    def redis_address(self) -> Address:
        """Return the address for Redis, where no sentinel has to be asked for it."""
        return redis_of(self.url.reveal())

    def sentinels(self) -> Sentinels | None:
        """Return who is to be asked where Redis is, if that has to be asked."""
        url = self.url.reveal()
        return sentinels_of(url) if scheme_of(url) == "sentinel" else None

    def fanout_places(self) -> tuple[str, ...]:
        """Return what the channels for all begin with; with sentinels, kombu before 5.4 has others than since."""
        sentinels = self.sentinels()
        database = (self.redis_address() if sentinels is None else sentinels.primary).database
        prefixes = {self.fanout_prefix.replace("{db}", str(database)): None}
        if sentinels is not None:
            prefixes[self.fanout_prefix] = None
        return tuple(self.global_keyprefix + prefix for prefix in prefixes)

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
            checked(self.url.reveal())
        except ValueError as error:
            yield "url", str(error)
            return
        if self.management is not None and not self.management.reveal().startswith(("http://", "https://")):
            yield "management", "is no address of a web server; expected `http://USER:PASSWORD@HOST:15672`"
        if self.management is not None and self.is_redis:
            yield "management", "is RabbitMQ's, and the broker is Redis; leave it out"
        yield from self._check_sentinels()
        yield from self._check_tls()

    def _check_sentinels(self) -> Problems:
        if self.sentinels() is not None and not self.master_name:
            yield "master_name", "is missing; expected the primary's name, as the sentinels know it"
        given = self.master_name or self.sentinel_user or self.sentinel_password
        if self.sentinels() is None and given:
            yield "master_name", "is for sentinels, and `url` names none; expected `sentinel://HOST:26379`"

    def _check_tls(self) -> Problems:
        yield from self.check_trust()
        if not (self.ca_file or self.client_cert) or scheme_of(self.url.reveal()) in ("rediss", "amqps"):
            return
        if self.sentinels() is not None:
            yield "url", "has sentinels, which are asked without TLS; expected `rediss://` and the primary's own name"
        else:
            yield "url", "has no TLS, and certificates are given; expected `rediss://` or `amqps://`"
