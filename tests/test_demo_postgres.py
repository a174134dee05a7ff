"""The PostgreSQL of stand-ins: it starts as any user, and ends with its part."""

import shutil
from pathlib import Path

import pytest

from exporter.demo import postgres
from exporter.demo.application import Application, CannotError, Setting
from exporter.demo.machine import Machine
from tests.postgres import DISTRIBUTIONS, needs


def test_it_answers_takes_settings_and_ends(tmp_path: Path) -> None:
    needs(DISTRIBUTIONS)
    setting = Setting(tmp_path, Machine(tmp_path / "proc"), usual_ports=False)
    server = postgres.server(Application("it", tmp_path, setting), max_connections="20")
    try:
        assert server.sql("SHOW max_connections") == "20"
        assert server.url("orders", "app") == f"postgresql://app:{server.password}@127.0.0.1:{server.port}/orders"
        server.configure(log_min_duration_statement="7s")
        server.part.restart()
        assert server.sql("SHOW log_min_duration_statement") == "7s"
        with pytest.raises(CannotError, match='relation "nothing" does not exist'):
            server.sql("SELECT * FROM nothing")
    finally:
        server.part.stop()
        shutil.rmtree(server.folder)
    assert setting.leftovers == [server.folder]
    assert not server.answers()
