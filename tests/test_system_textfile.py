"""Text files: shown as they are, or left out with a reason."""

import math
import os
import string
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings, System
from exporter.collectors.system.host import Host
from exporter.collectors.system.textfile import TextFiles, textfile, textfile_refused
from exporter.collectors.system.textformat import Family, Malformed, parse
from exporter.exposition import render
from exporter.metric import CATALOGUE, Histogram, Metric, Sample, Summary
from tests.engine import CONTEXT
from tests.hang_fs import mounted, need_fuse
from tests.support import until

TIMEOUT = 0.3
SLACK = 1.0  # for a busy machine
made: list[Host] = []

GOOD = {
    "apt.prom": """\
# HELP dnf_upgrades_pending Apt packages \\\\ pending\\nupdates by origin.
# TYPE dnf_upgrades_pending gauge
dnf_upgrades_pending{origin="Debian:stable", arch="amd64",} 3
dnf_upgrades_pending{arch="all"} 0
# a comment

# TYPE node_reset_required gauge
node_reset_required 1e0
""",
    "batch.prom": """\
# HELP batch_seconds Duration.
# TYPE batch_seconds summary
batch_seconds{step="a",quantile="0.5"} 0.25
batch_seconds{step="a",quantile="0.99"} NaN
batch_seconds_sum{step="a"} 17.5
batch_seconds_count{step="a"} 4
# TYPE batch_size histogram
batch_size_bucket{le="+Inf"} 5
batch_size_bucket{le="1"} 2
batch_size_bucket{le="10.0"} 5
batch_size_sum 23
batch_size_count 5
\tbatch_runs_total\t  1.7e+09
# TYPE job_ok gauge
job_ok{name="nightly",note="say \\"hi\\"\\\\\\n"} +Inf
""",
    "other.prom": '# TYPE job_ok gauge\njob_ok{name="weekly"} -0.5\njob_ok{name="monthly",extra="x{}y"} .5\n',
    "empty.prom": "",
    "ignored.txt": "this is no metric\n",
}


def session(directory: Path | str, **more: Any) -> Host:
    made.append(Host("/proc", "/sys", "/", replace(HostSettings(), textfile_directory=str(directory), **more)))
    return made[-1]


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while made:
        made.pop().close()


def samples(host: Host) -> list[Sample]:
    host.round += 1
    return [sample for sample in textfile.function(host) if sample]


def page(host: Host) -> str:
    return render(samples(host))


def refusal(host: Host) -> str:
    host.round += 1
    with pytest.raises(Trouble) as caught:
        list(textfile_refused.function(host))
    return str(caught.value)


def flag(host: Host) -> object:
    return next(sample.value for sample in samples(host) if sample.metric.name == "node_textfile_scrape_error")


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).write_text(text)
        os.utime(directory / name, (1_700_000_000, 1_700_000_000.5))


