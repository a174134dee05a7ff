"""`python -m grafana.build FOLDER`: writes every dashboard as JSON, the same bytes on every machine."""

import argparse
import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from exporter import pack
from grafana import render
from grafana.dashboards import ALL
from grafana.declare import Dashboard

RUNBOOKS: Final = "http://localhost:10420/runbooks"


def as_json(declared: Dashboard, runbooks: str = RUNBOOKS) -> str:
    """Return the text of a dashboard's file, with the figures of the rules that this program was told of."""
    encoded: dict[str, Any] = json.loads(
        json.dumps(render.model(declared, pack.rules(), runbooks), cls=JSONEncoder, allow_nan=False)
    )
    # the SDK leaves a missing id out; a null says that whoever imports it has none to overwrite
    return json.dumps({"id": None, **encoded}, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path, runbooks: str = RUNBOOKS) -> list[Path]:
    """Write every dashboard into the folder."""
    files = {folder / f"{declared.area}.json": as_json(declared, runbooks) for declared in ALL}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--runbooks", default=RUNBOOKS, help="where the runbook pages are served (default: %(default)s)"
    )
    parser.add_argument("--rules", type=Path, metavar="DIR", help="draw the figures of the rules that a site has there")
    given = parser.parse_args()
    try:
        if given.rules:
            pack.use(given.rules)
        write(given.folder, given.runbooks)
    except OSError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
