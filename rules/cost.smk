"""Costs: time and memory of trainings and inferences, measured in jobs of their own.

Of runs that train and infer in the same way one is measured, in a training of a few steps that keeps nothing.
"""


def cost_settings(wildcards):
    """Params function: what decides the training and the inference; those of a search's best trial come from its file."""
    return settings_of_costs(run_of(wildcards))


def cost_data(wildcards):
    """Params function: options with the data that not every training has."""
    run = run_of(wildcards)
    return (
        option("of-data", *of_data(run))
        + option("best", *best_trial(wildcards))
        + option("maps", *map_lists(run))
        + (option("noisy", noisy_set(run)) if run.noise.alpha else "")
    )


def cost_code(wildcards):
    """Params function: hash of the code of the training and of what measures it."""
    run = run_of(wildcards)
    possible = run.search.possible if run.search else [run]
    return code_of_trainings(*(one.training_settings for one in possible), script="scripts.measure_cost")


def published_costs(study):
    """Digest of the published costs that the study names, if it does."""
    published = CONFIG.studies[study].published
    return sha256(Path(workflow.basedir) / f"published/{published.costs}.csv") if published and published.costs else ""


def shows_costs(study):
    return any("cost" in FIGURES.entry_of(figure).tables for figure in CONFIG.studies[study].figures)


rule measure_cost:
    input:
        cases=lambda wildcards: PATHS.part(run_of(wildcards).trained_on, run_of(wildcards).split, "train"),
        tested=split_parts("test"),
        masks=run_masks,
        maps=run_maps,
        best=best_trial,
        of_data=lambda wildcards: of_data(run_of(wildcards)),
        checked=checked_parts,
    output:
        PATHS.run("{run}", "cost.json"),
    log:
        PATHS.log("measure_cost/{run}"),
    benchmark:
        PATHS.benchmark("measure_cost/{run}")
    conda:
        "../envs/segloss.yaml"
    threads: 8 if ON_GPU else 1
    resources:
        gpu=GPUS,
        gpu_percent=100 if ON_GPU else 0,
    params:
        settings=cost_settings,
        prepared=lambda wildcards: PATHS.prepared(run_of(wildcards).trained_on),
        native=prepared_folder,
        data=cost_data,
        code=cost_code,
    message:
        "measure the cost of {wildcards.run}"
    shell:
        f"python {SCRIPTS}/measure_cost.py {PRODUCTS} --settings {{params.settings:q}} --prepared {{params.prepared:q}}"
        f" --cases {{input.cases:q}} --native {{params.native:q}} --tested {{input.tested:q}} {{params.data}} {DEVICE} {PLUGINS}"
        " --output {output:q} &> {log:q}"


rule tabulate_costs:
    input:
        costs=lambda wildcards: files_of(CONFIG.costed_of(wildcards.study), "cost.json"),
        cases=lambda wildcards: files_of(runs_of(wildcards.study), "cases.csv"),
        runs=PATHS.result("{study}/runs.csv"),
    output:
        PATHS.result("{study}/cost.csv"),
    log:
        PATHS.log("tabulate_costs/{study}"),
    benchmark:
        PATHS.benchmark("tabulate_costs/{study}")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: study_settings(wildcards.study),
        published=lambda wildcards: published_costs(wildcards.study),
        code=lambda wildcards: code_version("scripts.tabulate_costs"),
    message:
        "costs of {wildcards.study}"
    shell:
        f"python {SCRIPTS}/tabulate_costs.py {PRODUCTS} {STUDY} --published {{workflow.basedir:q}}/published"
        " --table {output:q} &> {log:q}"
