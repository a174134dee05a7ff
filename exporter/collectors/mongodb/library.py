"""The library pymongo, imported when the first target connects."""

import importlib
from typing import Any

from exporter.collector import Trouble


def pymongo_part(name: str) -> Any:
    """Return a module of pymongo, `bson`, which comes with it, or with no name pymongo itself."""
    try:
        return importlib.import_module(name if name == "bson" else f"pymongo.{name}".rstrip("."))
    except ImportError as error:
        remedy = "install it with: pip install 'runbook-exporter[mongodb]'"
        raise Trouble(f"the library pymongo is missing ({error})", remedy) from None
