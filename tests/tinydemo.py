"""runbook-exporter with the examples of another folder: tinydemo.py FOLDER ARGUMENT..."""

import sys
from pathlib import Path

from exporter import cli, pack

if __name__ == "__main__":
    _, folder, *arguments = sys.argv
    pack.examples_folder = lambda: Path(folder)
    sys.exit(cli.main(arguments))
