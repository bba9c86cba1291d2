"""Searches: settings of each trial, trials trained rung by rung, and the best one.

A trial knows the results of those before it but the last few, however many run at once, so that the graph is known
beforehand and any number of jobs gives the same trials. The checkpoints of trials are no outputs.
"""

from lib.training.code import training_code as code_of_trainings


def search_of(wildcards):
    return SEARCHES[wildcards.search]


def results_at(search, rung):
    """The results of all trials of a rung."""
    return [PATHS.rung(search, rung, f"{slot:03d}") for slot in range(SEARCHES[search].rungs[rung].trials)]


def known_results(wildcards):
    """Input function: the results that the settings of a trial are proposed from."""
    known = search_of(wildcards).search.sampler.known(int(wildcards.trial))
    return [PATHS.rung(wildcards.search, 0, f"{number:03d}") for number in known]


def trial_settings(wildcards):
    """Input function: what the trial was proposed, of a later rung all of them.

    They count by their place: what was trained counts where another version of Optuna would propose something else.
    """
    numbers = range(search_of(wildcards).search.trials) if int(wildcards.rung) else [int(wildcards.slot)]
    return [ancient(PATHS.trial(wildcards.search, f"{number:03d}")) for number in numbers]


def promoted_trials(wildcards):
    """Input function: the trials that reach a rung; all reach the first."""
    return [PATHS.rung(wildcards.search, wildcards.rung, "trials")] if int(wildcards.rung) else []


def base_of(wildcards):
    return search_of(wildcards).base


def trial_cases(part):
    """Input function: a file that lists the cases of a part, which trials are trained or measured on."""

    def listed(wildcards):
        base = base_of(wildcards)
        return [PATHS.part(base.trained_on if part == "train" else base.measured_on, base.split, part)]

    return listed


def trial_maps(wildcards):
    """Input function: files that list the maps that any trial reads."""
    base = base_of(wildcards)
    return [PATHS.maps(base.trained_on, base.split, name) for name in search_of(wildcards).maps]


def trial_pretrained(wildcards):
    """Input function: the weights that networks of trials begin with; none if all are drawn."""
    found = {run.settings.network.pretrained for run in search_of(wildcards).possible} - {None}
    return [ancient(PATHS.raw(*place)) for place in sorted(found)]


def trial_options(wildcards):
    """Params function: what not every trial has."""
    base, search = base_of(wildcards), search_of(wildcards)
    return (
        option("maps", *trial_maps(wildcards))
        + option("promoted", *promoted_trials(wildcards))
        + option("pretrained", *trial_pretrained(wildcards))
        + (option("native", PATHS.prepared(base.measured_on)) if base.trained_on != base.measured_on else "")
        + option("of-data", *of_data(base))
        + (option("cost", search.search.cost) if search.search.cost else "")
    )


def trial_code(wildcards):
    """Params function: hash of the code of all that trials may train; at paper scale a change trains nothing."""
    if CONFIG.workflow.scale != "demo":
        return ""
    trials = (run.training_settings for run in search_of(wildcards).possible)
    return code_of_trainings(*trials, script="scripts.trial")


rule propose:
    input:
        known_results,
    output:
        PATHS.trial("{search}", "{trial}"),
    log:
        PATHS.log("propose/{search}/{trial}"),
    benchmark:
        PATHS.benchmark("propose/{search}/{trial}")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        results=lambda wildcards, input: option("results", *input),
        code=lambda wildcards: data_code("scripts.propose"),
    message:
        "propose trial {wildcards.trial} of {wildcards.search}"
    shell:
        f"python {SCRIPTS}/propose.py {PRODUCTS} --configuration {{CONFIG.as_json:q}} --search {{wildcards.search:q}}"
        " --trial {wildcards.trial:q} {params.results} --output {output:q} &> {log:q}"


