"""Training, one job a run; a run may take given weights instead, or those of another run.

The checkpoint is no output: an interrupted job continues from it.
"""


def given_weights(wildcards):
    """The file whose weights the run takes instead of a training; None if it is trained."""
    return next(iter([*named_weights(wildcards), *source_weights(wildcards)]), None)


def named_weights(wildcards):
    """The file that the configuration names; no input, as it counts by its content, wherever it lies."""
    run = run_of(wildcards).id
    return [CONFIG.workflow.weights[run]] if run in CONFIG.workflow.weights else []


def source_weights(wildcards):
    """Input function: the weights of the run that this one takes them of."""
    source = run_of(wildcards).source
    return [PATHS.run(source.id, "weights.pt")] if source and not named_weights(wildcards) else []


def for_training(function):
    """An input function that gives nothing where weights are given."""
    return lambda wildcards: [] if given_weights(wildcards) else function(wildcards)


def run_cases(wildcards):
    """Input function: the cases that the run is trained on; where weights are given, those that it is tested on."""
    run = run_of(wildcards)
    place = (run.dataset, run.split, "test") if given_weights(wildcards) else (run.trained_on, run.split, "train")
    return [PATHS.part(*place)]


def checked_parts(wildcards):
    """Input function: files that stand for the check of all parts without which the run would be in vain."""
    run = run_of(wildcards)
    given = given_weights(wildcards)
    parts = [(run.dataset, part) for part in run.evaluated]  # post-processing is no reason to train again
    parts += [] if given else [(run.measured_on, part) for part in run.settings.training.measured]
    parts += [] if given else [(run.trained_on, "train")]
    checked = [ancient(PATHS.checked_part(dataset, run.split, part)) for dataset, part in dict.fromkeys(parts)]
    return checked + ([] if given else estimate_of(run))


def run_masks(wildcards):
    """Input function: the noisy masks of the run's training, whose content stands in the table; none if clean."""
    run = run_of(wildcards)
    return [noise_table_of(run), ancient(noisy_set(run, "masks"))] if run.noise.alpha else []


def map_lists(run):
    """Files that list the maps that the run's training reads."""
    if run.noise.alpha:
        return [noisy_set(run, f"maps/{name}.json") for name in run.maps]
    return [PATHS.maps(run.trained_on, run.split, name) for name in run.maps]


def run_maps(wildcards):
    """Input function: files that list the maps that the run's training reads, made of the masks that it sees."""
    run = run_of(wildcards)
    folders = [noisy_set(run, f"maps/{name}") for name in run.maps] if run.noise.alpha else []
    return [*map_lists(run), *map(ancient, folders)]


def best_trial(wildcards):
    """Input function: the settings of the best trial of a search, which the run is trained with; none of other runs."""
    search = run_of(wildcards).search
    return [PATHS.found(search.id, "best.json")] if search else []


def training_folder(wildcards):
    """Params function: the folder of the cases that the run is trained on; where weights are given, tested on."""
    run = run_of(wildcards)
    return PATHS.prepared(run.dataset if given_weights(wildcards) else run.trained_on)


def run_measured(wildcards):
    """Input function: the parts of the split on which the training measures its network."""
    run = run_of(wildcards)
    return [PATHS.part(run.measured_on, run.split, part) for part in run.settings.training.measured]


def run_pretrained(wildcards):
    """Input function: the file of the weights that the run's network begins with; none if all are drawn."""
    run = run_of(wildcards)
    found = {one.settings.network.pretrained for one in (run.search.possible if run.search else [run])} - {None}
    return [ancient(PATHS.raw(*place)) for place in sorted(found)]


def decided_by(wildcards):
    """Input function: files of the training cases that decide settings; where weights are given, of a planned network."""
    run = run_of(wildcards)
    if given_weights(wildcards):
        return grid_of(run) if run.settings.plan else []
    return of_data(run)


def data_options(wildcards):
    """Params function: options with the data that not every training has."""
    run = run_of(wildcards)
    if given_weights(wildcards):
        return option("of-data", *decided_by(wildcards))
    return (
        option("measured", *run_measured(wildcards))
        + (option("native", PATHS.prepared(run.measured_on)) if run.trained_on != run.measured_on else "")
        + option("of-data", *decided_by(wildcards))
        + option("best", *best_trial(wildcards))
        + option("maps", *map_lists(run))
        + (option("noisy", noisy_set(run)) if run.noise.alpha else "")
        + option("pretrained", *run_pretrained(wildcards))
    )


def training_settings(wildcards, output):
    """Params function: the settings; not among what makes a job run again, as it takes ``output``."""
    settings = run_of(wildcards).training_settings
    if given := given_weights(wildcards):
        return json.dumps({"weights": given} | settings.model_dump(mode="json"))
    return settings.model_dump_json()


def training_identity(wildcards):
    """Params function: changes when the settings do, other than by an option that is new and has its default."""
    run = run_of(wildcards)
    if source_weights(wildcards):
        return f"weights of {run.source.id} {run.network.model_dump_json()}"
    if named := named_weights(wildcards):
        return f"weights {sha256(Path(*named))} {run.network.model_dump_json()}"
    return identity(run.training_settings, Path(PATHS.run(run.id, "provenance.json")))


def training_code(wildcards):
    """Params function: hash of the code of a training; at paper scale a change is reported and trains nothing."""
    return present_code(run_of(wildcards)) if CONFIG.workflow.scale == "demo" else ""


rule train:
    input:
        cases=run_cases,
        masks=for_training(run_masks),
        maps=for_training(run_maps),
        measured=for_training(run_measured),
        pretrained=for_training(run_pretrained),
        best=for_training(best_trial),
        source=source_weights,
        of_data=decided_by,
        checked=checked_parts,
    output:
        weights=PATHS.run("{run}", "weights.pt"),
        history=PATHS.run("{run}", "history.csv"),
        provenance=PATHS.run("{run}", "provenance.json"),
    log:
        PATHS.log("train/{run}"),
    benchmark:
        PATHS.benchmark("train/{run}")
    conda:
        "../envs/segloss.yaml"
    threads: 8 if ON_GPU else 1
    resources:
        gpu=GPUS,
        gpu_percent=100 if ON_GPU else 0,
    params:
        settings=training_settings,
        identity=training_identity,
        code=training_code,
        prepared=training_folder,
        data=data_options,
        checkpoint=PATHS.run("{run}", "checkpoint.pt"),
    message:
        "train {wildcards.run}"
    shell:
        f"python {SCRIPTS}/train.py {PRODUCTS} --settings {{params.settings:q}} --prepared {{params.prepared:q}}"
        f" --cases {{input.cases:q}} {{params.data}} {DEVICE} {PLUGINS}"
        " --identity {params.identity:q} --scale {CONFIG.workflow.scale:q} --checkpoint {params.checkpoint:q} --save-every {CONFIG.workflow.checkpoint_every}"
        " --weights {output.weights:q} --history {output.history:q} --provenance {output.provenance:q}"
        f" --tracking {TRACKING}/{{wildcards.run:q}} --log {{log:q}}"
        " &> {log:q}"
