"""Make one map, such as the connected components, from the whole label volume of a prepared case."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(map_name: str, case: Path, output: Path) -> None:
    from lib.maps import MAPS
    from lib.store import StoredCase, write_array

    stored = StoredCase(case)
    write_array(output, MAPS[map_name](stored.array("label")[...], stored.description["spacing"]))


if __name__ == "__main__":
    run(main)
