"""Hold a study's measures against MONAI's on its own predictions, and report where they differ."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, table: Path) -> None:
    import pandas as pd

    from lib.comparison.results import StudyResults
    from lib.files import write_text
    from lib.measures.crosscheck import disagreement, report
    from lib.measures.evaluation import segmentations

    rows = []
    for checked in StudyResults.of_study(configuration, study).first_seed:
        cut, tolerance = checked.cuts[0], checked.parameters_of("surface")["tolerance"]
        ours = checked.cases[checked.cases["cut"] == cut].set_index(["case", "structure"])
        thresholds = {cut: ours.groupby("structure", sort=False)["threshold"].first().to_dict()}
        for keys, segmentation in segmentations(
            checked.test_cases(), checked.folder / "predictions", checked.labels, thresholds
        ):
            of_case = ours.loc[(keys["case"], keys["structure"])]
            place = {"run": checked.id, "case": keys["case"], "structure": keys["structure"]}
            rows += [place | row for row in disagreement(of_case, segmentation, tolerance)]
    columns = ["run", "case", "structure", "measure", "segloss", "monai", "difference", "above_tolerance"]
    agreement = pd.DataFrame(rows, columns=columns)
    report(agreement)
    write_text(table, agreement.round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
