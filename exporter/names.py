"""The names that people give in a configuration: of targets, and of what stands in them."""

import re
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
NAMES: Final = "expected at most 63 letters, digits, `_`, `.` and `-`, the first a letter or digit"
"""What is expected where one is none."""
