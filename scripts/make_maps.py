"""Make one map, such as the connected components, from the whole label volumes of a bundle of cases."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(map_name: str, prepared: Path, bundle: Path, classes: int, output: Path) -> None:
    from lib.files import read_json, sha256, write_json
    from lib.maps import MAPS
    from lib.provenance import code_version
    from lib.store import StoredCase, write_map

    made = {case: prepared / case / f"{map_name}.b2nd" for case in read_json(bundle)["cases"]}
    for case, path in made.items():
        write_map(path, StoredCase(prepared / case), MAPS[map_name], classes)
    checksums = {case: sha256(path) for case, path in made.items()}
    write_json(output, {"code": code_version("scripts.make_maps"), "cases": checksums})


if __name__ == "__main__":
    run(main)
