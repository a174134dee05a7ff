"""The exporter with the benchmark's own collectors: `python -m tests.bench.many`, with the exporter's own options."""

import sys
from pathlib import Path

from exporter import cli, collectors


def main() -> int:
    # the folders on this path are the registry of collectors
    collectors.__path__.append(str(Path(__file__).parent / "collectors"))
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
