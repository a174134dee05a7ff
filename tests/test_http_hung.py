"""Many endpoints that hang, in a real exporter: pages keep their deadline, and nothing piles up."""

import threading
import time
from pathlib import Path

import requests

from tests.answering import answering, page, silent
from tests.engine import series_of
from tests.process import Exporter, running
from tests.support import until

HUNG = 30
LONGEST = 6.0  # on a machine that does much else


def ask(exporter: Exporter) -> tuple[dict[str, str], float]:
    began = time.monotonic()
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}
    text = requests.get(f"http://{exporter.address}/metrics", headers=headers, timeout=30).text
    return series_of(text), time.monotonic() - began


def test_thirty_that_hang_beside_one_that_is_well(tmp_path: Path) -> None:
    stop = threading.Event()
    with answering(silent(stop)) as hung, answering(page(b"well")) as well:
        each = "collector: http, interval: null, max_age: 0s"  # probed when a page is asked for
        lines = "".join(f"  hung{number}: {{{each}, url: {hung.url}, timeout: 1s}}\n" for number in range(HUNG))
        config = f"host: {{enabled: false}}\ntargets:\n{lines}  well: {{{each}, url: {well.url}}}\n"
        with running(tmp_path, config) as exporter:
            for _ in range(4):
                page_of, took = ask(exporter)
                assert took < 1 + LONGEST
                assert page_of['probe_success{target="well"}'] == "1"
                down = [page_of[f'probe_success{{target="hung{number}"}}'] for number in range(HUNG)]
                assert down == ["0"] * HUNG
                assert int(page_of["process_threads"]) < HUNG + 15
            assert page_of['probe_http_status_code{target="hung0"}'] == "0"
            stop.set()
            until(lambda: int(ask(exporter)[0]["process_threads"]) < 15, 20)
