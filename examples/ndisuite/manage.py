"""Django's management commands for the stand-in of NDISuite: manage.py migrate --check, and the like."""

# mypy: disable-error-code="import-untyped"

import sys

import suite  # noqa: F401  # its settings
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
