"""Prediction of the cases that a run's evaluation and figures read, and what predicts other images."""


def network_module(wildcards):
    return NETWORKS.entry_of(run_of(wildcards).settings.network).module


def predicted_parts(wildcards):
    """Input function: the parts of the split whose predictions something reads."""
    run = run_of(wildcards)
    return [PATHS.tested(run) if part == "test" else PATHS.part(run.dataset, run.split, part) for part in run.reads]


def prediction_code(wildcards):
    """Params function: hash of the code of the prediction, and of the preparation that is described with it."""
    steps = map(POSTPROCESSING.entry_of, run_of(wildcards).settings.postprocessing.steps)
    code = code_version("scripts.predict", network_module(wildcards), *(step.module for step in steps))
    return code + data_code(CONFIG.datasets[run_of(wildcards).dataset].adapter)


def first_stage(wildcards):
    """Input function: what the first stage of a cascade predicts, its folder and its checksums; none of other runs."""
    first = run_of(wildcards).first
    return [ancient(PATHS.run(first.id, "predictions")), PATHS.run(first.id, "predictions.json")] if first else []


rule predict:
    input:
        weights=PATHS.run("{run}", "weights.pt"),
        cases=predicted_parts,
        of_data=lambda wildcards: grid_of(run_of(wildcards)),
        best=best_trial,
        first=first_stage,
    output:
        folder=directory(PATHS.run("{run}", "predictions")),
        checksums=PATHS.run("{run}", "predictions.json"),
        model=PATHS.run("{run}", "model.json"),
    log:
        PATHS.log("predict/{run}"),
    benchmark:
        PATHS.benchmark("predict/{run}")
    conda:
        "../envs/segloss.yaml"
    threads: 4 if ON_GPU else 1
    resources:
        gpu=GPUS,
        gpu_percent=100 if ON_GPU else 0,
    params:
        settings=lambda wildcards: run_of(wildcards).inference_settings.model_dump_json(exclude_defaults=True),
        described=lambda wildcards: json.dumps(CONFIG.model_settings(run_of(wildcards))),
        prepared=prepared_folder,
        found=lambda wildcards: option("of-data", *grid_of(run_of(wildcards)))
        + option("best", *best_trial(wildcards))
        + option("first", *first_stage(wildcards)[:1]),
        code=prediction_code,
    message:
        "predict {wildcards.run}"
    shell:
        f"python {SCRIPTS}/predict.py {PRODUCTS} --settings {{params.settings:q}} --described {{params.described:q}} --weights {{input.weights:q}}"
        f" --prepared {{params.prepared:q}} --cases {{input.cases:q}} {{params.found}} {DEVICE} {PLUGINS}"
        " --predictions {output.folder:q} --checksums {output.checksums:q} --model {output.model:q} &> {log:q}"
