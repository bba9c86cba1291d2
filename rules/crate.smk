"""The finished workflow in one file: a Workflow Run RO-Crate."""

from lib.crate import RUN_FILES, without_places

SUMMARIES = {
    "lesions": rules.summarize,
    "overlap": rules.summarize_overlap,
    "surface": rules.summarize_surface,
}
# what is asked for, and the tables made beside it
OUTCOME = [
    *study_targets(),
    *(published_targets() if takes_published_records() else []),
    *chain.from_iterable(
        expand(SUMMARIES[settings.metrics].output, study=study)
        for study, settings in CONFIG.studies.items()
        if CONFIG.runs_of(study)
    ),
    *expand(rules.data_report.output, dataset=datasets_used()),
    *chain.from_iterable(map(study_noise, CONFIG.studies)),
]


rule crate:
    input:
        outcome=sorted({path for path in OUTCOME if path.endswith((".pdf", ".csv"))}),
        runs=[PATHS.run(run.id, name) for run in CONFIG.runs for name in RUN_FILES],
    output:
        PATHS.result("crate.zip"),
    log:
        PATHS.log("crate"),
    benchmark:
        PATHS.benchmark("crate")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        # a function, as Snakemake takes braces in a string, such as a user's {case}, for wildcards
        configuration=lambda wildcards: json.dumps(without_places(CONFIG.values), sort_keys=True),
        studies=lambda wildcards: repr(CONFIG.studies),
        citation=sha256(Path(workflow.basedir) / "CITATION.cff"),
        code=lambda wildcards: code_version("scripts.write_crate"),
    message:
        "put everything in {output}"
    shell:
        f"python {SCRIPTS}/write_crate.py {PRODUCTS} --configuration {{CONFIG.as_json:q}}"
        " --outcome {input.outcome:q} --crate {output:q} &> {log:q}"
