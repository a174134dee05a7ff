"""Samples to text, judged by prometheus_client's parser and by promtool."""

import math
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition import Prefixes, join, number, render, render_blocks
from exporter.metric import Histogram, Metric, Sample, Samples, Summary
from tests.engine import series_of

TEXT = Metric("test_text", "gauge", "Text.", labels=("text",), source="the test")
PLAIN = Metric("test_plain", "gauge", "A number.", source="the test")
COUNT = Metric("runbook_test_events_total", "counter", "Events.", labels=("kind", "code"), source="the test")
TIME = Metric("runbook_test_time_seconds", "histogram", "Times.", labels=("path",), source="the test")


def made(*samples: Sample | None) -> list[Sample]:
    return [sample for sample in samples if sample is not None]


def parsed(page: str) -> list[tuple[str, dict[str, str], float]]:
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    ]


def read_back(text: str) -> str:
    ((_, labels, _),) = parsed(render(made(TEXT(1, text=text))))
    return labels["text"]


def numbers() -> Samples:
    for value in (0, -0.0, 1e300, 5e-324, 2**63, 0.1, math.nan, math.inf, -math.inf):
        yield TEXT(value, text=repr(value))


def test_a_page(golden: Callable[[str, str], None]) -> None:
    samples = made(
        *numbers(),
        COUNT(7, kind="a", code="200"),
        TIME(Histogram(((0.1, 2), (1, 5), (math.inf, 6))[:2], 6, 3.25), path="/"),
        TIME(Histogram(((0.1, 0), (1, 1)), 1, 0.5), path="/b"),
        COUNT(8, kind="b", code="500"),
        PLAIN(3),
        *(TEXT(1, text=text) for text in ("", '"\\\n\t\0', "日本語 ελληνικά עברית 🦆", "\udc80", "\u202eabc")),
    )
    golden("engine_page.prom", render(samples))


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b", '"', "\\", "\\n", "\n", "\n\n", "\t", "\r", "\r\n", "\x85\u2028\x0b\x0c", "a" * 10_000, "}",
        "{a=\"b\"}", "# HELP", "日本語", "ελληνικά", "עברית", "العربية", "हिन्दी", "ไทย",
        "🦆👩‍👩‍👧", "\u202e\u200f", "ﬀ", "\ufeff", "\x7f\x1b[0m",
        "\\\\\"\n\\", ",", "=", "a,b=\"c\"",
    ],
)  # fmt: skip
def test_label_values_come_back_as_they_were(text: str) -> None:
    assert read_back(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\0", "\\x00"), ("a\0b\n", "a\\x00b\n"), ("\udc80.txt", "\\udc80.txt"), ("é\udcff", "é\\udcff")],
)
def test_what_a_page_cannot_hold_is_shown_in_its_place(text: str, shown: str) -> None:
    assert read_back(text) == shown
    render(made(TEXT(1, text=text))).encode()


@given(st.text())
def test_any_label_value_comes_back(text: str) -> None:
    assert read_back(text) == text.replace("\0", "\\x00")


@given(st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010, exclude_categories=()), max_size=8))
def test_any_file_name_gives_a_page(text: str) -> None:
    render(made(TEXT(1, text=text))).encode()


@given(st.floats() | st.integers())
def test_any_number_comes_back(value: float) -> None:
    ((_, _, back),) = parsed(render(made(PLAIN(value))))
    if math.isnan(value):
        assert math.isnan(back)
    else:
        assert (float(back), math.copysign(1, back)) == (float(value), math.copysign(1, value))


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (-0.0, "-0.0"), (1e300, "1e+300"), (2**64, str(2**64)),
     (10**308, str(10**308)), (10**400, "+Inf"), (-(10**400), "-Inf"),
     (1.7976931348623157e308, "1.7976931348623157e+308")],
)  # fmt: skip
def test_numbers_as_prometheus_writes_them(value: float, text: str) -> None:
    assert number(value) == text


def test_help_is_escaped_and_ends_with_the_source() -> None:
    metric = Metric("test_help", "gauge", 'A \\ and\na "line" \udc80\0.', source="a\\b")
    page = render(made(metric(1)))
    assert page.startswith(
        '# HELP test_help A \\\\ and\\na "line" \\\\udc80\\\\x00. Source: a\\\\b.\n# TYPE test_help gauge\n'
    )
    (family,) = text_string_to_metric_families(page)
    assert family.documentation == 'A \\ and\na "line" \\udc80\\x00. Source: a\\b.'


def test_histograms() -> None:
    page = render(made(TIME(Histogram(((0.1, 2), (1, 5)), 6, math.nan), path="/")))
    assert series_of(page) == {
        'runbook_test_time_seconds_bucket{path="/",le="0.1"}': "2",
        'runbook_test_time_seconds_bucket{path="/",le="1"}': "5",
        'runbook_test_time_seconds_bucket{path="/",le="+Inf"}': "6",
        'runbook_test_time_seconds_sum{path="/"}': "NaN",
        'runbook_test_time_seconds_count{path="/"}': "6",
    }