rule trial:
    input:
        settings=trial_settings,
        promoted=promoted_trials,
        cases=trial_cases("train"),
        measured=trial_cases("validation"),
        maps=trial_maps,
        pretrained=trial_pretrained,
        of_data=lambda wildcards: of_data(base_of(wildcards)),
        checked=lambda wildcards: [
            ancient(PATHS.checked_part(dataset, base_of(wildcards).split, part))
            for dataset, part in (
                (base_of(wildcards).trained_on, "train"),
                (base_of(wildcards).measured_on, "validation"),
            )
        ]
        + estimate_of(base_of(wildcards)),
    output:
        PATHS.rung("{search}", "{rung}", "{slot}"),
    log:
        PATHS.log("trial/{search}/{rung}/{slot}"),
    benchmark:
        PATHS.benchmark("trial/{search}/{rung}/{slot}")
    wildcard_constraints:
        slot="[0-9]+",
    conda:
        "../envs/segloss.yaml"
    threads: 8 if ON_GPU else 1
    resources:
        gpu=GPUS,
        gpu_percent=100 if ON_GPU else 0,
    params:
        trials=lambda wildcards: str(Path(PATHS.trial(wildcards.search, "000")).parents[1]),
        epochs=lambda wildcards: search_of(wildcards).rungs[int(wildcards.rung)].epochs,
        measure=lambda wildcards: search_of(wildcards).search.measure,
        prepared=lambda wildcards: PATHS.prepared(base_of(wildcards).trained_on),
        data=trial_options,
        code=trial_code,
    message:
        "train trial {wildcards.slot} of {wildcards.search} to {params.epochs} epochs"
    shell:
        f"python {SCRIPTS}/trial.py {PRODUCTS} --trials {{params.trials:q}} --slot {{wildcards.slot:q}} --epochs {{params.epochs:q}}"
        f" --measure {{params.measure:q}} --prepared {{params.prepared:q}} --cases {{input.cases:q}} --measured {{input.measured:q}}"
        f" {{params.data}} {DEVICE} {PLUGINS} --scale {{CONFIG.workflow.scale:q}}"
        f" --tracking {TRACKING}/{{wildcards.search:q}}/trials"
        " --save-every {CONFIG.workflow.checkpoint_every} --output {output:q} &> {log:q}"


rule promote:
    input:
        lambda wildcards: results_at(wildcards.search, int(wildcards.rung) - 1),
    output:
        PATHS.rung("{search}", "{rung}", "trials"),
    log:
        PATHS.log("promote/{search}/{rung}"),
    benchmark:
        PATHS.benchmark("promote/{search}/{rung}")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        keep=lambda wildcards: search_of(wildcards).rungs[int(wildcards.rung)].trials,
        measure=lambda wildcards: search_of(wildcards).search.measure,
        code=lambda wildcards: data_code("scripts.promote"),
    message:
        "choose {params.keep} trials of {wildcards.search} that go on"
    shell:
        f"python {SCRIPTS}/promote.py {PRODUCTS} --results {{input:q}} --keep {{params.keep:q}} --measure {{params.measure:q}}"
        " --output {output:q} &> {log:q}"


rule search_outcome:
    input:
        results=lambda wildcards: [
            path for rung in range(len(search_of(wildcards).rungs)) for path in results_at(wildcards.search, rung)
        ],
        settings=lambda wildcards: [
            ancient(PATHS.trial(wildcards.search, f"{number:03d}"))
            for number in range(search_of(wildcards).search.trials)
        ],
    output:
        table=PATHS.found("{search}", "trials.csv"),
        best=PATHS.found("{search}", "best.json"),
        importance=PATHS.found("{search}", "importance.csv"),
        journal=PATHS.found("{search}", "journal.log"),
    log:
        PATHS.log("search_outcome/{search}"),
    benchmark:
        PATHS.benchmark("search_outcome/{search}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        trials=lambda wildcards: str(Path(PATHS.trial(wildcards.search, "000")).parents[1]),
        code=lambda wildcards: code_version("scripts.search_outcome"),
    message:
        "what {wildcards.search} has found"
    shell:
        f"python {SCRIPTS}/search_outcome.py {PRODUCTS} --configuration {{CONFIG.as_json:q}} --search {{wildcards.search:q}}"
        " --results {input.results:q} --trials {params.trials:q} --table {output.table:q} --best {output.best:q}"
        " --importance {output.importance:q} --journal {output.journal:q} &> {log:q}"
