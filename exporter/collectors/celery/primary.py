"""Which Redis server is the one to talk to: that of the address, or the one that sentinels name now."""

import dataclasses
import ssl
from collections.abc import Callable
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.redis.address import Address
from exporter.collectors.redis.line import Bounds
from exporter.collectors.redis.reply import Refusal, StrangeError
from exporter.collectors.redis.trouble import Denied, broken, refused

_SECONDS: Final = 3.0  # for one sentinel; the next is asked then
_UNKNOWN: Final = "correct `master_name`: it is the `sentinel monitor` name, `master_name` of the transport options"


class _UnreachableError(Trouble):
    pass


def primary(settings: CelerySettings) -> Address:
    """Return where the server is; sentinels are asked anew each time, so that a failover is followed."""
    sentinels = settings.sentinels()
    if sentinels is None:
        return settings.redis_address()
    failed: list[Trouble] = []  # what one answered comes first: it says more than that another is not there
    for host, port in sentinels.places:
        place = Address(host, port, "", tls=False, user=settings.sentinel_user, database=0,
                        password=settings.sentinel_password.reveal() if settings.sentinel_password else "")  # fmt: skip
        try:
            found = _asked(place, settings.master_name, settings.context)
        except Trouble as trouble:
            failed.insert(len(failed) if isinstance(trouble, _UnreachableError) else 0, trouble)
            continue
        return dataclasses.replace(sentinels.primary, host=found[0], port=found[1])
    kind = Denied if isinstance(failed[0], Denied) else Trouble
    raise kind(f"no sentinel names the primary: {failed[0]}", failed[0].fix)


def _asked(place: Address, name: str, context: Callable[[], ssl.SSLContext]) -> tuple[str, int]:
    """Return what one sentinel says."""
    from exporter.collectors.redis.wire import RefusedError, Wire

    wire = Wire(place, context, Bounds(_SECONDS))
    try:
        wire.open()
        (answer,) = wire.ask([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)])
    except RefusedError as error:
        raise _of_sentinel(refused(error.answer), place) from None
    except (OSError, StrangeError) as error:
        trouble = broken(error, place, _SECONDS)
        raise _UnreachableError(str(trouble), trouble.fix) from None
    finally:
        wire.close()
    return _place(answer, place, name)


def _place(answer: Any, place: Address, name: str) -> tuple[str, int]:
    if answer is None:
        raise Trouble(f"the sentinel {place.place} knows no `{name}`", _UNKNOWN)
    if isinstance(answer, Refusal):
        raise _of_sentinel(refused(answer, "sentinel|get-master-addr-by-name"), place)
    try:
        host, port = answer
        return host.decode(), int(port)
    except (TypeError, ValueError, AttributeError):
        raise Trouble(f"{place.place} does not answer as a sentinel does", "see what listens there") from None


def _of_sentinel(trouble: Trouble, place: Address) -> Trouble:
    fix = trouble.fix.replace("`url`", "`sentinel_password`").replace("`password_file`", "`sentinel_password_file`")
    return Denied(f"the sentinel {place.place} refuses us ({trouble})", fix)
