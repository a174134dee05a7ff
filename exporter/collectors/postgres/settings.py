"""The server's settings, in base units."""

import re
from typing import Final

from exporter.collector import read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, pattern

SETTING = pattern(
    "pg_settings_*",
    "gauge",
    "The setting *, in bytes or seconds where it has a unit; 1 is on, 0 is off; -1 is as in postgresql.conf.",
    labels=("server",),
    source="pg_settings",
)
# What a client sets for its own session hides the server's value, and tells nothing about it.
_SETTINGS: Final = """
SELECT name, coalesce(unit, ''), CASE vartype WHEN 'bool' THEN (setting = 'on')::int::float8 ELSE setting::float8 END
FROM pg_settings
WHERE vartype IN ('bool', 'integer', 'real') AND source NOT IN ('client', 'session')
  AND name <> 'transaction_read_only'
"""
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"B": 1.0, "kB": 2.0**10, "MB": 2.0**20, "GB": 2.0**30, "TB": 2.0**40}


@read(interval=60)
def settings(session: Session) -> Samples:
    """Settings of the server that are numbers or switches."""
    for name, unit, value in session.rows(_SETTINGS):
        suffix, factor = base_unit(unit)
        yield SETTING.named(name + suffix)(value if value == -1 else value * factor, server=session.server)


def base_unit(unit: str) -> tuple[str, float]:
    """Return the end of the name and the factor that a unit of pg_settings, such as `8kB` or `min`, stands for."""
    if unit in _SECONDS:
        return "_seconds", _SECONDS[unit]
    size = re.fullmatch(r"(\d*)([kMGT]?B)", unit)
    if size is None:
        return "", 1.0
    return "_bytes", int(size[1] or 1) * _BYTES[size[2]]
