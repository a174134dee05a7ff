"""runbook-exporter with the collectors of tests/collectors; PLUG="module:NAME=number ..." sets numbers for a test."""

import importlib
import os
import sys
from pathlib import Path

from exporter import collectors

if __name__ == "__main__":
    collectors.__path__.append(str(Path(__file__).parent / "collectors"))
    for plug in os.environ.get("PLUG", "").split():
        place, _, number = plug.partition("=")
        module, _, name = place.partition(":")
        setattr(importlib.import_module(module), name, float(number))
    from exporter.cli import main

    sys.exit(main())
