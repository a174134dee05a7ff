"""The DuckDB library that reads the database: its version, extensions, and settings."""

import re
from typing import Final

from exporter.collector import read
from exporter.collectors.duckdb.contents import SOURCE, found
from exporter.collectors.duckdb.session import Session
from exporter.metric import Samples, info, pattern

LIBRARY = info("duckdb_library_info", "The DuckDB library that read it; not the application's.",
               labels=("version",), source=SOURCE)  # fmt: skip
EXTENSION = info(
    "duckdb_extension_info", "Extensions that the library that read it has; the application may have others.",
    labels=("extension", "version", "loaded"), source=SOURCE,
)  # fmt: skip
SETTING = pattern(
    "duckdb_settings_*", "gauge",
    "The setting * as the library that read it has it by itself, in base units, 1 and 0 for on and off; "
    "no file keeps what the application has set.",
    source=SOURCE,
)  # fmt: skip
_SWITCH: Final = {"true": 1.0, "false": 0.0}
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) (bytes|KiB|MiB|GiB|TiB)")
_NOT_OURS: Final = ("_bucket", "_count", "_sum", "_total")  # such ends of names mean something else to Prometheus
_BYTES: Final = {"bytes": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}


@read
def library(session: Session) -> Samples:
    """The DuckDB library that reads the database, and its extensions."""
    told = found(session)
    yield LIBRARY(1, version=told["library"])
    for name, version, loaded in told["extensions"]:
        yield EXTENSION(1, extension=name, version=version, loaded=str(loaded).lower())


@read
def settings(session: Session) -> Samples:
    """Settings of that library that are numbers, sizes, times or switches."""
    for name, text in found(session)["settings"]:
        if name.endswith(_NOT_OURS):
            continue
        if size := _SIZE.fullmatch(text):
            yield SETTING.named(f"{name}_bytes")(float(size[1]) * _BYTES[size[2]])
        elif name.endswith("_ms") and _NUMBER.fullmatch(text):
            yield SETTING.named(name.removesuffix("ms") + "seconds")(float(text) / 1000)
        elif text in _SWITCH or _NUMBER.fullmatch(text):
            yield SETTING.named(name)(_SWITCH[text] if text in _SWITCH else float(text))
