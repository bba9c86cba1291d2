"""Put noise into the masks of a split's training cases, and tell what has changed in each."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, split: str, noise: dict, masks: Path, table: Path) -> None:
    import pandas as pd

    from lib.datasets.index import read_index
    from lib.errors import SeglossError
    from lib.files import atomic_path, write_text
    from lib.noise import assign, noisy_label, realised_change
    from lib.store import StoredCase, write_excluded, write_relabelled

    named = read_index(prepared / "index.json").splits[split]["train"]
    cases = [StoredCase(prepared / name) for name in named]
    usable = [case for case in cases if not case.excluded]
    if not usable:
        raise SeglossError(f"{prepared}, split {split!r}: no training case to put noise into")
    draws = assign(named, noise, len(usable[0].shape))
    rows = []
    with atomic_path(masks) as folder:
        for case in cases:
            if case.excluded:
                write_excluded(folder / case.name, case.name, case.excluded)
                continue
            clean, draw = case.array("label")[...], draws.get(case.name)
            label = noisy_label(clean, draw, noise, case.description["spacing"]) if draw else clean
            kind = draw.kind if draw else "clean"
            write_relabelled(folder / case.name, case, label, noise=kind)
            told = StoredCase(folder / case.name).description
            row = {"case": case.name, "kind": kind, **realised_change(clean, label)}
            rows.append({**row, "sha256": told["sha256"]["label"]})
        write_text(table, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    run(main)
