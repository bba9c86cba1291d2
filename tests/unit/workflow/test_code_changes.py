"""Trained runs and code that has changed since: kept and reported at paper scale."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import RUN, STUDY, copy_with_tiny_study, edit, jobs, snakemake

from lib.config.load import load
from lib.config.run import Configuration, Run
from lib.errors import SeglossError
from lib.paths import Paths
from lib.provenance import code_version
from lib.training.code import training_code
from lib.workflow.code_changes import artifacts, code_changes, indexes_on_disk, present_code

NARROWED = {"studies": "inverse_weighting", "losses": "bce,dl", "seeds": "0,1"}


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return loaded(tmp_path)


def loaded(folder: Path, **values: Any) -> Configuration:
    folders = {"data": str(folder / "data"), "results": str(folder / "results")}
    return load(NARROWED | {"folders": folders} | values)


def changes(configuration: Configuration) -> list[dict[str, Any]]:
    return code_changes(artifacts(configuration.runs, configuration, indexes_on_disk(configuration)))


def trained_with(configuration: Configuration, run: Run, *codes: str) -> Path:
    path = Path(Paths(configuration.workflow.folders).run(run.id, "provenance.json"))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"parts": [{"code": code} for code in codes]}))
    return path


def test_runs_that_other_code_had_a_part_in_are_named(configuration: Configuration) -> None:
    runs = configuration.runs
    present = [present_code(run) for run in runs]
    assert len(set(present)) == 2  # one a loss
    trained_with(configuration, runs[0], present[0], present[0])
    trained_with(configuration, runs[1], "older")
    # code changed while it was interrupted; the last is untrained
    trained_with(configuration, runs[2], "older", present[2])
    rows = changes(configuration)
    assert [(row["loss"], row["seed"], row["made_with"]) for row in rows] == [
        (runs[1].loss, runs[1].seed, "older"),
        (runs[2].loss, runs[2].seed, f"older {present[2]}"),
    ]
    assert [row["present_code"] for row in rows] == present[1:3]


def test_what_a_training_measures_is_of_its_code_and_the_levels_of_factors_tell_trainings_apart(
    tmp_path: Path,
) -> None:
    noisy = {"noise": [{"alpha": 1, "beta": 0.5}], "losses": "gdl", "seeds": "0", "variants": "volumes"}
    loaded_runs = loaded(tmp_path, studies="boundary", **noisy)
    for run in loaded_runs.runs:
        trained_with(loaded_runs, run, "older")
    assert [row["variant"] for row in changes(loaded_runs)] == ["volumes", "volumes_alpha1-beta0.5"]
    settings = loaded_runs.runs[0].training_settings
    assert settings.measured.measures == ("overlap", "slices", "surface")
    fewer = settings.model_copy(update={"measured": settings.measured.model_copy(update={"measures": ("overlap",)})})
    assert len({training_code(settings), training_code(fewer)}) == 2


def test_of_a_run_on_another_grid_the_data_are_those_that_it_is_trained_on(tmp_path: Path) -> None:
    settings = {"resampling": {"factor": 2}}
    configuration = loaded(tmp_path, losses="iwbce", seeds="0", settings=settings)
    (run,) = configuration.runs
    made = {
        (one.what, one.dataset): one.files for one in artifacts([run], configuration, indexes_on_disk(configuration))
    }
    assert run.trained_on == f"{run.dataset}.factor2"
    assert made.keys() == {
        ("cases", run.dataset),
        ("cases", run.trained_on),
        ("map components", run.trained_on),
        ("training", run.dataset),
    }
    assert all(f"/{run.trained_on}/" in file for file in made["map components", run.trained_on])


def test_data_that_other_code_had_a_part_in_are_named(tmp_path: Path) -> None:
    noisy = loaded(tmp_path, noise=[{"alpha": 1, "beta": 0.5}])
    paths, run = Paths(noisy.workflow.folders), noisy.runs[0]
    dataset, noise = run.dataset, noisy.runs[-1].noise.name
    index = noisy.datasets[dataset].known_index
    (trained_on, *_) = index.bundles_of_part(noisy.workflow.cases_per_job, run.split, "train")

    def noisy_file(name: str) -> str:
        return paths.noisy(dataset, run.split, noise, name)

    made = {
        "cases": (
            paths.bundle(dataset, trained_on),
            "scripts.index",
            "scripts.prepare",
            noisy.datasets[dataset].adapter,
        ),
        "map components": (paths.bundle_maps(dataset, trained_on, "components"), "scripts.make_maps"),
        "noisy masks": (noisy_file("made.json"), "scripts.make_noise"),
        "map components of them": (noisy_file("maps/components.json"), "scripts.make_noisy_maps"),
    }

    def made_with(code_of: Callable[..., str]) -> None:
        for path, *modules in made.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(json.dumps({"code": code_of(*modules)}))

    made_with(code_version)
    assert changes(noisy) == []
    made_with(lambda *_: "older")
    assert [(row["what"], row["variant"]) for row in changes(noisy)] == [
        ("cases", ""),
        ("map components", ""),
        ("noisy masks", noise),
        ("map components", noise),
    ]


def test_bundles_of_another_size_are_not_looked_at(configuration: Configuration) -> None:
    paths, run = Paths(configuration.workflow.folders), configuration.runs[0]
    path = Path(paths.bundle(run.dataset, "0-1000"))  # of more bundles than there are now
    path.parent.mkdir(parents=True)
    path.write_text('{"code": "older"}')
    assert changes(configuration) == []


def test_a_damaged_provenance_is_named(configuration: Configuration) -> None:
    path = trained_with(configuration, configuration.runs[0], "older")
    path.write_text(path.read_text()[:9])
    with pytest.raises(SeglossError, match=r"provenance.json: not valid JSON .*delete it and run again"):
        changes(configuration)


@pytest.mark.parametrize(
    "content",
    ["[]", "1", "null", "{}", '{"code": 1}', '{"parts": []}', '{"parts": [{}]}', '{"parts": ["x"]}'],
)
def test_a_provenance_without_code_is_named(configuration: Configuration, content: str) -> None:
    trained_with(configuration, configuration.runs[0], "older").write_text(content)
    with pytest.raises(SeglossError, match=r"provenance.json: does not state the code .*delete it and run again"):
        changes(configuration)


def test_a_resolved_loss_of_a_run_is_hashed_like_the_scripts(configuration: Configuration) -> None:
    from lib.training.code import training_code
    from lib.training.settings import TrainingSettings

    run = configuration.runs[0]
    settings = TrainingSettings.model_validate_json(run.training_settings.model_dump_json())
    assert training_code(settings) == present_code(run)


def test_at_paper_scale_a_change_is_reported_with_the_result_and_trains_nothing(tmp_path: Path) -> None:
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
    rows = [line.split(",")[:5] for line in table.read_text().splitlines()[1:]]
    dataset = "phantom_lesions"
    assert rows == [
        ["cases", dataset, "", "", ""],
        ["map components", dataset, "", "", ""],
        ["training", dataset, "base", "bce", "0"],
    ]
    anew = snakemake(folder, "--dry-run", *targets, "--forcerun", "prepare")
    assert jobs(anew).keys() >= {"prepare", "make_maps", "train"}
