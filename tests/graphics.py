"""A script that stands for nvidia-smi where there is no graphics processor."""

from pathlib import Path

from exporter.collectors.gpu.smi import ARGUMENTS

A100 = "0, NVIDIA A100-SXM4-40GB, 535.183.01, 40960, 1024, 35, 45, 60.25, 400.00"
SECOND = "1, NVIDIA A100-SXM4-40GB, 535.183.01, 40960, 0, 0, 31, 45.10, 400.00"


class Driver:
    """A script that prints what a test says; it begins with one A100."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "nvidia-smi"
        self.says(A100)

    def says(self, text: str, status: int = 0) -> None:
        self.runs(f"cat <<'END'\n{text}\nEND\nexit {status}")

    def runs(self, script: str) -> None:
        expected = f'[ "$*" = "{" ".join(ARGUMENTS)}" ] || exit 2'
        written = self.path.with_suffix(".new")
        written.write_text(f"#!/bin/sh\n{expected}\n{script}\n")
        written.chmod(0o755)
        written.replace(self.path)  # a script that runs must not change