def test_a_family_stands_once_and_is_not_interleaved() -> None:
    one, _ = render_blocks(made(PLAIN(1), TEXT(1, text="a"), PLAIN(1), COUNT(1, kind="a", code="1")), "one", {})
    two, _ = render_blocks(made(COUNT(2, kind="a", code="1"), TEXT(2, text="a"), PLAIN(2)), "two", {})
    page = join([one, two]).splitlines()
    families = [line.split("{")[0] for line in page if not line.startswith("#")]
    assert families == ["test_plain"] * 3 + ["test_text"] * 2 + ["runbook_test_events_total"] * 2
    assert sum(line.startswith("# TYPE test_plain ") for line in page) == 1
    assert sum(line.startswith("# HELP test_plain ") for line in page) == 1


def test_two_metrics_of_one_name_share_a_header() -> None:
    again = Metric("test_plain", "gauge", "Another.", source="the test")
    page = join([render_blocks(made(PLAIN(1)), "one", {})[0], render_blocks(made(again(2)), "two", {})[0]])
    assert page.count("# TYPE") == 1
    assert series_of(page) == {'test_plain{target="one"}': "1", 'test_plain{target="two"}': "2"}


def test_the_target_stands_last_and_is_escaped() -> None:
    blocks, _ = render_blocks(made(COUNT(1, kind="a", code="1"), PLAIN(2)), 'a"b', {})
    assert series_of(join([blocks])) == {
        'runbook_test_events_total{kind="a",code="1",target="a\\"b"}': "1", 'test_plain{target="a\\"b"}': "2",
    }  # fmt: skip


def test_kept_label_parts_give_the_same_page_and_vanished_series_are_forgotten() -> None:
    samples = made(*(TEXT(n, text=f"é{n}\n") for n in range(50)), PLAIN(1), TIME(Histogram((), 1, 1), path="/"))
    first, kept = render_blocks(samples, "t", {})
    again, same = render_blocks(samples, "t", kept)
    assert join([again]) == join([first])
    assert same == kept
    assert same[TEXT][("é7\n",)] is kept[TEXT][("é7\n",)]
    _, left = render_blocks(samples[:1], "t", kept)
    assert {metric: list(parts) for metric, parts in left.items()} == {TEXT: [("é0\n",)]}


SIZES = Metric("test_sizes", "summary", "Sizes.", labels=("path",), source="the test")


def rendered(value: Histogram | Summary, kept: Prefixes) -> tuple[str, Prefixes]:
    metric = TIME if isinstance(value, Histogram) else SIZES
    blocks, parts = render_blocks([Sample(metric, ("/",), value)], "t", kept)
    return join([blocks]), parts


@pytest.mark.parametrize(
    ("first", "same_bounds", "others"),
    [
        (Histogram(((1, 2), (2, 3)), 4, 5.0), Histogram(((1, 3), (2, 6)), 7, 8.5), Histogram(((1, 3), (3, 6)), 7, 8.5)),
        (Summary(((0.5, 2.0), (0.9, 3.0)), 4, 5.0), Summary(((0.5, 1.0), (0.9, 9.0)), 5, 6.0), Summary((), 5, 6.0)),
    ],
)
def test_label_parts_of_a_distribution_are_kept_until_its_bounds_change(
    first: Histogram | Summary, same_bounds: Histogram | Summary, others: Histogram | Summary
) -> None:
    _, kept = rendered(first, {})
    page, again = rendered(same_bounds, kept)
    assert page == rendered(same_bounds, {})[0] != rendered(first, {})[0]
    (before,), (after,) = kept.values(), again.values()
    assert after["/",] is before["/",]
    page, changed = rendered(others, again)
    assert page == rendered(others, {})[0]
    assert changed != again


def test_no_samples_give_an_empty_page() -> None:
    assert render([]) == ""


def test_a_hundred_thousand_series() -> None:
    samples = made(*(TEXT(n, text=str(n)) for n in range(100_000)))
    found = series_of(render(samples))
    assert len(found) == 100_000
    assert found['test_text{text="99999"}'] == "99999"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=5), st.floats()), max_size=30))
def test_any_page_is_read_back_whole(rows: list[tuple[str, str, float]]) -> None:
    samples = {(kind, code): value for kind, code, value in rows}
    page = render(made(*(COUNT(value, kind=kind, code=code) for (kind, code), value in samples.items())))
    back = {(labels["kind"], labels["code"]): value for _, labels, value in parsed(page)}
    expected = {(kind, code.replace("\0", "\\x00")): value for (kind, code), value in samples.items()}
    assert repr(back) == repr(expected)


def test_promtool_is_content(golden: Callable[[str, str], None]) -> None:
    samples = made(
        COUNT(7, kind='q"\\\n\r\t', code="日本\u202e\udc80\0"), TIME(Histogram(((0.1, 2), (1, 5)), 6, 3.25), path=""),
        Metric("runbook_test_ratio", "gauge", "A ratio.", source="a\\b\nc")(math.nan),
        Metric("runbook_test_bytes", "gauge", "A size.", source="the test")(10**400),
        Metric("runbook_test_size_bytes", "gauge", "A size.", source="the test")(-0.0),
        Metric("runbook_test_info", "gauge", "A version.", labels=("version",), source="the test")(
            1, version="a" * 10_000
        ),
    )  # fmt: skip
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=render(samples).encode(), capture_output=True, timeout=20, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
