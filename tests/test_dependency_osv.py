"""Advisories of OSV, by its documented answers on this machine: what they mean, and what is none of them."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.dependency import osv as osv_module
from exporter.collectors.dependency.advice import Records, advisories
from exporter.collectors.dependency.found import Advisory, Package
from exporter.collectors.dependency.osv import Source, Wait
from exporter.collectors.dependency.running import Way
from exporter.collectors.dependency.settings import DependencySettings
from exporter.deadline import Deadline
from exporter.secret import SecretURL
from tests.apiserver import API, Asked, Said, api
from tests.dependencies import BATCH, JINJA, in_turn, publish, queries, record, source

ONE = Package("one", "1.0")
V2_HIGH = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V3_MEDIUM = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"
V3_CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.fixture
def osv() -> Iterator[API]:
    with api() as server:
        yield server


def asked(server: API, ecosystem: str = "PyPI", seconds: float = 10.0) -> Source:
    settings = DependencySettings(projects={}, osv_url=SecretURL(f"{server.url}/"))
    return Source(settings, ecosystem, Way(Deadline(seconds)))


def found(server: API, *packages: Package, records: Records | None = None, ecosystem: str = "PyPI") -> list[Advisory]:
    """Return what is known against packages, asked as a scan asks."""
    records, whom = records or Records(None), asked(server, ecosystem)
    named = whom.named(packages or (ONE,))
    whom.fill(records, named)
    return advisories(named, records)


def severity(server: API, *records: dict[str, Any]) -> str:
    """Return the severity of the one vulnerability that these records are about."""
    source(server, {("one", "1.0"): list(records)})
    (advisory,) = found(server)
    return advisory.severity


def test_what_is_known_against_packages(osv: API) -> None:
    source(osv, {("one", "1.0"): [record("GHSA-aaaa-bbbb-cccc", "one", "MODERATE")]})
    assert found(osv, ONE, Package("two", "2.0")) == [Advisory("one", "1.0", ("GHSA-aaaa-bbbb-cccc",), "medium")]
    assert queries(osv)[1] == {"package": {"name": "one", "ecosystem": "PyPI"}, "version": "1.0"}


def test_nothing_is_known_against_any(osv: API) -> None:
    source(osv, {})
    assert found(osv) == []
    assert [one.path for one in osv.asked] == [BATCH]


def test_a_package_that_is_the_bad_one_itself(osv: API) -> None:
    source(osv, {})
    assert [one.names for one in found(osv, Package("jinja2", "2.4.1"))] == [(JINJA,)]
    assert len(queries(osv)) == 1


def test_a_source_that_knows_nothing_at_all_is_not_believed(osv: API) -> None:
    osv.routes[BATCH] = lambda one: Said({"results": [{} for _ in json.loads(one.body)["queries"]]})
    with pytest.raises(Trouble, match=r"knows nothing against jinja2 2\.4\.1"):
        found(osv)


def test_an_ecosystem_that_the_source_lacks_is_not_believed(osv: API) -> None:
    held = source(osv, {})
    del held["lodash", "4.17.4"]
    with pytest.raises(Trouble, match=r"knows nothing against lodash"):
        found(osv, ecosystem="npm")


def test_a_local_version_is_asked_about_as_the_public_one(osv: API) -> None:
    source(osv, {("torch", "2.1.0"): [record("GHSA-1111-2222-3333", "torch", "LOW")]})
    assert [one.version for one in found(osv, Package("torch", "2.1.0+cpu"))] == ["2.1.0+cpu"]


def test_more_packages_than_one_request_may_name(osv: API) -> None:
    source(osv, {("p1500", "1"): [record("GHSA-cccc-dddd-eeee", "p1500", "HIGH")]})
    assert [one.package for one in found(osv, *(Package(f"p{number}", "1") for number in range(2100)))] == ["p1500"]
    sizes = [len(json.loads(one.body)["queries"]) for one in osv.asked if one.path == BATCH]
    assert sizes == [1000, 1000, 101]


def test_pages_are_asked_for_until_there_is_none(osv: API) -> None:
    first = record("GHSA-aaaa-aaaa-aaaa", "one", "LOW")
    second = record("GHSA-bbbb-bbbb-bbbb", "one", "HIGH")
    bad = {"vulns": [{"id": JINJA, "modified": "x"}]}
    publish(osv, first, second, record(JINJA))
    osv.routes[BATCH] = in_turn(
        Said({"results": [bad, {"vulns": [{"id": first["id"], "modified": "1"}], "next_page_token": "more"}]}),
        Said({"results": [{"vulns": [{"id": second["id"], "modified": "1"}]}]}),
    )
    assert sorted(one.severity for one in found(osv)) == ["high", "low"]
    assert queries(osv)[-1]["page_token"] == "more"
    assert len(queries(osv)) == 3


def test_a_first_page_may_hold_nothing_but_a_token(osv: API) -> None:
    second = record("GHSA-bbbb-bbbb-bbbb", "one", "HIGH")
    publish(osv, second)
    bad = {"vulns": [{"id": JINJA, "modified": "x"}]}
    osv.routes[BATCH] = in_turn(
        Said({"results": [bad, {"next_page_token": "more"}]}),
        Said({"results": [{"vulns": [{"id": second["id"], "modified": "1"}]}]}),
    )
    assert [one.severity for one in found(osv)] == ["high"]


def test_pages_without_end_are_given_up(osv: API) -> None:
    def endless(one: Asked) -> Said:
        return Said({"results": [{"next_page_token": "again"} for _ in json.loads(one.body)["queries"]]})

    osv.routes[BATCH] = endless
    with pytest.raises(Trouble, match="more than 100 pages"):
        found(osv)
    assert osv.count(BATCH) == 100


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said({"error": "x"}, 500), "status 500"),
        (Said({"code": 3, "message": "Invalid query."}, 400), "status 400"),
        (Said({"results": [{"vulns": []}]}), "is not of the form"),
        (Said({}), "is not of the form"),
        (Said({"results": {}}), "is not of the form"),
        (Said({"results": [[], []]}), "is not of the form"),
        (Said({"results": [{"vulns": {}}, {}]}), "is not of the form"),
        (Said({"results": [{"vulnerabilities": []}, {}]}), "is not of the form"),
        (Said({"results": [{"vulns": [{"name": "x"}]}, {}]}), "is not of the form"),
        (Said({"results": [{"vulns": [{"id": "../../x"}]}, {}]}), "is not of the form"),
        (Said({"results": [{"vulns": [{"id": "x/y?z"}]}, {}]}), "is not of the form"),
        (Said([]), "is not of the form"),
        (Said("<html>sign in</html>"), "is HTML"),
        (Said(b""), "is empty"),
        (Said({"results": [{}, {}]}, half=True), "no whole HTTP answer"),
        (Said({}, 302, {"Location": "https://other.example/"}), "redirects"),
    ],
    ids=["500", "400", "one-short", "no-results", "object", "lists", "vulns-object", "renamed", "no-id", "path",
         "query", "list", "html", "empty", "half", "redirect"],
)  # fmt: skip
def test_what_is_no_answer_is_not_taken_for_none_known(osv: API, said: Said, reason: str) -> None:
    osv.routes[BATCH] = said
    with pytest.raises(Trouble, match=reason):
        found(osv)


@pytest.mark.parametrize(
    "change",
    [{"id": "GHSA-xxxx-xxxx-xxxx"}, {"aliases": "CVE-2020-1"}, {"aliases": [7]}, {"affected": {}}],
    ids=["another", "alias-text", "alias-number", "affected-object"],
)
def test_an_advisory_of_another_form_is_told(osv: API, change: dict[str, Any]) -> None:
    good = record("GHSA-aaaa-bbbb-cccc", "one", "HIGH")
    source(osv, {("one", "1.0"): [good]})
    osv.routes[BATCH] = Said({"results": [{"vulns": [{"id": JINJA}]}, {"vulns": [{"id": good["id"]}]}]})
    osv.routes[f"/v1/vulns/{good['id']}"] = Said(good | change)
    with pytest.raises(Trouble, match="an advisory of OSV is not of the form"):
        found(osv)


def test_nobody_listens() -> None:
    with pytest.raises(Trouble, match="cannot be reached"):
        found(API(1))


@pytest.mark.parametrize(("header", "seconds"), [("120", 120.0), ("99999999", 3600.0), ("soon", 0.0), ("-5", 0.0)])
def test_too_many_requests_say_how_long_to_stay_away(osv: API, header: str, seconds: float) -> None:
    osv.routes[BATCH] = Said({"message": "x"}, 429, {"Retry-After": header})
    with pytest.raises(Wait) as wait:
        found(osv)
    assert wait.value.seconds == seconds


def test_what_was_learned_before_a_failure_is_not_asked_for_again(osv: API) -> None:
    records = [record(f"GHSA-aaaa-aaaa-{number:04}", "one", "LOW") for number in range(2000, 2010)]
    source(osv, {("one", "1.0"): records})
    named = [{"id": one["id"], "modified": "1"} for one in records]
    osv.routes[BATCH] = Said({"results": [{"vulns": [{"id": JINJA, "modified": "1"}]}, {"vulns": named}]})
    last = f"/v1/vulns/{records[-1]['id']}"
    kept, good = Records(None), osv.routes[last]
    osv.routes[last] = Said({}, 429)
    with pytest.raises(Wait):
        found(osv, records=kept)
    osv.routes[last] = good
    assert len(found(osv, records=Records(json.loads(json.dumps(kept.kept(used=False)))))) == 10
    assert osv.count(f"/v1/vulns/{records[0]['id']}") == 1
    assert osv.count(last) == 2


def test_an_advisory_that_was_changed_is_asked_for_again(osv: API) -> None:
    held = source(osv, {("one", "1.0"): [record("PYSEC-2024-1", "one", "LOW")]})
    records = Records(None)
    assert [one.severity for one in found(osv, records=records)] == ["low"]
    held["one", "1.0"] = [record("PYSEC-2024-1", "one", "CRITICAL", modified="2026-01-01T00:00:00Z")]
    assert [one.severity for one in found(osv, records=records)] == ["critical"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"database_specific": {"severity": "MODERATE"}}, "medium"),
        ({"database_specific": {"severity": "CRITICAL"}}, "critical"),
        ({"database_specific": {"severity": 7}}, "unknown"),
        ({"database_specific": []}, "unknown"),
        ({"severity": [{"type": "CVSS_V2", "score": V2_HIGH}]}, "high"),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:L/AC:H/Au:M/C:N/I:N/A:P"}]}, "low"),
        ({"severity": [{"type": "CVSS_V3", "score": V3_MEDIUM}]}, "medium"),
        ({"severity": [{"type": "CVSS_V3", "score": V3_CRITICAL}]}, "critical"),
        ({"severity": [{"type": "CVSS_V3", "score": V3_CRITICAL.replace("3.1", "3.0")}]}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": V4}]}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": V4.replace("VC:H/VI:H", "VC:L/VI:N")}]}, "high"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, "unknown"),
        ({"severity": [{"type": "CVSS_V4", "score": V4.replace("AV:N", "AV:Q")}]}, "unknown"),
        ({"severity": [{"type": "CVSS_V4", "score": V4}, {"type": "CVSS_V3", "score": V3_MEDIUM}]}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": V4}], "database_specific": {"severity": "HIGH"}}, "high"),
        ({"severity": [{"type": "Ubuntu", "score": "negligible"}]}, "low"),
        ({"severity": [{"type": "CVSS_V3", "score": "9.8"}]}, "unknown"),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L"}]}, "unknown"),
        ({"severity": [{"type": "CVSS_V3", "score": V3_CRITICAL.replace("S:U", "S:X")}]}, "unknown"),
        ({"severity": "high"}, "unknown"),
        ({"severity": [{"type": "CVSS_V3", "score": 9.8}, "x"]}, "unknown"),
        ({}, "unknown"),
    ],
    ids=["moderate", "critical", "number", "no-object", "v2-high", "v2-low", "v3-medium", "v3-critical", "v3.0", "v4",
         "v4-high", "v4-cut", "v4-strange", "v4-and-v3", "v4-and-word", "ubuntu", "score", "cut", "scope", "text",
         "strange", "none"],
)  # fmt: skip
def test_a_severity_in_each_of_its_forms(osv: API, told: dict[str, Any], expected: str) -> None:
    assert severity(osv, record("GHSA-aaaa-bbbb-cccc", "one", **told)) == expected


def test_what_was_judged_without_the_library_is_judged_anew_with_it(osv: API, monkeypatch: pytest.MonkeyPatch) -> None:
    source(osv, {("one", "1.0"): [record("GHSA-v4v4-v4v4-v4v4", "one", severity=[{"type": "CVSS_V4", "score": V4}])]})
    records = Records(None)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cvss", None)
        without.setattr(osv_module, "versions", lambda: "")
        assert [one.severity for one in found(osv, records=records)] == ["unknown"]
    assert [one.severity for one in found(osv, records=records)] == ["critical"]
    assert [one.severity for one in found(osv, records=records)] == ["critical"]
    assert osv.count("/v1/vulns/GHSA-v4v4-v4v4-v4v4") == 2


def test_what_is_said_of_the_package_goes_before_what_is_said_of_all(osv: API) -> None:
    affected = [
        {"package": {"name": "One", "ecosystem": "PyPI"}, "severity": [{"type": "CVSS_V3", "score": V3_MEDIUM}]},
        {"package": {"name": "other", "ecosystem": "PyPI"}, "severity": [{"type": "CVSS_V3", "score": V3_CRITICAL}]},
    ]
    assert severity(osv, record("OSV-1", "one", affected=affected)) == "medium"
    words = [{**affected[0], "database_specific": {"severity": "LOW"}}]
    assert severity(osv, record("OSV-1", "one", "CRITICAL", affected=words, modified="2")) == "low"


def test_several_names_of_one_vulnerability_count_once(osv: API) -> None:
    records = [
        record("PYSEC-2019-217", "one", aliases=["CVE-2019-10906"]),
        record("GHSA-462w-v97r-4m46", "one", "HIGH", aliases=["CVE-2019-10906"]),
        record("GHSA-zzzz-zzzz-zzzz", "one", "LOW"),
    ]
    source(osv, {("one", "1.0"): records})
    assert found(osv) == [
        Advisory("one", "1.0", ("CVE-2019-10906", "GHSA-462w-v97r-4m46", "PYSEC-2019-217"), "high"),
        Advisory("one", "1.0", ("GHSA-zzzz-zzzz-zzzz",), "low"),
    ]


def test_names_that_meet_only_by_a_third_count_once(osv: API) -> None:
    records = [record("A-1", "one", aliases=["C-1"]), record("B-1", "one", aliases=["C-2"]),
               record("D-1", "one", "LOW", aliases=["C-1", "C-2"])]  # fmt: skip
    source(osv, {("one", "1.0"): records})
    assert [one.names for one in found(osv)] == [("A-1", "B-1", "C-1", "C-2", "D-1")]


def test_two_versions_of_a_package_have_a_vulnerability_once(osv: API) -> None:
    bad = [record("GHSA-aaaa-bbbb-cccc", "one", "HIGH")]
    source(osv, {("one", "1.0"): bad, ("one", "1.1"): bad})
    assert len(found(osv, ONE, Package("one", "1.1"), ecosystem="npm")) == 1


def test_what_was_taken_back_does_not_count(osv: API) -> None:
    source(osv, {("one", "1.0"): [record("GHSA-aaaa-bbbb-cccc", "one", "HIGH", withdrawn="2024-02-02T00:00:00Z")]})
    assert found(osv) == []


def test_a_name_that_was_taken_back_leaves_the_others(osv: API) -> None:
    gone = record("GHSA-aaaa-bbbb-cccc", "one", "CRITICAL", withdrawn="2024-02-02T00:00:00Z", aliases=["CVE-1"])
    assert severity(osv, gone, record("PYSEC-1", "one", "LOW", aliases=["CVE-1"])) == "low"
