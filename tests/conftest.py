"""What all tests share: golden files, the host's mounts, and what workers report."""

import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.apiserver import API
from tests.hostmounts import alone

HERE = Path(__file__).parent
# these look at all mounts of the host
_OF_THE_HOST = (
    "test_system_",
    "test_beside_node_exporter",
    "test_oneshot",
    "test_statuspage",
    "test_endpoints",
    "test_health",
)
# files that take longest, which begin first, so that none is left alone in the end
_LONGEST = (
    "test_rules_figures", "test_page", "test_celery_fleet", "test_celery_collector",
    "test_dashboards_outside_live", "test_celery_queues_rabbitmq", "test_arrives", "test_celery_workers",
    "test_web_reload", "test_web_tls", "test_websocket_socketio", "test_celery_queues_way", "test_cache_validation",
    "test_backup_trouble", "test_backup_dumps", "test_backup_restore", "test_dependency_npm", "test_task_done",
)  # fmt: skip
settings.register_profile("tests", suppress_health_check=[HealthCheck.too_slow])  # two workers share a processor
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {f"{name}.py": rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what a test printed pass from a worker to the one that reports, whatever bytes it was made of."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def _mounts(request: pytest.FixtureRequest) -> Iterator[None]:
    with alone() if request.path.name.startswith(_OF_THE_HOST) else nullcontext():
        yield


@pytest.fixture(scope="session")
def openai_api() -> Iterator[API]:
    """Serve what OpenAI documents, for all tests of it."""
    from tests.openaireplies import openai  # most tests need nothing of that

    with openai() as server:
        yield server


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Take back what a command run inside the test has set up."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with the file tests/golden/<name>, or write it when asked to by --update-golden."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        assert text == path.read_bytes().decode(), f"{name} differs; see it with --update-golden and git diff"

    return compare
