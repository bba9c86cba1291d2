"""Training, one job a run. The checkpoint is no output: an interrupted job continues from it."""


def training_settings(wildcards):
    """All that decides the weights, the code included; the case descriptions among the inputs hold the data."""
    run = RUNS[wildcards.run]
    code = code_version(
        "scripts.train",
        network_catalogue.CATALOGUE[run.settings.network.name].module,
        *loss_catalogue.code_modules(run.loss_specification),
    )
    return json.dumps({**run.training_settings(), "code": code})


rule train:
    input:
        descriptions=run_case_files("train", names=["case.json"]),
        # content is told by the descriptions' checksums; times of large files mean nothing
        arrays=lambda wildcards: ancient(
            run_case_files("train", names=["image.b2nd", "label.b2nd"])(wildcards)
        ),
        maps=lambda wildcards: run_case_files(
            "train", names=[f"{name}.b2nd" for name in RUNS[wildcards.run].maps]
        )(wildcards),
    output:
        weights=PATHS.run("{run}", "weights.pt"),
        history=PATHS.run("{run}", "history.csv"),
        provenance=PATHS.run("{run}", "provenance.json"),
    log:
        PATHS.log("train/{run}"),
    benchmark:
        PATHS.benchmark("train/{run}")
    threads: 1 if CONFIG.device == "cpu" else 8
    resources:
        gpu=0 if CONFIG.device == "cpu" else 1,
        mem_mb=1500 if CONFIG.device == "cpu" else 32000,
        runtime=60 if CONFIG.device == "cpu" else 1440,
    params:
        settings=training_settings,
        cases=run_cases("train"),
        checkpoint=PATHS.run("{run}", "checkpoint.pt"),
    message:
        "train {wildcards.run}"
    shell:
        f"python {SCRIPTS}/train.py --settings {{params.settings:q}} --cases {{params.cases:q}}"
        f" {DEVICE} --checkpoint {{params.checkpoint:q}}"
        " --weights {output.weights:q} --history {output.history:q} --provenance {output.provenance:q}"
        " &> {log:q}"
