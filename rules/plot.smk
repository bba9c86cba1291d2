"""Figures: those of a study's own runs, and those recomputed from published records."""


rule plot_froc:
    input:
        runs=study_files("inverse_weighting", "records.json"),
        per_run=PATHS.result("inverse_weighting/runs.csv"),
    output:
        PATHS.plot("froc{suffix}.pdf"),
    log:
        PATHS.log("plots/froc{suffix}"),
    benchmark:
        PATHS.benchmark("plots/froc{suffix}")
    wildcard_constraints:
        suffix="|_small|_tuned",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folders=study_folders("inverse_weighting"),
        settings=evaluation_settings("inverse_weighting"),
        objects=lambda wildcards: wildcards.suffix.removeprefix("_") or "all",
        code=code_version("scripts.plot_froc"),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot_froc.py --runs {{params.folders:q}} --settings {{params.settings:q}}"
        " --per-run {input.per_run:q} --objects {params.objects} --scale {CONFIG.workflow.scale}"
        " --output {output:q} &> {log:q}"


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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_version("scripts.published_table"),
    message:
        "recompute the published numbers of inverse weighting"
    shell:
        f"python {SCRIPTS}/published_table.py --records {{input.records:q}} --printed {{input.printed:q}}"
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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_version("scripts.published_figures"),
    message:
        "redraw the published figures of inverse weighting"
    shell:
        f"python {SCRIPTS}/published_figures.py --records {{input:q}} --froc {{output.froc:q}}"
        " --camera-ready {output.camera_ready:q} --focal-alpha {output.focal_alpha:q} &> {log:q}"
