"""Tables, verdicts and figures from per-case tables alone: of a study, archived ones, or those of another tool."""

REANALYZED, REANALYZED_PLOTS = Path(PATHS.result("reanalyzed")), Path(PATHS.plot("reanalyzed"))

with faults_in_one_line():
    CASE_SETS = case_sets(Path(CONFIG.workflow.cases), REANALYZED) if CONFIG.workflow.cases else {}


def named_sets(wildcards):
    """Input function: no file, as one that the workflow makes would be made of data and trainings again."""
    if not CASE_SETS:
        raise WorkflowError("reanalyze: no tables; --config cases=<folder or csv> names them (docs/comparison.md)")
    return []


def content_of_sets(wildcards):
    """Params function: checksums of all that the sets are analysed from."""
    return {name: [(file.name, sha256(file)) for file in files_of_set(cases)] for name, cases in CASE_SETS.items()}


def checksums_of_published(wildcards):
    folder = Path(workflow.basedir) / "published"
    return [sha256(path) for path in sorted(folder.rglob("*.*"))]


rule reanalyze:
    input:
        named_sets,
    output:
        [table for name in CASE_SETS for table in tables_in(f"reanalyzed/{name}")],
        [PATHS.result(f"reanalyzed/{name}/{COSTS}") for name, cases in CASE_SETS.items() if costs_of_set(cases)],
        [directory(PATHS.result(f"reanalyzed/{name}/{EXPORTS}")) for name in CASE_SETS],
        [directory(f"{REANALYZED_PLOTS}/{name}") for name in CASE_SETS],
        page=PATHS.result("reanalyzed/report.html"),
    log:
        PATHS.log("reanalyze"),
    benchmark:
        PATHS.benchmark("reanalyze")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        content=content_of_sets,
        output=lambda wildcards: str(REANALYZED),
        plots=lambda wildcards: str(REANALYZED_PLOTS),
        published=checksums_of_published,
        code=lambda wildcards: [
            code_version(
                "scripts.reanalyze",
                *in_this_project(entry.module for entry in chain(MEASURES.values(), FIGURES.values())),
            ),
            *map(sha256, ASSETS),
        ],
    message:
        "tables, verdicts, figures and page again from {CONFIG.workflow.cases}"
    shell:
        f"python {SCRIPTS}/reanalyze.py {PRODUCTS} {PLUGINS} --cases {{CONFIG.workflow.cases:q}}"
        " --published {workflow.basedir:q}/published --output {params.output:q}"
        " --plots {params.plots:q} &> {log:q}"
