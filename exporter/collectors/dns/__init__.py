"""Name servers, asked from outside: whether they answer, how soon, and whether the records are as expected."""

from collections.abc import Iterator, Sequence
from typing import Any

from exporter.address import parse
from exporter.certificatemetrics import library_lacking, shown_samples
from exporter.collector import Context, Trouble
from exporter.collectors.dns.library import library
from exporter.collectors.dns.settings import PORTS, DNSSettings, Records
from exporter.collectors.dns.visit import Visit
from exporter.deadline import Cancel, Deadline
from exporter.exchange import trouble as meaning
from exporter.metric import Samples, gauge
from exporter.pattern import found_in
from exporter.probeline import Place
from exporter.probemetrics import BY_PATTERN, METRICS, sight_samples
from exporter.probing import Finding, MismatchError, Probe, told_by_pattern

__all__ = ["DNS", "METRICS"]

DURATION = gauge(
    "probe_dns_duration_seconds",
    "How long each phase took: resolve, which finds the server's address, connect, with TLS, and request.",
    labels=("phase",),
    source="the probe",
)
ANSWER = gauge("probe_dns_answer_rrs", "How many records the answer has.", source="the answer")
AUTHORITY = gauge("probe_dns_authority_rrs", "How many records of authority there are.", source="the answer")
ADDITIONAL = gauge("probe_dns_additional_rrs", "How many additional records there are.", source="the answer")
SERIAL = gauge(
    "probe_dns_serial", "The serial number of the zone, where records of the type SOA are asked for.",
    source="the answer",
)  # fmt: skip
ANSWERED = gauge(
    "probe_dns_query_succeeded",
    "1 where an answer came that can be read, whatever it says, 0 where none did.",
    source="the probe",
)


class DNS(Probe):
    """A name server, asked for records of a name."""

    Settings = DNSSettings
    settings: DNSSettings

    def __init__(self, settings: DNSSettings, context: Context) -> None:
        super().__init__(settings, context)
        host, port = parse(settings.server, PORTS[settings.transport])
        self._place = Place(host, port, settings.ip_family)

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        visit = Visit(self.settings, self._place, deadline, cancel)
        found: Trouble | None = None
        try:
            visit.go()
            _hold(visit.answer, self.settings)
        except Trouble as trouble:
            found = trouble
        except (OSError, ValueError) as error:
            found = meaning(self.settings.server, deadline, error)
        return Finding(tuple(_samples(visit, found)), deadline.spent(), found, library_lacking(visit.sight.shown))


def _samples(visit: Visit, trouble: Trouble | None) -> Samples:
    sight, answer = visit.sight, visit.answer
    yield from sight_samples(sight)
    yield DURATION(sight.resolve, phase="resolve")
    yield DURATION(sight.connect + sight.tls if sight.address else None, phase="connect")
    yield DURATION(visit.request, phase="request")
    yield ANSWERED(answer is not None)
    yield from shown_samples(sight.shown)
    if answer is None:
        return
    yield BY_PATTERN(told_by_pattern(trouble))
    yield ANSWER(len(answer.answer))
    yield AUTHORITY(len(answer.authority))
    yield ADDITIONAL(len(answer.additional) + (answer.opt is not None))
    if visit.settings.query_type.upper() == "SOA":
        yield SERIAL(_serial(answer))


def _serial(answer: Any) -> int | None:
    soa = library().rdatatype.SOA
    return next((one[0].serial for one in answer.answer if one.rdtype == soa), None)


def _hold(answer: Any, settings: DNSSettings) -> None:
    """Raise Trouble where the answer is not as it should be; the first thing that is not counts."""
    rcode = library().rcode
    code = rcode.to_text(answer.rcode())
    if code not in [rcode.to_text(rcode.from_text(wanted)) for wanted in settings.rcodes]:
        raise Trouble(
            f"the answer has the code {code}", "ask by hand, as with dig, or add it to `rcodes` where it is meant"
        )
    if code == "NOERROR" and len(answer.answer) < settings.min_answers:
        fix = "see whether the name has such records, or lower `min_answers`"
        raise Trouble(f"the answer has {len(answer.answer)} records, fewer than {settings.min_answers}", fix)
    for section in ("answer", "authority", "additional"):
        _hold_records(section, getattr(settings, section), getattr(answer, section))


def _hold_records(section: str, wanted: Records, records: Sequence[Any]) -> None:
    if not any(wanted.patterns()):
        return
    texts = [_text(record) for record in records]
    for where, problem in _problems(wanted, texts):
        fix = "ask by hand, as with dig, and compare the records with the pattern"
        raise MismatchError(f"{problem} {section}.{where}", fix, by_pattern=True)


def _problems(wanted: Records, texts: list[bytes]) -> Iterator[tuple[str, str]]:
    for number, pattern in enumerate(wanted.some):
        if not any(found_in(pattern, text) for text in texts):
            yield f"some[{number}]", "no record has the pattern"
    for number, pattern in enumerate(wanted.every):
        if not texts or not all(found_in(pattern, text) for text in texts):
            yield f"every[{number}]", "not every record has the pattern"
    for number, pattern in enumerate(wanted.none):
        if any(found_in(pattern, text) for text in texts):
            yield f"none[{number}]", "a record has the pattern"


def _text(record: Any) -> bytes:
    """Return a record as zone files have it, tabs between its parts."""
    dns = library()
    parts = (record.name, record.ttl, dns.rdataclass.to_text(record.rdclass), dns.rdatatype.to_text(record.rdtype))
    return "\t".join([*map(str, parts), record[0].to_text() if record else ""]).encode()
