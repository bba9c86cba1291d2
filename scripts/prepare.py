"""Prepare one case of a data set: image, label and description, in the store's format.

A case that cannot be used is written as excluded, with the reason, and the others go on.
"""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(adapter: str, parameters: dict, case: str, entry: dict, folder: Path) -> None:
    import logging
    from importlib import import_module

    from lib.datasets.index import IndexedCase
    from lib.errors import CaseExcluded
    from lib.store import write_case, write_excluded

    try:
        write_case(folder, case, import_module(adapter).prepare(case, IndexedCase(**entry), parameters))
    except CaseExcluded as reason:
        logging.warning("excluded: %s", reason)
        write_excluded(folder, case, str(reason))


if __name__ == "__main__":
    run(main)
