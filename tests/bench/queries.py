"""What postgres_exporter is told to ask beyond what it asks by itself, so that both sides give the same families."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

_TABLE: Final = ("datname", "schemaname", "relname")
_TABLE_COUNTERS: Final = (
    "seq_scan", "seq_tup_read", "idx_scan", "idx_tup_fetch", "n_tup_ins", "n_tup_upd", "n_tup_del", "n_tup_hot_upd",
    "vacuum_count", "autovacuum_count", "analyze_count", "autoanalyze_count",
)  # fmt: skip
_TABLE_GAUGES: Final = ("n_live_tup", "n_dead_tup", "n_mod_since_analyze")
_TABLE_TIMES: Final = ("last_vacuum", "last_autovacuum", "last_analyze", "last_autoanalyze")
# As newer releases of postgres_exporter name what PostgreSQL calls heap_blks_read and so on.
_BLOCKS: Final = {
    f"{kind}_blocks_{how}": f"{kind}_blks_{how}" for kind in ("heap", "idx", "toast", "tidx") for how in ("read", "hit")
}
_STATEMENTS: Final = """
SELECT datname, rolname AS user, queryid, sum(calls) AS calls_total, sum(total_exec_time) / 1000 AS seconds_total,
       sum(rows) AS rows_total, sum(blk_read_time) / 1000 AS block_read_seconds_total,
       sum(blk_write_time) / 1000 AS block_write_seconds_total
FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid JOIN pg_database ON pg_database.oid = dbid
GROUP BY 1, 2, 3
"""


def write(folder: Path, *, statements: bool = False) -> str:
    """Write the file of queries into the folder; return the option that names it."""
    path = folder / "queries.yaml"  # JSON is YAML
    path.write_text(json.dumps(dict(_queries(statements))), encoding="utf-8")
    return f"--extend.query-path={path}"


def _queries(statements: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    times = [f"coalesce({name}, 'epoch') AS {name}" for name in _TABLE_TIMES]
    columns = ", ".join(("schemaname", "relname", *_TABLE_COUNTERS, *_TABLE_GAUGES, *times))
    yield (
        "pg_stat_user_tables",
        {
            "query": f"SELECT current_database() AS datname, {columns} FROM pg_stat_user_tables",
            "metrics": _columns(_TABLE, _TABLE_COUNTERS, (*_TABLE_GAUGES, *_TABLE_TIMES)),
        },
    )
    blocks = [f"{column} AS {name}" for name, column in _BLOCKS.items()]
    columns = ", ".join(("schemaname", "relname", *blocks))
    yield (
        "pg_statio_user_tables",
        {
            "query": f"SELECT current_database() AS datname, {columns} FROM pg_statio_user_tables",
            "metrics": _columns(_TABLE, _BLOCKS, ()),
        },
    )
    yield (
        "pg_postmaster",
        {
            "query": "SELECT pg_postmaster_start_time() AS start_time_seconds",
            "master": True,
            "metrics": _columns((), (), ("start_time_seconds",)),
        },
    )
    if statements:
        counters = ("calls_total", "seconds_total", "rows_total", "block_read_seconds_total",
                    "block_write_seconds_total")  # fmt: skip
        yield (
            "pg_stat_statements",
            {
                "query": _STATEMENTS,
                "master": True,
                "metrics": _columns(("datname", "user", "queryid"), counters, ()),
            },
        )


def _columns(labels: Iterable[str], counters: Iterable[str], gauges: Iterable[str]) -> list[dict[str, Any]]:
    usages = [(labels, "LABEL"), (counters, "COUNTER"), (gauges, "GAUGE")]
    return [{name: {"usage": usage, "description": name}} for names, usage in usages for name in names]
