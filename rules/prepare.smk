"""Cases found among raw files, prepared one job each (image, label, description), and told in a report."""


checkpoint index:
    input:
        lambda wildcards: raw_places(wildcards.dataset),
    output:
        PATHS.index("{dataset}"),
    log:
        PATHS.log("index/{dataset}"),
    benchmark:
        PATHS.benchmark("index/{dataset}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        adapter=lambda wildcards: CONFIG.datasets[wildcards.dataset].adapter,
        parameters=lambda wildcards: json.dumps(
            CONFIG.datasets[wildcards.dataset].parameters | CONFIG.datasets[wildcards.dataset].indexing
        ),
        places=lambda wildcards: json.dumps(raw_places(wildcards.dataset)),
        names=lambda wildcards: names_below(wildcards.dataset),
        code=lambda wildcards: code_version("scripts.index", CONFIG.datasets[wildcards.dataset].adapter),
    message:
        "find the cases of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/index.py --dataset {{wildcards.dataset:q}} --adapter {{params.adapter}}"
        " --parameters {params.parameters:q} --places {params.places:q} --output {output:q} &> {log:q}"


rule prepare:
    input:
        files_of_case,
    output:
        image=PATHS.case("{dataset}", "{case}", "image.b2nd"),
        label=PATHS.case("{dataset}", "{case}", "label.b2nd"),
        description=PATHS.case("{dataset}", "{case}", "case.json"),
    log:
        PATHS.log("prepare/{dataset}/{case}"),
    benchmark:
        PATHS.benchmark("prepare/{dataset}/{case}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        adapter=lambda wildcards: CONFIG.datasets[wildcards.dataset].adapter,
        parameters=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].parameters),
        entry=lambda wildcards: json.dumps(asdict(entry_of(wildcards))),
        folder=subpath(output.description, parent=True),
        code=lambda wildcards: code_version("scripts.prepare", CONFIG.datasets[wildcards.dataset].adapter),
    message:
        "prepare {wildcards.dataset} {wildcards.case}"
    shell:
        f"python {SCRIPTS}/prepare.py --adapter {{params.adapter}} --parameters {{params.parameters:q}}"
        " --case {wildcards.case:q} --entry {params.entry:q} --folder {params.folder:q} &> {log:q}"


rule list_part:
    input:
        index=dataset_index,
        descriptions=lambda wildcards: case_files(wildcards.part, names=["case.json"])(wildcards),
    output:
        PATHS.part("{dataset}", "{split}", "{part}"),
    log:
        PATHS.log("list_part/{dataset}/{split}/{part}"),
    benchmark:
        PATHS.benchmark("list_part/{dataset}/{split}/{part}")
    wildcard_constraints:
        part="|".join(SPLITS),
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_option,
        code=code_version("scripts.list_part"),
    message:
        "list the {wildcards.part} cases of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/list_part.py {{params.prepared}} --part {{wildcards.part}} --output {{output:q}}"
        " &> {log:q}"


rule data_report:
    input:
        index=PATHS.index("{dataset}"),
        descriptions=dataset_files("case.json"),
        arrays=lambda wildcards: ancient(dataset_files("image.b2nd", "label.b2nd")(wildcards)),
    output:
        cases=PATHS.result("data/{dataset}/cases.csv"),
        excluded=PATHS.result("data/{dataset}/excluded.csv"),
        figure=PATHS.plot("data/{dataset}.pdf"),
    log:
        PATHS.log("data_report/{dataset}"),
    benchmark:
        PATHS.benchmark("data_report/{dataset}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        title=lambda wildcards: CONFIG.datasets[wildcards.dataset].title,
        classes=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].classes),
        code=code_version("scripts.data_report"),
    message:
        "report of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/data_report.py --prepared {{params.prepared:q}} --title {{params.title:q}}"
        " --classes {params.classes:q} --table {output.cases:q} --excluded {output.excluded:q} --figure {output.figure:q} &> {log:q}"
