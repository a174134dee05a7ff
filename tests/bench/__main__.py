"""The command: measure, print the report, keep it in .bench/."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from tests.bench.measure import PARTS, measure
from tests.bench.processes import ROOT
from tests.bench.report import as_json, as_markdown
from tests.bench.scale import QUICK, Scale


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else Scale()
    if options.seconds is not None:
        scale = dataclasses.replace(scale, load_seconds=options.seconds, idle_seconds=options.seconds)
    results = measure(scale, options.only or PARTS)
    report, figures = as_markdown(results), json.dumps(as_json(results), indent=1) + "\n"
    print(report, end="")
    if options.json:
        options.json.write_text(figures, encoding="utf-8")
    if not options.only:  # what is kept is whole
        kept = ROOT / ".bench"
        kept.mkdir(exist_ok=True)
        (kept / "report.md").write_text(report, encoding="utf-8")
        (kept / "report.json").write_text(figures, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--seconds", type=float, help="how long to load with 50 clients, and to watch the idle servers")
    parser.add_argument("--quick", action="store_true", help="a rough run in less than a minute")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part alone; may be repeated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
