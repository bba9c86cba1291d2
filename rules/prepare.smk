"""Prepared cases, one job each: image, label and description."""


rule prepare:
    output:
        image=PATHS.case("{dataset}", "{case}", "image.b2nd"),
        label=PATHS.case("{dataset}", "{case}", "label.b2nd"),
        description=PATHS.case("{dataset}", "{case}", "case.json"),
    log:
        PATHS.log("prepare/{dataset}/{case}"),
    benchmark:
        PATHS.benchmark("prepare/{dataset}/{case}")
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        adapter=lambda wildcards: DATASETS[wildcards.dataset].adapter,
        parameters=lambda wildcards: json.dumps(DATASETS[wildcards.dataset].parameters),
        folder=subpath(output.description, parent=True),
        code=lambda wildcards: code_version("scripts.prepare", DATASETS[wildcards.dataset].adapter),
    message:
        "prepare {wildcards.dataset} {wildcards.case}"
    shell:
        f"python {SCRIPTS}/prepare.py --adapter {{params.adapter}} --parameters {{params.parameters:q}}"
        " --case {wildcards.case:q} --folder {params.folder:q} &> {log:q}"
