"""The rules of backups on pages that the real collector gives of them, each laid out over hours for promtool."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.backups import aged, dump, fill, unjudged, watching
from tests.laidout import Clock, Page, alerts_of, disagreement, figures, firing, series
from tests.onetarget import One
from tests.postgres import PASSWORD, Cluster, server
from tests.support import until

DAY: Final = 86_400.0
WRONG: Final = range(2, 17)
"""The steps at which something is wrong: as long as the most patient alert waits, and a bit."""
ENDS: Final = 30
PLACE: Final = 'job="runbook-exporter",instance="shop:10420",target="backups"'
ALERTS: Final = alerts_of("backup")
EXPORT: Final = json.dumps({"version": "1.0.0", "rows": list(range(100))})
TOLD: Final[Mapping[str, set[tuple[str, str]]]] = {
    "well": set(),
    "late": {("BackupOverdue", "age")},
    "never": {("BackupOverdue", "never"), ("RecoveryPointExceeded", "never")},
    "promised": {("RecoveryPointExceeded", "age")},
    "damaged": {("BackupCorrupt", "file"), ("BackupOverdue", "age")},
    "tiny": {("BackupCorrupt", "file"), ("BackupOverdue", "age"), ("BackupShrunk", "")},
    "unjudged": {("BackupNotVerified", "")},
    "shrunk": {("BackupShrunk", "")},
    "hoarded": {("BackupRetentionExceeded", "")},
    "short": {("BackupRetentionShort", "")},
    "emptied": {("BackupRetentionShort", "none")},
    # dumps that say themselves that they are a month older than their files, as the clock here is ahead
    "restored": {("RestoreTestOverdue", "age"), ("RecoveryTimeExceeded", ""), ("BackupOverdue", "age")},
    "lacking": {("BackupCorrupt", "restore"), ("RestoreTestOverdue", "age"), ("BackupOverdue", "age")},
}
"""What fires of each backup, and which part of the rule says so."""
NEW: Final = {"never", "restored"}
"""Backups that are on the page only while something is wrong, as they are never well."""
READ: Final = {"well", "damaged", "restored", "lacking"}
"""Backups that are read as what they are; a command says of the others that they are whole, as that is quick."""


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    with pytest.MonkeyPatch.context() as patch:
        here = Clock()
        patch.setattr(time, "time", here)
        yield here


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as found:
        fill(found)
        for role in ("restorer", "other"):
            found.sql(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        yield found


def configured(folder: Path, cluster: Cluster) -> str:
    def restore(role: str, more: str) -> str:
        return f'restore: {{postgres: "{cluster.url("postgres", role)}", {more}}}'

    more = {
        "never": "recovery_point: 1h",
        "promised": "recovery_point: 1h",
        "tiny": "min_size: 100",
        "restored": f"recovery_time: 1ms, {restore('restorer', 'interval: 31d')}",
        "lacking": restore("other", "interval: 31d, least_rows: {public.orders: 6000}"),
    }
    says = {name: "command: ['true']" for name in TOLD if name not in READ}
    says["unjudged"] = f"command: [test, -e, {folder}/can], cannot: [1]"
    settings = {
        name: ", ".join(
            [f"path: {folder}/{name}, at_rest: 0s, retention: 30d"]
            + ([more[name]] if name in more else [])
            + ([f"format: command, check_command: {{{says[name]}}}"] if name in says else [])
        )
        for name in TOLD
    }
    return "\n".join(f"{name}: {{{told}}}" for name, told in settings.items())


def put(folder: Path, name: str, text: str = EXPORT, age: float = 1000.0, file: str = "new") -> Path:
    path = folder / name / f"{file}.json"
    path.write_text(text)
    return aged(path, age)


def begin(folder: Path, cluster: Cluster) -> None:
    """Have a whole one of each, but of the one that there never is one of."""
    (folder / "can").touch()
    for name in TOLD:
        (folder / name).mkdir()
        if name not in ("never", "restored", "lacking"):
            put(folder, name, age=2 * DAY if name == "hoarded" else 1000, file="first")
    put(folder, "hoarded", file="second")
    for name in ("restored", "lacking"):
        aged(dump(cluster, folder / name / "first.dump", "-Fc"), 1000)


def go_on(folder: Path, cluster: Cluster) -> None:
    """Make the next ones, a month later: each in its own way not as it should be."""
    for name in ("well", "hoarded", "short", "emptied"):
        put(folder, name)
    put(folder, "promised", age=7200)
    put(folder, "damaged", EXPORT[:-30])
    put(folder, "tiny", "[]" + " " * 90)
    put(folder, "shrunk", json.dumps(list(range(40))))
    (folder / "short" / "first.json").unlink()
    cluster.sql("DELETE FROM orders WHERE id = 1", database="shop")
    cluster.sql("ALTER ROLE restorer NOLOGIN")
    for name in ("restored", "lacking"):
        aged(dump(cluster, folder / name / "new.dump", "-Fc"), 1000)


def page(target: One) -> Page:
    """Return the figures of a round."""
    return figures(target.text(), "runbook_backup_", time.time())


def settled(target: One, wanted: Mapping[str, float]) -> Page:
    """Return a page once these figures are on it, by name and backup."""
    last = [-1.0, 0.0]
    found: Page = {}

    def are_there() -> bool:
        if time.monotonic() - last[0] < 0.3:  # rounds take from what they wait for
            return False
        found.clear()
        found.update(page(target))
        last[0] = time.monotonic()
        return all(found.get(series) == value for series, value in wanted.items())

    until(are_there, 60)
    return found


def of(name: str, *backups: str, value: float = 1) -> dict[str, float]:
    return {f'runbook_backup_{name}{{backup="{backup}"}}': value for backup in backups}


@pytest.fixture(scope="module")
def pages(clock: Clock, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Page]:
    """Return the page while all is well, and a month later, when hardly anything is."""
    folder = tmp_path_factory.mktemp("backups")
    begin(folder, cluster)
    with watching(configured(folder, cluster), tmp_path_factory.mktemp("state")) as target:
        made = [name for name in TOLD if name != "never"]
        well = settled(target, of("verified", *made) | of("restore_test_success", "restored", "lacking"))
        clock.ahead += 30 * DAY
        put(folder, "unjudged")
        settled(target, of("verified", *made))
        (folder / "can").unlink()
        put(folder, "unjudged", age=100, file="next")
        unjudged(target)
        clock.ahead += DAY + 5400
        go_on(folder, cluster)
        whole = [name for name in made if name not in ("damaged", "tiny", "unjudged")]
        wanted = of("verified", *whole) | of("verified", "damaged", "tiny", value=0) | of("files", "emptied", value=2)
        settled(target, wanted | of("restore_test_success", "lacking", value=0))
        for file in (folder / "emptied").iterdir():
            file.unlink()
        return well, settled(target, of("files", "emptied", value=0))


def of_those_that_were_well(page: Page) -> Page:
    return {series: value for series, value in page.items() if not any(f'backup="{new}"' in series for new in NEW)}


def rule(alert: str, part: str) -> dict[str, Any]:
    (found,) = [one for one in ALERTS if (one["alert"], one["labels"].get("part", "")) == (alert, part)]
    return found


def test_what_is_wrong_fires_under_its_own_name_alone_and_ends(pages: tuple[Page, Page], tmp_path: Path) -> None:
    well, wrong = of_those_that_were_well(pages[0]), pages[1]
    given = list(series(PLACE, [(0, well), (WRONG[0], wrong), (WRONG[-1] + 1, well)], ENDS))
    told = [firing(PLACE, rule(*one), backup=backup) for backup, alerts in TOLD.items() for one in sorted(alerts)]
    assert disagreement("backup", given, {WRONG[0] - 1: [], WRONG[-1]: told, ENDS - 1: []}, tmp_path) == ""


def test_every_alert_is_among_them_but_one_that_takes_a_day() -> None:
    known = {(one["alert"], one["labels"].get("part", "")) for one in ALERTS}
    assert known - set().union(*TOLD.values()) == {("RestoreTestOverdue", "never")}