def test_good_files(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    write(tmp_path, GOOD)
    host = session(tmp_path)
    golden("system_textfile.prom", page(host).replace(str(tmp_path), "/textfiles"))
    assert list(textfile_refused.function(host)) == []


def test_the_page_says_what_the_files_say(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    shown = judged(page(session(tmp_path)))
    for name, text in GOOD.items():
        if name.endswith(".prom"):
            assert judged(text).items() <= shown.items()


def test_without_a_directory_there_is_no_error() -> None:
    assert page(session("")).splitlines()[-1] == "node_textfile_scrape_error 0"
    with pytest.raises(NotApplicable):
        list(textfile_refused.function(session("")))


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    host = session(tmp_path / "missing")
    assert flag(host) == 1
    assert refusal(host).endswith("missing: No such file or directory")
    (tmp_path / "missing").mkdir()
    assert flag(host) == 0


BAD = {
    "no final newline": ("x 1", "the last line does not end"),
    "timestamp": ("x 1 1700000000000\n", "line 1: a timestamp"),
    "words": ("x 1\nnot a metric\n", "line 2"),
    "no value": ('x{a="b"}\n', "not a sample"),
    "value": ("x 1_000\n", "not a number: '1_000'"),
    "too large": ("x 1e999\n", "not a number"),
    "hexadecimal": ("x 0x10\n", "not a number"),
    "unicode digit": ("x \u0663\n", "not a number"),
    "carriage return": ("x 1\r\n", "not a number"),
    "label without quotes": ("x{a=b} 1\n", "not a label"),
    "label without end": ('x{a="b} 1\n', "not a sample"),
    "label twice": ('x{a="b",a="c"} 1\n', "there already"),
    "two commas": ('x{a="b",,} 1\n', "not a label"),
    "escape": ('x{a="\\t"} 1\n', "no such escape"),
    "series twice": ('x{a="b"} 1\nx{a="b",c=""} 2\n', "line 2: this series is there already"),
    "type twice": ("# TYPE x gauge\n# TYPE x gauge\n", "x is there already"),
    "type afterwards": ("x 1\n# TYPE x gauge\n", "x is there already"),
    "unknown type": ("# TYPE x enum\n", "not a type"),
    "no type": ("# TYPE x\n", "not a type"),
    "help twice": ("# HELP x a\n# HELP x b\nx 1\n", "second HELP"),
    "help of no name": ('# HELP x{a="b"} 1\n', "not a metric name"),
    "type of no name": ("# TYPE 1x gauge\n", "not a metric name"),
    "part twice": ("x_sum 1\n# TYPE x summary\n", "x_sum is there already"),
    "part of a histogram": ("# TYPE x histogram\nx 1\n", "not a line of a histogram"),
    "bucket without bound": ("# TYPE x histogram\nx_bucket 1\n", "not a line of a histogram"),
    "histogram without sum": ('# TYPE x histogram\nx_bucket{le="1"} 1\nx_count 1\n', "_sum or its _count is missing"),
    "half a bucket": ('# TYPE x histogram\nx_bucket{le="1"} 0.5\nx_sum 1\nx_count 1\n', "not a count"),
    "endless count": ("# TYPE x histogram\nx_sum 1\nx_count +Inf\n", "not a count"),
    "nobody's count": ("# TYPE x histogram\nx_sum 1\nx_count NaN\n", "not a count"),
    "buckets": ('# TYPE x histogram\nx_bucket{le="1"} 3\nx_sum 1\nx_count 2\n', "counts more than a wider one"),
    "last bucket": ('# TYPE x histogram\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 2\n', "counts more than a wider one"),
    "summary": ('# TYPE x summary\nx{quantile="0.5"} 3\n', "_sum or its _count is missing"),
    "bound of neither": ('x{le="1"} 1\n', "cannot have a label 'le'"),
    "target": ('x{target="a"} 1\n', "cannot have a label 'target'"),
    "job": ('x{job="a"} 1\n', "cannot have a label 'job'"),
    "instance": ('x{instance="a"} 1\n', "cannot have a label 'instance'"),
    "declared": ("node_load1 1\n", "node_load1 is a metric of this program"),
    "declared by pattern": ("node_memory_Odd_bytes 1\n", "node_memory_Odd_bytes is a metric of this program"),
    "declared here": ("node_textfile_scrape_error 0\n", "is a metric of this program"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_a_bad_file_is_left_out_and_the_others_are_shown(tmp_path: Path, text: str, reason: str) -> None:
    write(tmp_path, {"a.prom": "good_metric 7\n", "bad.prom": text})
    host = session(tmp_path)
    shown = page(host)
    assert "good_metric 7\n" in shown
    assert shown.splitlines()[-1] == "node_textfile_scrape_error 1"
    assert 'a.prom"} 1700000000.5' in shown
    assert "bad.prom" not in shown
    assert reason in refusal(host)
    assert f"{tmp_path}/bad.prom: " in refusal(host)


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "binary.prom").write_bytes(b"x 1\n\xff\xfe\n")
    (tmp_path / "directory.prom").mkdir()
    os.mkfifo(tmp_path / "fifo.prom")  # reading it would hang
    (tmp_path / "gone.prom").symlink_to(tmp_path / "nowhere")
    host = session(tmp_path)
    assert page(host).splitlines()[-1] == "node_textfile_scrape_error 1"
    reasons = refusal(host)
    assert "binary.prom: 'utf-8' codec can't decode" in reasons
    assert "directory.prom: not a regular file" in reasons
    assert "fifo.prom: not a regular file" in reasons
    assert "gone.prom: No such file or directory" in reasons


def test_two_files_may_share_a_metric_but_not_a_series(tmp_path: Path) -> None:
    first = '# TYPE x counter\nx{a="1"} 1\n'
    write(tmp_path, {"1.prom": first, "2.prom": '# TYPE x counter\nx{b="2"} 2\n', "3.prom": first})
    host = session(tmp_path)
    shown = page(host)
    assert shown.count("# TYPE x counter") == 1
    assert 'x{a="1",b=""} 1\nx{a="",b="2"} 2\n' in shown
    assert refusal(host) == f"{tmp_path}/3.prom: another file has the same series of x"


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ('# TYPE x gauge\nx{b="2"} 2\n', "x is a part of the counter x in another file"),
        ('x{b="2"} 2\n', "x is a part of the counter x in another file"),
        ("h_count 2\n", "h_count is a part of the histogram h in another file"),
        ("# TYPE x_y summary\nx_y_sum 1\nx_y_count 1\n", "x_y_sum is a part of the untyped x_y_sum in another file"),
    ],
    ids=["type", "no type", "part", "whole"],
)
def test_two_files_must_agree_on_the_type(tmp_path: Path, second: str, reason: str) -> None:
    first = "# TYPE x counter\nx 1\n# TYPE h histogram\nh_sum 1\nh_count 1\nx_y_sum 1\n"
    write(tmp_path, {"1.prom": first, "2.prom": second})
    host = session(tmp_path)
    assert refusal(host) == f"{tmp_path}/2.prom: {reason}"
    assert "x 1\n" in page(host)


def test_files_are_read_when_they_change_and_forgotten_when_they_are_gone(tmp_path: Path) -> None:
    host = session(tmp_path)
    write(tmp_path, {"a.prom": "a 1\n", "b.prom": "b 1\n"})
    before = metrics(host)
    assert metrics(host) == before
    (tmp_path / "new").write_text("a 2\n")
    (tmp_path / "new").rename(tmp_path / "a.prom")
    assert "a 2\n" in page(host)
    assert metrics(host) == before  # the values are new, what they are of is not
    (tmp_path / "b.prom").unlink()
    assert metrics(host).keys() == {"a"}
    (tmp_path / "a.prom").write_text("nothing good\n")
    assert metrics(host) == {}
    assert flag(host) == 1
    (tmp_path / "a.prom").write_text("a 2\n")
    assert flag(host) == 0


def metrics(host: Host) -> dict[str, int]:
    """Return the identity of each metric that comes from a file, by name."""
    return {sample.metric.name: id(sample.metric) for sample in samples(host) if "textfile" not in sample.metric.name}


def test_a_metric_that_a_collector_declares_later_is_no_longer_taken_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.prom": "later_seconds_sum 1\n"})
    host = session(tmp_path)
    assert flag(host) == 0
    declared = Metric("later_seconds", "histogram", "Help.", source="a test")
    monkeypatch.setitem(CATALOGUE, declared.name, declared)
    assert refusal(host).endswith("later_seconds_sum is a metric of this program")


def test_a_file_is_not_read_again_while_it_stays_the_same(tmp_path: Path) -> None:
    write(tmp_path, {"a.prom": "a 1\n"})
    host, files = session(tmp_path), TextFiles()
    files.look(host)
    before = files.samples
    files.look(host)
    assert files.samples is before


@pytest.mark.parametrize("size", [0, 1])
def test_a_file_that_is_too_large_is_left_out(tmp_path: Path, size: int) -> None:
    write(tmp_path, {"a.prom": "a 1\n"})
    with open(tmp_path / "large.prom", "wb") as file:
        file.write(b"large 1\n#".ljust((16 << 20) - 1 + size) + b"\n")
    host = session(tmp_path)
    assert flag(host) == size
    assert ("large 1\n" in page(host), "a 1\n" in page(host)) == (not size, True)
    if size:
        assert refusal(host) == f"{tmp_path}/large.prom: larger than 16 MiB"


@pytest.mark.parametrize("reads", [(textfile, textfile_refused), (textfile_refused, textfile)])
def test_the_directory_is_looked_at_once_a_round(tmp_path: Path, reads: tuple[Read, Read]) -> None:
    write(tmp_path, {"a.prom": "a 1\n"})
    host = session(tmp_path)
    first, second = reads
    list(first.function(host))
    write(tmp_path, {"a.prom": "a\n", "b.prom": "b 1\n"})
    assert not {sample.metric.name for sample in second.function(host) if sample} & {"b"}
    assert list(host.kept(TextFiles).shown) == [(f"{tmp_path}/a.prom", 1_700_000_000.5)]
    assert flag(host) == 1
    assert refusal(host).startswith(f"{tmp_path}/a.prom: ")


def test_each_round_of_the_host_looks_anew(tmp_path: Path) -> None:
    collector = System(replace(HostSettings(), textfile_directory=str(tmp_path)), CONTEXT)
    seen = []
    for value in (1, 2):
        (tmp_path / "a.prom").write_text(f"a {value}\n")
        with collector.connect() as host:
            seen += [sample.value for sample in textfile.function(host) if sample and sample.metric.name == "a"]
    collector.close()
    assert seen == [1, 2]


def test_a_directory_that_hangs_costs_its_timeout_once_and_comes_back(tmp_path: Path) -> None:
    need_fuse()
    path = tmp_path / "hanging"
    with mounted(path) as server:
        host = session(path / "textfiles", mount_timeout=TIMEOUT)
        assert refusal(host).endswith("No such file or directory")
        server.hang()
        begun = time.monotonic()
        with pytest.raises(Trouble, match="textfiles has not answered within mount_timeout"):
            samples(host)
        assert TIMEOUT <= time.monotonic() - begun < TIMEOUT + SLACK
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(Trouble, match="has not answered"):
                samples(host)
            assert "has not answered" in refusal(host)
        assert time.monotonic() - begun < TIMEOUT + SLACK
        server.answer()
        until(lambda: "No such file" in refusal(host))


def test_text_that_takes_long_to_understand_is_no_hanging_directory(tmp_path: Path) -> None:
    write(tmp_path, {"a.prom": "".join(f'a{{n="{number}"}} 1\n' for number in range(40_000))})
    host = session(tmp_path, mount_timeout=0.05)
    begun = time.monotonic()
    assert flag(host) == 0
    assert time.monotonic() - begun > host.settings.mount_timeout


def judged(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], str]:
    """Return the lines that prometheus_client's parser finds; a label without a value is no label."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            for bound in ("le", "quantile"):
                if bound in labels:
                    labels[bound] = str(float(labels[bound]) + 0.0)
            key = (sample.name, frozenset((name, value) for name, value in labels.items() if value))
            found[key] = str(float(sample.value) + 0.0)  # one zero
    return found


def mine(families: list[Family]) -> str:
    """Return the page that is made of families."""
    lines = []
    for family in families:
        names = sorted({name for labels in family.series for name, _ in labels})
        metric = Metric(family.name, family.kind, "Help.", labels=names, source="a test")
        for labels, value in family.series.items():
            values = dict(labels)
            lines.append(Sample(metric, tuple(values.get(name, "") for name in names), value))
    return render(lines)


NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=4)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=5) | st.sampled_from(
    ["\n", "\\n", '"', "}", "{", ",", "#", " ", "="]
)
LABELS = st.dictionaries(NAMES.filter(lambda name: name not in {"le", "job"}), TEXTS, max_size=3)
NUMBERS = st.floats(allow_nan=True) | st.integers(-(2**60), 2**60).map(float)
COUNTS = st.lists(st.integers(0, 2**40), min_size=1, max_size=4).map(sorted)
BOUNDS = st.lists(st.floats(allow_nan=False, allow_infinity=False), unique=True, min_size=0, max_size=3).map(sorted)


def quoted(labels: dict[str, str]) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}" if labels else ""


@st.composite
def family_text(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from("ABCDE")) + draw(NAMES)
    kind = draw(st.sampled_from(["gauge", "counter", "untyped", "histogram", "summary", ""]))
    lines = [f"# TYPE {name} {kind}"] if kind else []
    labels = draw(LABELS)
    if kind == "histogram":
        counts, bounds = draw(COUNTS), draw(BOUNDS)
        for bound, count in zip(bounds, counts, strict=False):
            lines.append(f"{name}_bucket{quoted({**labels, 'le': repr(bound)})} {count}")
        lines.append(f"{name}_bucket{quoted({**labels, 'le': '+Inf'})} {counts[-1]}")
    if kind == "summary":
        lines += [f"{name}{quoted({**labels, 'quantile': repr(bound)})} {draw(NUMBERS)}" for bound in draw(BOUNDS)]
    if kind in {"histogram", "summary"}:
        total = counts[-1] if kind == "histogram" else draw(st.integers(0, 2**40))
        lines += [f"{name}_sum{quoted(labels)} {draw(NUMBERS)}", f"{name}_count{quoted(labels)} {total}"]
    else:
        lines.append(f"{name}{quoted(labels)} {draw(NUMBERS)}")
    return "\n".join(lines) + "\n"


@given(st.lists(family_text(), max_size=4, unique_by=lambda text: text.split()[2][:1] if text[0] == "#" else text[0]))
@settings(deadline=None)
def test_good_text_means_what_prometheus_client_takes_it_for(texts: list[str]) -> None:
    text = "".join(texts)
    assert judged(mine(parse(text))) == judged(text)


@given(
    st.lists(
        st.sampled_from(["x", "y", "{", "}", 'a="1"', "a", "=", '"', ",", " ", "\n", "1", "NaN", "# ", "TYPE x gauge",
                         "HELP x", "\\", "_", "x 1\n", 'y{b="2"} 3\n', "\t", ".", "-", "e", "é", "_sum 1\n"]),
        max_size=14,
    ).map("".join)
)  # fmt: skip
@settings(deadline=None, max_examples=400)
def test_doubtful_text_is_refused_or_means_what_prometheus_client_takes_it_for(text: str) -> None:
    try:
        families = parse(text)
    except Malformed:
        return
    assert judged(mine(families)) == judged(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Malformed):  # and nothing else
        assert isinstance(parse(text), list)


def test_figures_keep_their_value() -> None:
    (family,) = parse("x 9007199254740993\n")
    assert family.series == {(): 9007199254740992.0}
    (family,) = parse("x nan\n")
    assert math.isnan(float(str(family.series[()])))


def test_histograms_and_summaries_are_one_value_each() -> None:
    histogram, summary = parse(
        '# TYPE h histogram\nh_bucket{le="2"} 1\nh_sum 2.5\nh_count 3\n'
        '# TYPE s summary\ns{quantile="0.9"} 4\ns_sum 5\ns_count 6\n'
    )
    assert histogram.series == {(): Histogram(((2, 1),), 3, 2.5)}
    assert summary.series == {(): Summary(((0.9, 4),), 6, 5)}
