"""Prepare some cases of a data set: image, label and description of each, in the store's format.

A case that cannot be used is written as excluded, with the reason, and the others go on.
"""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(adapter: str, parameters: dict, labels: dict, prepared: Path, cases: list, output: Path) -> list[Path]:
    import logging
    from importlib import import_module

    from lib.datasets.file_notes import collected_notes
    from lib.datasets.index import read_index
    from lib.errors import CaseExcluded
    from lib.files import read_json, write_json
    from lib.labels import Labels
    from lib.provenance import code_version
    from lib.store import PREPARED, write_case, write_excluded

    meaning = Labels(**labels)
    log = logging.getLogger("lib")
    prepare, entries = import_module(adapter).prepare, read_index(prepared / "index.json").cases
    for case in cases:
        log.info("%s", case)
        with collected_notes() as notes:
            try:
                made = prepare(case, entries[case], parameters)
                write_case(prepared / case, case, made, notes, meaning.has_outside)
            except CaseExcluded as error:
                reason = "; ".join([str(error), *notes])
                log.warning("excluded: %s", reason)
                write_excluded(prepared / case, case, reason)
    described = {case: read_json(prepared / case / "case.json") for case in cases}
    code = code_version("scripts.index", "scripts.prepare", adapter)
    write_json(output, {"code": code, "cases": described})
    files = [*(f"{array}.b2nd" for array in PREPARED), "case.json"]
    return [prepared / case / file for case in cases for file in files]


if __name__ == "__main__":
    run(main)
