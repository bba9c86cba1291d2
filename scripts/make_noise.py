"""Put noise into the masks of a split's training cases, and record what has changed in each."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, cases: Path, noise: dict, masks: Path, table: Path, made: Path) -> None:
    import pandas as pd

    from lib.errors import SeglossError
    from lib.files import atomic_path, read_json, write_json, write_text
    from lib.noise import assign, noisy_label, realised_change
    from lib.provenance import code_version
    from lib.store import open_cases, write_excluded, write_relabelled

    named = read_json(cases)
    usable = {case.name: case for case in open_cases(prepared, cases)}
    shown = [name for name, case in usable.items() if case.shows_something]
    dimensions = len(next(iter(usable.values())).shape)
    # the released code draws among all names, whatever they show
    draws = assign(list(named) if noise["form"] == "released" else shown, noise, dimensions)
    rows = []
    with atomic_path(masks) as folder:
        for name in named:
            if name not in usable:
                write_excluded(folder / name, name, named[name]["excluded"])
                continue
            case, draw = usable[name], draws.get(name)
            clean = case.array("label")[...]
            label = noisy_label(clean, draw, noise, case.description["spacing"]) if draw else clean
            kind = draw.kind if draw else "clean"
            description = write_relabelled(folder / name, case, label, noise=kind)
            row = {"case": name, "kind": kind, **realised_change(clean, label)}
            rows.append({**row, "sha256": description["sha256"]["label"]})
        if all(row["dice"] == 1 for row in rows):
            raise SeglossError(
                f"{cases}: none of its {len(rows)} training masks changes with alpha"
                f" {noise['alpha']:g} and beta {noise['beta']:g}; raise them or leave this noise out"
            )
        write_json(made, {"code": code_version("scripts.make_noise")})
        write_text(table, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    run(main)
