"""What is generated is current: docs/alerts.md, docs/config.md, docs/coverage.md and docs/metrics.md."""

from pathlib import Path

import pytest

from exporter import pack
from exporter.reference import PAGES
from tests.process import PLAIN, ROOT, command

REFERENCE = ("-m", "exporter.reference")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    ended = command(str(folder), program=REFERENCE)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_every_generated_page_is_written_and_nothing_else(generated: Path) -> None:
    assert (
        sorted(path.name for path in generated.iterdir())
        == sorted(PAGES)
        == ["alerts.md", "config.md", "coverage.md", "metrics.md"]
    )


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_in_docs_is_current(generated: Path, name: str) -> None:
    assert (ROOT / "docs" / name).read_bytes() == (generated / name).read_bytes(), f"{name}: run `make generate`"


def test_the_pages_are_the_same_on_every_machine(generated: Path, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "state"), "PYTHONHASHSEED": "7"}
    other = tmp_path / "pages"
    other.mkdir()
    assert command(str(other), program=REFERENCE, environ=environ, cwd=tmp_path).returncode == 0
    for name in PAGES:
        assert (other / name).read_bytes() == (generated / name).read_bytes()


def test_every_metric_is_on_its_page(generated: Path) -> None:
    page = (generated / "metrics.md").read_text(encoding="utf-8")
    listed = command("metrics", program=PLAIN).stdout.splitlines()
    names = [line.split()[2].partition("{")[0] for line in listed]
    assert len(names) > 50
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_every_alert_is_on_its_page(generated: Path) -> None:
    page = (generated / "alerts.md").read_text(encoding="utf-8")
    assert len(pack.rules().alerts) > 20
    for name, rules in pack.rules().alerts.items():
        assert page.count(f"[{name}](runbooks/{name}.md) |") == len(rules)
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").is_file()
