"""Evaluation: each run's records and Dice, a reference without learning, and a study's tables."""


rule evaluate:
    input:
        checksums=PATHS.run("{run}", "predictions.json"),  # content by checksum, as case.json does
        predictions=ancient(PATHS.run("{run}", "predictions")),
        cases=split_parts("validation", "test"),
    output:
        records=PATHS.run("{run}", "records.json"),
        records_tuned=PATHS.run("{run}", "records_tuned.json"),
        dice=PATHS.run("{run}", "dice.csv"),
    log:
        PATHS.log("evaluate/{run}"),
    benchmark:
        PATHS.benchmark("evaluate/{run}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        code=lambda wildcards: code_version("scripts.evaluate"),
    message:
        "evaluate {wildcards.run}"
    shell:
        f"python {SCRIPTS}/evaluate.py {PRODUCTS} --predictions {{input.predictions:q}}"
        " --prepared {params.prepared:q} --cases {input.cases:q} --records {output.records:q}"
        " --records-tuned {output.records_tuned:q} --dice-table {output.dice:q} &> {log:q}"


rule evaluate_overlap:
    input:
        checksums=PATHS.run("{run}", "predictions.json"),
        predictions=ancient(PATHS.run("{run}", "predictions")),
        cases=split_parts("test"),
    output:
        PATHS.run("{run}", "overlap.csv"),
    log:
        PATHS.log("evaluate_overlap/{run}"),
    benchmark:
        PATHS.benchmark("evaluate_overlap/{run}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        code=lambda wildcards: code_version("scripts.evaluate_overlap"),
    message:
        "overlap of {wildcards.run}"
    shell:
        f"python {SCRIPTS}/evaluate_overlap.py {PRODUCTS} --predictions {{input.predictions:q}}"
        " --prepared {params.prepared:q} --cases {input.cases:q} --table {output:q} &> {log:q}"


rule evaluate_surface:
    input:
        checksums=PATHS.run("{run}", "predictions.json"),
        predictions=ancient(PATHS.run("{run}", "predictions")),
        cases=split_parts("test"),
    output:
        PATHS.run("{run}", "surface.csv"),
    log:
        PATHS.log("evaluate_surface/{run}"),
    benchmark:
        PATHS.benchmark("evaluate_surface/{run}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        labels=lambda wildcards: json.dumps(run_of(wildcards).labels.as_json()),
        tolerance=lambda wildcards: run_of(wildcards).settings.evaluation.surface_tolerance,
        code=lambda wildcards: code_version("scripts.evaluate_surface"),
    message:
        "surface distances of {wildcards.run}"
    shell:
        f"python {SCRIPTS}/evaluate_surface.py {PRODUCTS} --predictions {{input.predictions:q}}"
        " --prepared {params.prepared:q} --cases {input.cases:q} --labels {params.labels:q} --tolerance {params.tolerance:q} --table {output:q} &> {log:q}"


rule check_measures:
    input:
        lambda wildcards: ancient(study_checks(wildcards.study, "predictions")),
        checksums=lambda wildcards: study_checks(wildcards.study, "predictions.json"),
        cases=lambda wildcards: test_parts(CONFIG.checked_of(wildcards.study)),
    output:
        PATHS.result("{study}/agreement.csv"),
    log:
        PATHS.log("check_measures/{study}"),
    benchmark:
        PATHS.benchmark("check_measures/{study}")
    wildcard_constraints:
        study=one_of(studies_with("surface")),
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        code=lambda wildcards: code_version("scripts.check_measures"),
    message:
        "hold the measures of {wildcards.study} against MONAI's"
    shell:
        f"python {SCRIPTS}/check_measures.py {PRODUCTS} {STUDY} --table {{output:q}} &> {{log:q}}"


rule reference:
    input:
        cases=split_parts("validation", "test"),
    output:
        PATHS.result("reference/{dataset}/{split}.json"),
    log:
        PATHS.log("reference/{dataset}/{split}"),
    benchmark:
        PATHS.benchmark("reference/{dataset}/{split}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        code=lambda wildcards: code_version("scripts.reference"),
    message:
        "reference without learning for {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/reference.py {PRODUCTS} --prepared {{params.prepared:q}}"
        " --cases {input.cases:q} --output {output:q} &> {log:q}"


rule summarize:
    input:
        runs=lambda wildcards: study_files(wildcards.study, "records.json", "records_tuned.json", "dice.csv"),
        references=lambda wildcards: study_references(wildcards.study).values(),
        noise=lambda wildcards: study_noise(wildcards.study),
    output:
        summary=PATHS.result("{study}/summary.csv"),
        per_run=PATHS.result("{study}/runs.csv"),
        by_size=PATHS.result("{study}/recall_by_size.csv"),
    log:
        PATHS.log("summarize/{study}"),
    benchmark:
        PATHS.benchmark("summarize/{study}")
    wildcard_constraints:
        study=one_of(studies_with("lesions")),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        references=lambda wildcards: json.dumps(study_references(wildcards.study)),
        code=lambda wildcards: code_version("scripts.summarize"),
    message:
        "tables of {wildcards.study}"
    shell:
        f"python {SCRIPTS}/summarize.py {PRODUCTS} {STUDY}"
        " --references {params.references:q} --summary {output.summary:q} --per-run {output.per_run:q}"
        " --by-size {output.by_size:q} &> {log:q}"


rule summarize_overlap:
    input:
        runs=lambda wildcards: study_files(wildcards.study, "overlap.csv", "history.csv"),
        noise=lambda wildcards: study_noise(wildcards.study),
    output:
        summary=PATHS.result("{study}/summary.csv"),
        per_run=PATHS.result("{study}/runs.csv"),
        tests=PATHS.result("{study}/tests.csv"),
    log:
        PATHS.log("summarize/{study}"),
    benchmark:
        PATHS.benchmark("summarize/{study}")
    wildcard_constraints:
        study=one_of(studies_with("overlap")),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        published=lambda wildcards: published_option(wildcards.study),
        content=lambda wildcards: published_content(wildcards.study),
        code=lambda wildcards: code_version("scripts.summarize_overlap"),
    message:
        "tables of {wildcards.study}"
    shell:
        f"python {SCRIPTS}/summarize_overlap.py {PRODUCTS} {STUDY}"
        " --published {workflow.basedir:q}/published {params.published}"
        " --summary {output.summary:q} --per-run {output.per_run:q} --tests {output.tests:q} &> {log:q}"


rule summarize_surface:
    input:
        lambda wildcards: study_files(wildcards.study, "surface.csv", "history.csv"),
    output:
        summary=PATHS.result("{study}/summary.csv"),
        per_run=PATHS.result("{study}/runs.csv"),
        tests=PATHS.result("{study}/tests.csv"),
        beside_published=PATHS.result("{study}/beside_published.csv"),
    log:
        PATHS.log("summarize/{study}"),
    benchmark:
        PATHS.benchmark("summarize/{study}")
    wildcard_constraints:
        study=one_of(studies_with("surface")),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        published=lambda wildcards: published_option(wildcards.study),
        content=lambda wildcards: published_content(wildcards.study),
        code=lambda wildcards: code_version("scripts.summarize_surface"),
    message:
        "tables of {wildcards.study}"
    shell:
        f"python {SCRIPTS}/summarize_surface.py {PRODUCTS} {STUDY}"
        " --published {workflow.basedir:q}/published {params.published}"
        " --summary {output.summary:q} --per-run {output.per_run:q} --tests {output.tests:q}"
        " --beside-published {output.beside_published:q} &> {log:q}"


rule list_code_changes:
    input:
        lambda wildcards: sorted(
            set(chain.from_iterable(made.files for made in study_artifacts(wildcards.study)))
        ),
    output:
        PATHS.result("{study}/code_changes.csv"),
    log:
        PATHS.log("list_code_changes/{study}"),
    benchmark:
        PATHS.benchmark("list_code_changes/{study}")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        present=lambda wildcards: sorted({made.code for made in study_artifacts(wildcards.study)}),
        code=lambda wildcards: code_version("scripts.list_code_changes"),
    message:
        "list what other code has made for {wildcards.study}"
    shell:
        f"python {SCRIPTS}/list_code_changes.py {PRODUCTS} {STUDY} --table {{output:q}} &> {{log:q}}"
