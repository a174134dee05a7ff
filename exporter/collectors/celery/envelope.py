"""What kombu puts around what it sends by way of Redis."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

MALFORMED: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What is raised where something is no message of kombu's."""


def unpacked(data: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Return a message, and its body as it was before it was put in; raises one of MALFORMED."""
    message = json.loads(data)
    body = message["body"]
    is_encoded = message["properties"].get("body_encoding") == "base64"
    return message, b64decode(body) if is_encoded else body.encode()
