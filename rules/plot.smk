"""Figures: those of a study's own runs, and those recomputed from published records."""


rule plot_froc:
    input:
        runs=lambda wildcards: study_files(study_of_froc(wildcards), "records.json"),
        per_run=lambda wildcards: PATHS.result(f"{study_of_froc(wildcards)}/runs.csv"),
    output:
        PATHS.plot("{place}froc{suffix}.pdf"),
    log:
        PATHS.log("plots/{place}froc{suffix}"),
    benchmark:
        PATHS.benchmark("plots/{place}froc{suffix}")
    wildcard_constraints:
        place=f"|{one_of(map(froc_place, studies_with('lesions')))}",
        suffix="|_small|_tuned",
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        study=study_of_froc,
        settings=lambda wildcards: evaluation_settings(study_of_froc(wildcards)),
        objects=lambda wildcards: wildcards.suffix.removeprefix("_") or "all",
        note=lambda wildcards: CONFIG.note(study_of_froc(wildcards)),
        code=lambda wildcards: code_version("scripts.plot_froc"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_froc.py {PRODUCTS} --configuration {{CONFIG.as_json:q}} --study {{params.study:q}}"
        " --per-run {input.per_run:q} --objects {params.objects:q} --note {params.note:q}"
        " --output {output:q} &> {log:q}"


rule plot_dice_by_noise:
    input:
        per_run=PATHS.result("{study}/runs.csv"),
    output:
        PATHS.plot("{study}/dice_by_noise.pdf"),
    log:
        PATHS.log("plots/{study}/dice_by_noise"),
    benchmark:
        PATHS.benchmark("plots/{study}/dice_by_noise")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        note=lambda wildcards: CONFIG.note(wildcards.study),
        titles=lambda wildcards: titles(wildcards.study),
        published=lambda wildcards: published_option(wildcards.study),
        content=lambda wildcards: published_content(wildcards.study),
        code=lambda wildcards: code_version("scripts.plot_dice_by_noise"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_dice_by_noise.py {PRODUCTS} --per-run {{input.per_run:q}} {{params.published}}"
        " --published {workflow.basedir:q}/published"
        " --titles {params.titles:q} --note {params.note:q} --output {output:q} &> {log:q}"


rule plot_training:
    input:
        lambda wildcards: study_files(wildcards.study, "history.csv"),
    output:
        PATHS.plot("{study}/{figure}.pdf"),
    log:
        PATHS.log("plots/{study}/{figure}"),
    benchmark:
        PATHS.benchmark("plots/{study}/{figure}")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
        figure="training_dice|loss_parameters",
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        note=lambda wildcards: CONFIG.note(wildcards.study),
        code=lambda wildcards: code_version("scripts.plot_training"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_training.py {PRODUCTS} {STUDY}"
        " --figure {wildcards.figure:q} --note {params.note:q} --output {output:q} &> {log:q}"


rule plot_examples:
    input:
        lambda wildcards: ancient(study_examples(wildcards.study, "predictions")),
        checksums=lambda wildcards: study_examples(wildcards.study, "predictions.json"),
        cases=lambda wildcards: test_parts(CONFIG.examples_of(wildcards.study)),
    output:
        PATHS.plot("{study}/{figure}.pdf"),
    log:
        PATHS.log("plots/{study}/{figure}"),
    benchmark:
        PATHS.benchmark("plots/{study}/{figure}")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
        figure="examples|distances",
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        note=lambda wildcards: CONFIG.note(wildcards.study),
        code=lambda wildcards: code_version("scripts.plot_examples"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_examples.py {PRODUCTS} {STUDY} --figure {{wildcards.figure:q}}"
        " --note {params.note:q} --output {output:q} &> {log:q}"


rule plot_surface:
    input:
        lambda wildcards: study_files(wildcards.study, "surface.csv", "history.csv"),
    output:
        PATHS.plot("{study}/{figure}.pdf"),
    log:
        PATHS.log("plots/{study}/{figure}"),
    benchmark:
        PATHS.benchmark("plots/{study}/{figure}")
    wildcard_constraints:
        study=one_of(studies_with("surface")),
        figure="over_epochs|boxplots",
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.study),
        note=lambda wildcards: CONFIG.note(wildcards.study),
        code=lambda wildcards: code_version("scripts.plot_surface"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_surface.py {PRODUCTS} {STUDY}"
        " --figure {wildcards.figure:q} --note {params.note:q} --output {output:q} &> {log:q}"


rule plot_loss_weights:
    output:
        PATHS.plot("{study}/loss_weights.pdf"),
    log:
        PATHS.log("plots/{study}/loss_weights"),
    benchmark:
        PATHS.benchmark("plots/{study}/loss_weights")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        losses=lambda wildcards: json.dumps(CONFIG.resolved_losses(wildcards.study)),
        epochs=lambda wildcards: json.dumps(
            sorted({run.settings.training.epochs for run in runs_of(wildcards.study)})
        ),
        note=lambda wildcards: CONFIG.note(wildcards.study),
        code=lambda wildcards: code_version("scripts.plot_loss_weights"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_loss_weights.py {PRODUCTS} --losses {{params.losses:q}}"
        " --epochs {params.epochs:q} --note {params.note:q} --output {output:q} &> {log:q}"


rule plot_beside_published:
    input:
        PATHS.result("{study}/beside_published.csv"),
    output:
        PATHS.plot("{study}/beside_published.pdf"),
    log:
        PATHS.log("plots/{study}/beside_published"),
    benchmark:
        PATHS.benchmark("plots/{study}/beside_published")
    wildcard_constraints:
        study=one_of(studies_with("surface")),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        note=lambda wildcards: CONFIG.note(wildcards.study),
        code=lambda wildcards: code_version("scripts.plot_beside_published"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_beside_published.py {PRODUCTS} --table {{input:q}}"
        " --note {params.note:q} --output {output:q} &> {log:q}"


rule published_table:
    input:
        records=raw_files("inverse_weighting_records"),
        printed=f"{workflow.basedir}/published/inverse_weighting.csv",
    output:
        PATHS.result("published/inverse_weighting.csv"),
    log:
        PATHS.log("published/table"),
    benchmark:
        PATHS.benchmark("published/table")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        code=lambda wildcards: code_version("scripts.published_table"),
    message:
        "recompute the published numbers of inverse weighting"
    shell:
        f"python {SCRIPTS}/published_table.py {PRODUCTS} --records {{input.records:q}} --printed {{input.printed:q}}"
        " --table {output:q} &> {log:q}"


rule published_figures:
    input:
        raw_files("inverse_weighting_records"),
    output:
        **PUBLISHED_FIGURES,
    log:
        PATHS.log("published/figures"),
    benchmark:
        PATHS.benchmark("published/figures")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        code=lambda wildcards: code_version("scripts.published_figures"),
    message:
        "redraw the published figures of inverse weighting"
    shell:
        f"python {SCRIPTS}/published_figures.py {PRODUCTS} --records {{input:q}} --froc {{output.froc:q}}"
        " --camera-ready {output.camera_ready:q} --focal-alpha {output.focal_alpha:q} &> {log:q}"
