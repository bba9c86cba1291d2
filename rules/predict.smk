"""Prediction of a run's validation and test cases."""


rule predict:
    input:
        weights=PATHS.run("{run}", "weights.pt"),
        descriptions=run_case_files("validation", "test", names=["case.json"]),
        images=lambda wildcards: ancient(
            run_case_files("validation", "test", names=["image.b2nd"])(wildcards)
        ),
    output:
        directory(PATHS.run("{run}", "predictions")),
    log:
        PATHS.log("predict/{run}"),
    benchmark:
        PATHS.benchmark("predict/{run}")
    threads: 1 if CONFIG.device == "cpu" else 4
    resources:
        gpu=0 if CONFIG.device == "cpu" else 1,
        mem_mb=1500 if CONFIG.device == "cpu" else 16000,
        runtime=30 if CONFIG.device == "cpu" else 240,
    params:
        settings=lambda wildcards: json.dumps(RUNS[wildcards.run].inference_settings()),
        cases=run_cases("validation", "test"),
        code=lambda wildcards: code_version(
            "scripts.predict",
            network_catalogue.CATALOGUE[RUNS[wildcards.run].settings.network.name].module,
        ),
    message:
        "predict {wildcards.run}"
    shell:
        f"python {SCRIPTS}/predict.py --settings {{params.settings:q}} --weights {{input.weights:q}}"
        f" --cases {{params.cases:q}} {DEVICE}"
        " --predictions {output:q} &> {log:q}"
