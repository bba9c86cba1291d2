"""Plans: what is decided by the training cases of a split, and the time that trainings with it take."""

from dataclasses import replace

PLANNED_RUNS = [run for run in (*RUNS.values(), *(search.base for search in SEARCHES.values())) if run.settings.plan]
PLANS = {(run.dataset, run.split, run.settings.plan_name): run.settings for run in PLANNED_RUNS}
CONDITIONS = {
    condition: [run for run in PLANNED_RUNS if run.condition == condition]
    for condition in dict.fromkeys(run.condition for run in PLANNED_RUNS)
}


def plan_options(wildcards):
    """Params function: what a plan rests on besides the cases; the workflow's where no run has one of the name."""
    settings = PLANS.get((wildcards.dataset, wildcards.split, wildcards.name))
    computing = settings.computing if settings else CONFIG.workflow.computing
    # its two forms share a plan, which is for the larger one
    features = [settings.network.base_features, settings.network.max_features, True] if settings else []
    planning = settings.plan if settings else Planning()
    return (
        option("memory", planning.memory or CONFIG.workflow.plan_memory)
        + option("precision", computing.precision)
        + option("coverage", planning.coverage)
        + option("overlap", planning.overlap)
        + option("features", json.dumps(features))
    )


def budgeted_run(wildcards):
    """The run by which the time of all of its condition is estimated, the same whichever losses and seeds are chosen."""
    run = CONDITIONS[wildcards.condition][0]
    loss = with_options("cross_entropy", run.network_labels.loss_options)
    return replace(run, loss="cross_entropy", loss_specification=loss, seed=0, search=None)


def budget_options(wildcards):
    """Params function: the steps of the study, or the time that decides them."""
    steps = budgeted_run(wildcards).settings.training.steps_per_epoch
    return option("minutes", CONFIG.workflow.minutes) if steps == "planned" else option("steps-per-epoch", steps)


def work_of(condition):
    """Trainings, trials of their searches, and epochs of both; of a search's base those that it finds settings for."""
    runs = [
        run
        for run in RUNS.values()
        if condition in (run.condition, run.search.base.condition if run.search else run.condition)
    ]
    searches = {run.search.id: run.search for run in runs if run.search}.values()
    epochs = sum(run.settings.training.epochs for run in runs)
    return {
        "trainings": len(runs),
        "trials": sum(search.search.trials for search in searches),
        "epochs": epochs + sum(total_epochs(search.rungs) for search in searches),
    }


def budgeted_work(wildcards, output):
    """Params function: not among what makes a job run again, as it takes ``output``: more losses change no training."""
    work, everything = work_of(wildcards.condition), sum(work_of(condition)["epochs"] for condition in CONDITIONS)
    parallel = GPUS * visible_gpus() if ON_GPU else workflow.cores
    return json.dumps(work | {"share": work["epochs"] / everything, "parallel": max(1, parallel or 1)})


rule fingerprint:
    input:
        PATHS.part("{dataset}", "{split}", "train"),
    output:
        PATHS.fingerprint("{dataset}", "{split}"),
    log:
        PATHS.log("fingerprint/{dataset}/{split}"),
    benchmark:
        PATHS.benchmark("fingerprint/{dataset}/{split}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        code=lambda wildcards: data_code("scripts.fingerprint"),
    message:
        "fingerprint of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/fingerprint.py {PRODUCTS} --prepared {{params.prepared:q}} --cases {{input:q}}"
        " --labels {params.labels:q} --output {output:q} &> {log:q}"


rule plan:
    input:
        fingerprint=PATHS.fingerprint("{dataset}", "{split}"),
        checked=ancient(PATHS.checked_part("{dataset}", "{split}", "train")),
    output:
        PATHS.plan("{dataset}", "{split}", "{name}"),
    log:
        PATHS.log("{name}/{dataset}/{split}"),
    benchmark:
        PATHS.benchmark("{name}/{dataset}/{split}")
    wildcard_constraints:
        name=one_of(["plan", "plan_slices", *(name for *_, name in PLANS)]),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        classes=lambda wildcards: len(CONFIG.datasets[wildcards.dataset].labels.names),
        options=plan_options,
        code=lambda wildcards: data_code("scripts.plan"),
    message:
        "plan a network for {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/plan.py {PRODUCTS} --fingerprint {{input.fingerprint:q}} --dataset {{wildcards.dataset:q}}"
        " --split {wildcards.split:q} --name {wildcards.name:q} --classes {params.classes:q} {params.options}"
        " --output {output:q} &> {log:q}"


rule budget:
    input:
        cases=lambda wildcards: run_parts(budgeted_run(wildcards), "trained_on", "train"),
        # another mask or case of these is no reason for trainings of another length
        tested=lambda wildcards: ancient(run_parts(budgeted_run(wildcards), "dataset", "test")),
        measured=lambda wildcards: ancient(run_parts(budgeted_run(wildcards), "dataset", "validation")),
        maps=lambda wildcards: map_lists(budgeted_run(wildcards)),
        of_data=lambda wildcards: grid_of(budgeted_run(wildcards)),
    output:
        PATHS.budget("{condition}"),
    log:
        PATHS.log("budget/{condition}"),
    benchmark:
        PATHS.benchmark("budget/{condition}")
    wildcard_constraints:
        condition=one_of(CONDITIONS),
    conda:
        "../envs/segloss.yaml"
    threads: 8 if ON_GPU else 1
    resources:
        gpu=GPUS,
        gpu_percent=100 if ON_GPU else 0,
    params:
        settings=lambda wildcards: settings_of_costs(budgeted_run(wildcards)),
        options=budget_options,
        work=budgeted_work,
        prepared=lambda wildcards: PATHS.prepared(budgeted_run(wildcards).trained_on),
        native=lambda wildcards: PATHS.prepared(budgeted_run(wildcards).dataset),
        data=lambda wildcards: option("maps", *map_lists(budgeted_run(wildcards))),
        code=lambda wildcards: data_code("scripts.budget"),
    message:
        "estimate the time of {wildcards.condition}"
    shell:  # what it prints is for the user
        f"python {SCRIPTS}/budget.py {PRODUCTS} --settings {{params.settings:q}} {{params.options}} --work {{params.work:q}}"
        f" --name {{wildcards.condition:q}} --prepared {{params.prepared:q}} --cases {{input.cases:q}} --native {{params.native:q}}"
        f" --tested {{input.tested:q}} --measured {{input.measured:q}} --of-data {{input.of_data:q}} {{params.data}} {DEVICE} {PLUGINS}"
        " --output {output:q} 2> {log:q}"
