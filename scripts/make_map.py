"""Make one map, such as the connected components, from the whole label volume of a case."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(map_name: str, label: Path, output: Path) -> None:
    from lib.maps import MAPS
    from lib.store import open_array, write_array

    write_array(output, MAPS[map_name](open_array(label)[...]))


if __name__ == "__main__":
    run(main)
