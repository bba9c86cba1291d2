"""Training, one job a run. The checkpoint is no output: an interrupted job continues from it."""


rule train:
    input:
        cases=split_parts("train"),
        masks=run_masks,
        maps=run_maps,
        measured=run_measured,
        checked=lambda wildcards: ancient(checked_parts(run_of(wildcards))),
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
        prepared=prepared_folder,
        data=data_options,
        checkpoint=PATHS.run("{run}", "checkpoint.pt"),
    message:
        "train {wildcards.run}"
    shell:
        f"python {SCRIPTS}/train.py {PRODUCTS} --settings {{params.settings:q}} --prepared {{params.prepared:q}}"
        f" --cases {{input.cases:q}} {{params.data}} {DEVICE} {PLUGINS}"
        " --identity {params.identity:q} --scale {CONFIG.workflow.scale:q} --checkpoint {params.checkpoint:q} --save-every {CONFIG.workflow.checkpoint_every}"
        " --weights {output.weights:q} --history {output.history:q} --provenance {output.provenance:q}"
        " &> {log:q}"
