"""Plan a network, its patches and their spacing for the training cases of a split, as nnU-Net does."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    fingerprint: Path,
    dataset: str,
    split: str,
    name: str,
    classes: int,
    memory: float,
    precision: str,
    coverage: float,
    overlap: float,
    features: list,
    output: Path,
) -> None:
    from lib.datasets.fingerprint import read_fingerprint
    from lib.datasets.plan import Features, as_yaml, plan
    from lib.errors import SeglossError
    from lib.files import write_text

    found = read_fingerprint(fingerprint)
    try:
        planned = plan(
            found,
            classes,
            memory,
            precision,
            name.startswith("plan_slices"),
            coverage,
            overlap,
            Features(*features) if features else None,
        )
    except SeglossError as error:
        raise SeglossError(f"data set {dataset}, split {split}: {error}") from None
    write_text(output, as_yaml(planned, found, dataset, split, memory, precision))


if __name__ == "__main__":
    run(main)
