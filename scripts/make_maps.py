"""Make one map, such as the connected components, from the whole label volumes of a bundle of cases."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(map_name: str, prepared: Path, bundle: Path, labels: dict, output: Path) -> list[Path]:
    from lib.files import read_json, write_json
    from lib.labels import Labels
    from lib.maps import MAPS
    from lib.provenance import code_version
    from lib.store import StoredCase, write_map

    meaning = Labels(**labels)
    cases = read_json(bundle)["cases"]
    paths = {case: prepared / case / f"{map_name}.b2nd" for case in cases}
    checksums = {
        case: write_map(paths[case], StoredCase(prepared / case, description), MAPS[map_name], meaning)
        for case, description in cases.items()
    }
    write_json(output, {"code": code_version("scripts.make_maps"), "cases": checksums})
    return list(paths.values())


if __name__ == "__main__":
    run(main)
