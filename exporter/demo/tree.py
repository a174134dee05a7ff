"""One tree of settings laid over another."""

from collections.abc import Mapping
from typing import Any


def merged(below: Any, over: Any) -> Any:
    """Return the tree with the other laid over it: mappings are merged, all else replaced, None takes a key out."""
    if not isinstance(below, Mapping) or not isinstance(over, Mapping):
        return over
    whole = dict(below)
    for key, value in over.items():
        if value is None:
            whole.pop(key, None)
        else:
            whole[key] = merged(whole.get(key), value)
    return whole
