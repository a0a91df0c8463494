"""Make the sample city from the command line: `python -m data.sample_city --size M --out FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from data.sample_city import make_city, write_city


def main(arguments: list[str] | None = None) -> int:
    """Make one sample city, write its files, and say what is in them."""
    parser = argparse.ArgumentParser(
        prog="python -m data.sample_city", description="Make the invented sample city and write it as GeoParquet files."
    )
    parser.add_argument(
        "--size", choices=("S", "M", "L"), default="S", help="S about 20,000 people, M about 400,000, L about 5 million"
    )
    parser.add_argument("--seed", type=int, default=20260101, help="another seed gives another city of the same kind")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files; made if it does not exist")
    given = parser.parse_args(arguments)
    city = make_city(given.size, seed=given.seed)
    for name, path in write_city(city, given.out).items():
        frame = city.layers.get(name, city.reference.get(name))
        sys.stdout.write(f"{name}\t{0 if frame is None else len(frame)}\t{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
