"""Make the sample city from the command line: `python -m data.sample_city --size M --out FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from data.sample_city import make_city, make_million, write_layers


def main(arguments: list[str] | None = None) -> int:
    """Make one sample city, write its files, and say what is in them."""
    parser = argparse.ArgumentParser(
        prog="python -m data.sample_city", description="Make the invented sample city and write it as GeoParquet files."
    )
    parser.add_argument(
        "--size",
        choices=("S", "M", "L", "million"),
        default="S",
        help="S about 20,000 people, M about 400,000, L about 5 million; million: a plain set of one million buildings",
    )
    parser.add_argument("--seed", type=int, default=20260101, help="another seed gives another city of the same kind")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files; made if it does not exist")
    given = parser.parse_args(arguments)
    if given.size == "million":
        layers = make_million(given.seed).layers
    else:
        city = make_city(given.size, seed=given.seed)
        layers = {**city.layers, **city.reference}
    for name, path in write_layers(layers, given.out).items():
        sys.stdout.write(f"{name}\t{len(layers[name])}\t{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
