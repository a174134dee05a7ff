"""The health report."""

import json

import pytest

from exporter.collector import Trouble
from exporter.health import report
from tests.engine import Bench, Script, gives, raises, settings
from tests.support import until

GOOD = Script({"a": gives("a")})
PARTLY = Script({"a": gives("a"), "b": raises(Trouble("the table is locked")), "c": raises(Trouble("no such file"))})
DOWN = Script({"a": raises(Trouble("connection refused"))})


def checks(**scripts: tuple[Script, bool]) -> dict[str, object]:
    """Return the report over these targets, each given with whether it is critical."""
    targets = [settings(script, name, critical=critical) for name, (script, critical) in scripts.items()]
    with Bench(*targets) as bench:
        return report(bench.targets(), bench.read(bench.targets(), 5), 1_800_000_000.5)


@pytest.mark.parametrize(
    ("scripts", "verdict", "summary"),
    [
        ({}, "healthy", (0, 0, 0, 0, 0)),
        ({"a": (GOOD, True), "b": (GOOD, False)}, "healthy", (2, 2, 0, 0, 0)),
        ({"a": (GOOD, True), "b": (PARTLY, True)}, "degraded", (2, 1, 1, 0, 0)),
        ({"a": (GOOD, True), "b": (DOWN, False)}, "degraded", (2, 1, 1, 0, 0)),
        ({"a": (GOOD, True), "b": (DOWN, False), "c": (DOWN, True)}, "critical", (3, 1, 1, 1, 0)),
    ],
)
def test_the_verdict(scripts: dict[str, tuple[Script, bool]], verdict: str, summary: tuple[int, ...]) -> None:
    found = checks(**scripts)
    assert found["status"] == verdict
    names = ("total", "healthy", "unhealthy", "critical", "unknown")
    assert found["summary"] == dict(zip(names, summary, strict=True))


def test_the_shape() -> None:
    found = checks(shop=(GOOD, True), orders=(PARTLY, True), mail=(DOWN, False))
    assert json.loads(json.dumps(found)) == found
    assert list(found) == ["status", "timestamp", "checks", "summary"]
    assert found["timestamp"] == "2027-01-15T08:00:00Z"
    shown = [{key: check[key] for key in ("name", "status", "message")} for check in found["checks"]]  # type: ignore[attr-defined]
    assert shown == [
        {"name": "shop", "status": "healthy", "message": "every read that applies works"},
        {"name": "orders", "status": "unhealthy", "message": "b: the table is locked; c: no such file"},
        {"name": "mail", "status": "unhealthy", "message": "connection refused"},
    ]


def test_what_nobody_knows_yet_is_unknown_and_no_reason_for_alarm() -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"a": gives("a")}, connecting=lambda: gate.wait(20))
        bench.apply([settings(script, interval=600)])
        found = report(bench.targets(), bench.read(bench.targets(), 5), 0)
        assert (found["status"], found["summary"]["unknown"]) == ("healthy", 1)
        assert found["checks"][0]["message"] == "its first round has not ended yet"
        gate.set()
        until(lambda: bench.look().up)
        found = report(bench.targets(), bench.read(bench.targets(), 5), 0)
        assert (found["status"], found["summary"]["unknown"]) == ("healthy", 0)
