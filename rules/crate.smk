"""The finished workflow in one file: a Workflow Run RO-Crate."""

from lib.workflow.crate import RUN_FILES, without_places


def study_targets():
    """Figures and tables of the studies that have runs."""
    studies = [study for study in CONFIG.studies if CONFIG.runs_of(study)]
    noisy = sorted({(run.dataset, run.split, run.noise.name) for run in CONFIG.runs if run.noise.alpha})
    return [
        # named, so that one that failed is missed even where its figures of before still stand
        *(PATHS.run(run.id, name) for run in CONFIG.runs for name in ("weights.pt", "predictions.json")),
        *chain.from_iterable(map(figures_of, studies)),
        *(PATHS.result(f"{study}/comparisons.csv") for study in studies),
        *(PATHS.result(f"{study}/code_changes.csv") for study in studies),
        *(PATHS.result(f"{study}/agreement.csv") for study in studies if study in studies_measuring("surface")),
        *(PATHS.plot(f"noise/{'/'.join(noise)}.pdf") for noise in noisy),
        *chain.from_iterable(map(report_targets, datasets_used())),
        *(rules.ledger.output if studies else []),
    ]


def report_targets(dataset):
    return [PATHS.result(f"data/{dataset}/cases.csv"), PATHS.plot(f"data/{dataset}.pdf")]


# what is asked for, and the tables made beside it
OUTCOME = [
    *study_targets(),
    *(published_targets() if takes_published_records() else []),
    *chain.from_iterable(
        expand(rules.summarize.output, study=study) for study in CONFIG.studies if CONFIG.runs_of(study)
    ),
    *(PATHS.result(f"{study}/cost.csv") for study in CONFIG.studies if CONFIG.runs_of(study) and shows_costs(study)),
    *rules.report.output,
    *(PATHS.found(search, name) for search in SEARCHES for name in ("trials.csv", "importance.csv")),
    *expand(rules.data_report.output, dataset=datasets_used()),
    *chain.from_iterable(map(study_noise, CONFIG.studies)),
]


rule crate:
    input:
        outcome=sorted({path for path in OUTCOME if path.endswith((".pdf", ".csv", ".html", TERMS))}),
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
