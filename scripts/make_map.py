"""Make one map, such as the connected components, from the whole label volume of a prepared case."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(map_name: str, case: Path, classes: int, output: Path) -> None:
    from lib.maps import MAPS
    from lib.store import StoredCase, write_array, write_empty

    stored = StoredCase(case)
    if stored.excluded:
        write_empty(output)
    else:
        label, spacing = stored.array("label")[...], stored.description["spacing"]
        write_array(output, MAPS[map_name](label, spacing, classes))


if __name__ == "__main__":
    run(main)
