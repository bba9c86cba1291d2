"""Trained runs and code that has changed since: kept and told at paper scale."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from test_workflow import RUN, STUDY, copy_with_tiny_study, edit, jobs, snakemake

from lib import config
from lib.errors import SeglossError
from lib.paths import Paths
from lib.provenance import code_version
from lib.schema import Folders
from lib.training.code_changes import code_changes, present_code

CONFIG = config.load({"studies": "inverse_weighting", "losses": "bce,dl", "seeds": "0,1"})
RUNS, ADAPTERS = CONFIG.runs, CONFIG.adapters


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(Folders(data=str(tmp_path / "data"), results=str(tmp_path / "results")))


def trained_with(paths: Paths, run: config.Run, *codes: str) -> None:
    path = Path(paths.run(run.id, "provenance.json"))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"parts": [{"code": code} for code in codes]}))


def test_runs_that_other_code_had_a_part_in_are_named(paths: Paths) -> None:
    present = [present_code(run) for run in RUNS]
    assert len(set(present)) == 2  # one a loss
    trained_with(paths, RUNS[0], present[0], present[0])
    trained_with(paths, RUNS[1], "older")
    trained_with(
        paths, RUNS[2], "older", present[2]
    )  # code changed while it was interrupted; the last is untrained
    rows = code_changes(RUNS, ADAPTERS, paths)
    assert [(row["loss"], row["seed"], row["made_with"]) for row in rows] == [
        (RUNS[1].loss, RUNS[1].seed, "older"),
        (RUNS[2].loss, RUNS[2].seed, f"older {present[2]}"),
    ]
    assert [row["present_code"] for row in rows] == present[1:3]


def test_data_that_other_code_had_a_part_in_are_named(paths: Paths) -> None:
    noisy = config.load(
        {
            "studies": "inverse_weighting",
            "losses": "bce,dl",
            "seeds": "0",
            "noise": [{"alpha": 1, "beta": 0.5}],
        }
    )
    dataset, split, noise = RUNS[0].dataset, RUNS[0].split, noisy.runs[-1].noise.name
    made = {
        "cases": (paths.bundle(dataset, "0-1"), "scripts.index", "scripts.prepare", ADAPTERS[dataset]),
        "map components": (paths.bundle_maps(dataset, "0-0", "components"), "scripts.make_maps"),
        "noisy masks": (paths.noisy(dataset, split, noise, "masks/made.json"), "scripts.make_noise"),
        "map components of them": (
            paths.noisy(dataset, split, noise, "maps/components.json"),
            "scripts.make_noisy_maps",
        ),
    }

    def made_with(code_of: Callable[..., str]) -> None:
        for path, *modules in made.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(json.dumps({"code": code_of(*modules)}))

    made_with(code_version)
    assert code_changes(noisy.runs, ADAPTERS, paths) == []
    made_with(lambda *_: "older")
    rows = code_changes(noisy.runs, ADAPTERS, paths)
    assert [(row["what"], row["variant"]) for row in rows] == [
        ("cases", ""),
        ("map components", ""),
        ("noisy masks", noise),
        ("map components", noise),
    ]


def test_a_damaged_provenance_is_told_by_name(paths: Paths) -> None:
    trained_with(paths, RUNS[0], "older")
    path = Path(paths.run(RUNS[0].id, "provenance.json"))
    path.write_text(path.read_text()[:9])
    with pytest.raises(SeglossError, match=r"provenance.json: not valid JSON .*delete it and run again"):
        code_changes(RUNS, ADAPTERS, paths)


@pytest.mark.parametrize(
    "content",
    ["[]", "1", "null", "{}", '{"code": 1}', '{"parts": []}', '{"parts": [{}]}', '{"parts": ["x"]}'],
)
def test_a_provenance_that_tells_no_code_is_told_by_name(paths: Paths, content: str) -> None:
    trained_with(paths, RUNS[0], "older")
    Path(paths.run(RUNS[0].id, "provenance.json")).write_text(content)
    with pytest.raises(
        SeglossError, match=r"provenance.json: does not tell the code .*delete it and run again"
    ):
        code_changes(RUNS, ADAPTERS, paths)


def test_a_resolved_loss_of_a_run_is_hashed_like_the_scripts(paths: Paths) -> None:
    from lib.training.code import training_code

    told = RUNS[0].training_settings()
    assert training_code(told["network"]["name"], told["loss"]) == present_code(RUNS[0])


def test_at_paper_scale_a_change_is_told_beside_the_result_and_trains_nothing(tmp_path: Path) -> None:
    folder = copy_with_tiny_study(tmp_path)
    study = yaml.safe_load((folder / STUDY).read_text())
    study["paper"] = study["demo"] | {"losses": ["bce"]}
    (folder / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    edit(folder / "workflow_config.yaml", "scale: demo", "scale: paper")
    edit(folder / "workflow_config.yaml", "device: auto", "device: cpu")
    targets = (f"{RUN}/bce/seed-0/weights.pt", "results/inverse_weighting/code_changes.csv")
    done = snakemake(folder, *targets)
    assert done.returncode == 0 and "note:" not in done.stderr, done.stdout + done.stderr
    table = folder / targets[1]
    assert table.read_text().splitlines() == ["what,dataset,variant,loss,seed,made_with,present_code"]
    edit(folder / "lib/training/loop.py", "EXPLODED = 1e12", "EXPLODED = 2e12")
    planned = snakemake(folder, "--dry-run", *targets)
    assert jobs(planned) == {"list_code_changes": 1}
    assert "note: 1 trained runs and sets of data are kept though other code had a part" in planned.stderr
    assert snakemake(folder, *targets).returncode == 0
    assert table.read_text().splitlines()[1].startswith("training,phantom_lesions,base,bce,0,")
    edit(folder / "lib/arrays.py", "CHUNK = 64", "CHUNK = 32")  # of what prepares, makes maps and trains
    planned = snakemake(folder, "--dry-run", *targets)
    assert jobs(planned) == {"list_code_changes": 1}
    assert "note: 3 trained runs and sets of data are kept" in planned.stderr
    assert snakemake(folder, *targets).returncode == 0
    told = [line.split(",")[:5] for line in table.read_text().splitlines()[1:]]
    dataset = "phantom_lesions"
    assert told == [
        ["cases", dataset, "", "", ""],
        ["map components", dataset, "", "", ""],
        ["training", dataset, "base", "bce", "0"],
    ]
    anew = snakemake(folder, "--dry-run", *targets, "--forcerun", "prepare")
    assert jobs(anew).keys() >= {"prepare", "make_maps", "train"}
