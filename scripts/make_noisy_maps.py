"""Make one map, such as the connected components, from every mask of a noisy set."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(map_name: str, masks: Path, labels: dict, maps: Path, checksums: Path) -> None:
    from lib.files import atomic_path, write_json
    from lib.labels import Labels
    from lib.maps import MAPS
    from lib.provenance import code_version
    from lib.store import StoredCase, write_map

    meaning = Labels(**labels)
    cases = [StoredCase(path.parent) for path in sorted(masks.glob("*/case.json"))]
    with atomic_path(maps) as folder:
        made = {case.name: write_map(folder / f"{case.name}.b2nd", case, MAPS[map_name], meaning) for case in cases}
    write_json(checksums, {"code": code_version("scripts.make_noisy_maps"), "cases": made})


if __name__ == "__main__":
    run(main)
