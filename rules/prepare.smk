"""Cases found among raw files, prepared in bundles (image, label, description), and shown in a report."""


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
        code=lambda wildcards: data_code("scripts.index", CONFIG.datasets[wildcards.dataset].adapter),
    message:
        "find the cases of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/index.py {PRODUCTS} --dataset {{wildcards.dataset:q}} --adapter {{params.adapter:q}}"
        " --parameters {params.parameters:q} --places {params.places:q} --output {output:q} &> {log:q}"


rule prepare:
    input:
        files_of_cases,
        index=ancient(PATHS.index("{dataset}")),  # its content counts by the entries of these cases
    output:
        PATHS.bundle("{dataset}", "{bundle}"),
    log:
        PATHS.log("prepare/{dataset}/{bundle}"),
    benchmark:
        PATHS.benchmark("prepare/{dataset}/{bundle}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        adapter=lambda wildcards: CONFIG.datasets[wildcards.dataset].adapter,
        parameters=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].parameters),
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        cases=lambda wildcards: json.dumps(list(entries_of(wildcards))),
        entries=lambda wildcards: repr(entries_of(wildcards)),
        files=state_of_cases,
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        code=lambda wildcards: data_code("scripts.prepare", CONFIG.datasets[wildcards.dataset].adapter),
    message:
        "prepare {wildcards.dataset}, bundle {wildcards.bundle}"
    shell:
        f"python {SCRIPTS}/prepare.py {PRODUCTS} --adapter {{params.adapter:q}} --parameters {{params.parameters:q}}"
        " --labels {params.labels:q} --cases {params.cases:q} --prepared {params.prepared:q} --output {output:q} &> {log:q}"


rule list_part:
    input:
        index=ancient(PATHS.index("{dataset}")),  # its content counts by the order of the cases and their bundles
        bundles=lambda wildcards: [
            PATHS.bundle(wildcards.dataset, name)
            for name in bundles_of_part(wildcards.dataset, wildcards.split, wildcards.part)
        ],
    output:
        PATHS.part("{dataset}", "{split}", "{part}"),
    log:
        PATHS.log("list_part/{dataset}/{split}/{part}"),
    benchmark:
        PATHS.benchmark("list_part/{dataset}/{split}/{part}")
    wildcard_constraints:
        part=one_of(SPLITS),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        bundles=lambda wildcards, input: bundles_option(input.bundles),
        order=lambda wildcards: digest_of_order(wildcards.dataset, wildcards.split, wildcards.part),
        code=lambda wildcards: data_code("scripts.list_cases"),
    message:
        "list the {wildcards.part} cases of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/list_cases.py {PRODUCTS} {{params.bundles}} --index {{input.index:q}}"
        " --split {wildcards.split:q} --part {wildcards.part:q} --output {output:q} &> {log:q}"


rule check_part:
    input:
        PATHS.part("{dataset}", "{split}", "{part}"),
    output:
        PATHS.checked_part("{dataset}", "{split}", "{part}"),
    log:
        PATHS.log("check_part/{dataset}/{split}/{part}"),
    benchmark:
        PATHS.benchmark("check_part/{dataset}/{split}/{part}")
    wildcard_constraints:
        part=one_of(SPLITS),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        name="data set {dataset}, split {split}, {part}",
        code=lambda wildcards: data_code("scripts.check_part"),
    message:
        "check the {wildcards.part} cases of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/check_part.py {PRODUCTS} --cases {{input:q}} --name {{params.name:q}} --output {{output:q}} &> {{log:q}}"


rule data_report:
    input:
        index=PATHS.index("{dataset}"),
        bundles=lambda wildcards: [
            PATHS.bundle(wildcards.dataset, name) for name in cases_of(wildcards.dataset)[1]
        ],
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
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        code=lambda wildcards: code_version("scripts.data_report"),
    message:
        "report of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/data_report.py {PRODUCTS} --prepared {{params.prepared:q}} --title {{params.title:q}}"
        " --labels {params.labels:q} --table {output.cases:q} --excluded {output.excluded:q} --figure {output.figure:q} &> {log:q}"
